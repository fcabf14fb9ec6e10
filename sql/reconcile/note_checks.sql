-- Notes what the provider said about executions or CallSids; each is asked again after a pause that doubles up to a day.
-- $1 tenant, $2 provider, $3 refs, $4 results, $5 what was listed, in parallel arrays; $6 now, $7 seconds of the first pause,
-- $8 of which contradicting ends it was asked about, parallel to $3.
INSERT INTO tally.provider_checks AS p (user_id, provider, ref, result, listed, conflict, first_checked_at, checked_at, next_check_at)
SELECT $1, $2, n.ref, n.result, n.listed, n.conflict, $6, $6, $6::timestamptz + least($7::float8, 86400) * interval '1 second'
FROM unnest($3::text[], $4::text[], $5::text[], $8::text[]) AS n (ref, result, listed, conflict)
ORDER BY n.ref
ON CONFLICT (user_id, provider, ref) DO UPDATE SET
    result = EXCLUDED.result,
    listed = coalesce(EXCLUDED.listed, p.listed),
    conflict = coalesce(EXCLUDED.conflict, p.conflict),
    checks = p.checks + 1,
    checked_at = EXCLUDED.checked_at,
    next_check_at = EXCLUDED.checked_at + least((EXCLUDED.next_check_at - EXCLUDED.checked_at) * 2 ^ least(p.checks, 16), interval '1 day')
