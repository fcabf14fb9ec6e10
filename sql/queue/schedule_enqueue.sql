-- Adds the job of a schedule, due in $6 seconds, whatever else of it lives; returns the id.
SELECT tally.enqueue_job($1, $2, queue => $3, priority => $4, max_attempts => $5,
    run_after => $6::float8 * interval '1 second') AS "id!"
