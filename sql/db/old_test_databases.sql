-- Returns the databases that earlier test runs left behind; $1 is the template in use.
SELECT d.datname::text
FROM pg_database d
WHERE (
        d.datname ~ '^tl_test_[0-9]+_'
        AND split_part(d.datname, '_', 3)::bigint < extract(epoch FROM now() - interval '1 hour')
        AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)
    ) OR (
        d.datname ~ '^tl_template_'
        AND d.datname <> $1
        AND COALESCE(shobj_description(d.oid, 'pg_database'), '0')::bigint < extract(epoch FROM now() - interval '1 day')
    )
