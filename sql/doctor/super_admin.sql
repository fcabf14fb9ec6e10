-- Returns a row when nobody can sign in as super_admin and for how long a process has offered the first-run link, with the
-- command that makes an account.
SELECT coalesce('nobody; a link has been open for ' || (extract(epoch FROM now() - (SELECT min(l.started_at) FROM tally.job_leases l WHERE l.expires_at > now())) / 60)::bigint || ' min', 'nobody'),
       'tallyline account add --email you@example.com --name NAME --role super_admin'
WHERE NOT EXISTS (SELECT FROM public.users WHERE role = 'super_admin' AND is_active AND password_hash IS NOT NULL)
