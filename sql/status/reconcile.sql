-- Returns one row: provider accounts in use and out of use, active tenants without an account in use, the age of the oldest
-- watermark of an account in use (never read: since it was made), calls without an end that their providers do not know, and
-- such with answers that cannot be used. $1 the reserved account that is no tenant.
SELECT (SELECT count(*) FROM tally.provider_accounts a JOIN public.users u ON u.id = a.user_id
        WHERE a.disabled_at IS NULL AND u.is_active) AS "accounts_in_use!",
       (SELECT count(*) FROM tally.provider_accounts a WHERE a.disabled_at IS NOT NULL) AS "accounts_disabled!",
       (SELECT count(*) FROM tally.provider_accounts a WHERE a.disabled_at IS NULL AND a.last_error IS NOT NULL) AS "accounts_failing!",
       (SELECT count(*) FROM public.users u
        WHERE u.is_active AND u.id <> $1
          AND NOT EXISTS (SELECT FROM tally.provider_accounts a WHERE a.user_id = u.id AND a.disabled_at IS NULL)) AS "tenants_without!",
       (SELECT extract(epoch FROM now() - min(coalesce(a.reconciled_until, a.created_at)))::float8
        FROM tally.provider_accounts a JOIN public.users u ON u.id = a.user_id
        WHERE a.disabled_at IS NULL AND u.is_active) AS oldest_watermark_seconds,
       (SELECT count(*) FROM tally.provider_checks p WHERE p.result = 'unknown' AND p.conflict IS NULL) AS "unknown_calls!",
       (SELECT count(*) FROM tally.provider_checks p WHERE p.result = 'refused' AND p.conflict IS NULL) AS "refused_answers!"
