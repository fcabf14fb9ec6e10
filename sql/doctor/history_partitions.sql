-- Returns a row when tomorrow has no partition, with the command that makes it and drops none.
SELECT 'no partition for tomorrow',
       'psql "$DATABASE_URL" -c ''SET ROLE tallyline_worker'' -c ''SELECT tally.keep_job_history(3, 36500)'''
WHERE to_regclass('tally.job_history_' || to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD')) IS NULL
