-- Adds an account: $1 e-mail, $2 name, $3 role; returns its id.
INSERT INTO public.users (email, name, role, credits_micros) VALUES ($1, $2, $3, 0)
RETURNING id
