-- Gives the failed units of backfill $1 their attempts again; returns nothing.
UPDATE tally.backfill_units
SET state = 'ready', attempts = 0, finished_at = NULL
WHERE backfill_id = $1 AND state = 'failed'
