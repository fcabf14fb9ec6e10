-- Notes that the batch of these lanes ended. $1 tenants.
UPDATE tally.lanes SET claims = 0 WHERE user_id = ANY($1) AND claims <> 0
