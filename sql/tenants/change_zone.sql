-- Moves the tenant $1 to the zone $2 and marks its local buckets; returns the zone before (null: no such tenant), the marks,
-- those of them made while roll-ups of the tenant were excluded, for how long that was and how long its row was locked.
SELECT before, marks, marks_while_held, held_seconds, row_locked_seconds
FROM tally.change_zone($1, $2)
