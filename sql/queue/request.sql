-- Asks for a coalesced job and returns the id of its row.
SELECT tally.request_job($1, $2, $3, $4::float8 * interval '1 second', $5, $6, $7, $8) AS "id!"
