-- Returns the history files of tenant $1: path, begin, end, calls and the sums of their fingerprints, oldest first.
SELECT path, month_start, month_end, calls, fingerprint_hi, fingerprint_lo
FROM tally.history_files WHERE user_id = $1 ORDER BY month_start
