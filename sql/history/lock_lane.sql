-- Locks the lane of tenant $1, so that no batch of its events is under way; returns it.
SELECT user_id FROM tally.lanes WHERE user_id = $1 FOR UPDATE
