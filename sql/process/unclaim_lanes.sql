-- Takes back a claim whose batch failed while its process lives: it was no death. $1 tenants.
UPDATE tally.lanes SET claims = greatest(claims - 1, 0) WHERE user_id = ANY($1)
