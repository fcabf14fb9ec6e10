-- Returns for how many seconds the oldest event to apply or the oldest mark has waited; null when nothing waits.
SELECT extract(epoch FROM clock_timestamp() - least(
    (SELECT min(m.marked_at) FROM tally.rollup_marks m),
    (SELECT min(p.received_at) FROM tally.inbox_pending p WHERE p.state = 'ready')))::float8 AS seconds
