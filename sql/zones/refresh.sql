-- Makes the calendar of the zone $1 current and marks what changed; returns whether it was extended, whether the server's
-- tz database no longer agreed, from when to when, and how many marks that made.
SELECT z.extended AS "extended!", NOT isempty(z.changed) AS "changed!", lower(z.changed) AS changed_from, upper(z.changed) AS changed_to,
       z.marks AS "marks!"
FROM tally.refresh_zone($1) z
