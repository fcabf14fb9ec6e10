-- Returns our tables with autovacuum off, with the command that turns it on.
SELECT c.oid::regclass || ' has autovacuum_enabled off',
       format('psql "$DATABASE_URL" -c ''ALTER TABLE %s RESET (autovacuum_enabled)''', c.oid::regclass)
FROM pg_class c
WHERE c.relnamespace IN ('public'::regnamespace, 'tally'::regnamespace)
  AND array_to_string(c.reloptions, ' ') ~ '\mautovacuum_enabled=(false|off|no|0)\M'
ORDER BY 1
