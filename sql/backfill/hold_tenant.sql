-- Keeps tenant $1's zone and calendar as they are until the end of the transaction; returns its id, or nothing when it is gone.
-- Does not wait: it comes after the buckets, and whoever changes a zone may want what waits for them.
SELECT user_id FROM tally.zone_holds WHERE user_id = $1 FOR KEY SHARE NOWAIT
