-- Keeps tenant $1 from moving to another zone until the end of the transaction; returns its id, or nothing when it is gone.
-- Who moves one locks its buckets before its row, so this comes after the buckets, and does not wait.
SELECT id FROM public.users WHERE id = $1 FOR KEY SHARE NOWAIT
