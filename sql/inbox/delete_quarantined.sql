-- Nothing; entry $2 of tenant $1 leaves the quarantine.
DELETE FROM tally.quarantine WHERE user_id = $1 AND id = $2
