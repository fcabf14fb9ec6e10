-- A thousand tenants.
INSERT INTO public.users (email, name) SELECT format('tenant-%s@example.com', n), format('Tenant %s', n) FROM generate_series(1, 1000) n
