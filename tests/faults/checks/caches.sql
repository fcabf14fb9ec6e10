-- Overviews that are behind their roll-ups.
SELECT concat_ws(' ', 'overview of', b.user_id, 'is of', coalesce(c.generation, 0), 'and the roll-ups of', b.generation)
FROM (SELECT user_id, sum(generation) AS generation FROM tally.rollup_buckets WHERE tier IN (2, 3) GROUP BY user_id) b
LEFT JOIN public.dashboard_cache c ON c.user_id = b.user_id AND c.cache_key = 'overview'
WHERE c.generation IS DISTINCT FROM b.generation
