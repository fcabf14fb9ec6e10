-- Sets the password $3 of account $1 by the link with hash $2, once, while it holds; returns the account.
UPDATE public.users u
SET password_hash = $3, password_reset_token = NULL, password_reset_expires = NULL, email_verified = true, updated_at = now()
WHERE u.id = $1 AND u.password_reset_token = $2 AND u.password_reset_expires > now() AND u.is_active
RETURNING u.email AS "email!"
