-- Registers the file of a month and freezes what lies before its end; returns nothing.
-- $1 tenant, $2 from, $3 to, $4 path, $5 calls, $6 and $7 sums of the fingerprints.
WITH registered AS (
    INSERT INTO tally.history_files (user_id, month_start, month_end, path, calls, fingerprint_hi, fingerprint_lo)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
)
INSERT INTO tally.history_horizons (user_id, frozen_before)
VALUES ($1, $3)
ON CONFLICT (user_id) DO UPDATE SET frozen_before = EXCLUDED.frozen_before
