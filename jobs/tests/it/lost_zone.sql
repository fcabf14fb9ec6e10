-- Makes the zone $1, which no tz database has, with the calendar of UTC; returns nothing.
WITH zone AS (
    INSERT INTO tally.zones (zone) VALUES ($1) RETURNING zone
), offsets AS (
    INSERT INTO tally.zone_offsets (zone, period_start, period_end, utc_offset)
    SELECT z.zone, o.period_start, o.period_end, o.utc_offset FROM zone z CROSS JOIN tally.zone_offsets o WHERE o.zone = 'UTC'
)
INSERT INTO tally.calendar (zone, grain, bucket_start, bucket_end, date)
SELECT z.zone, c.grain, c.bucket_start, c.bucket_end, c.date FROM zone z CROSS JOIN tally.calendar c WHERE c.zone = 'UTC'
