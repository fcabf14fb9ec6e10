-- Calls that no event told of.
SELECT concat_ws(' ', 'call', c.id, 'of', c.user_id) FROM public.calls c
WHERE NOT EXISTS (SELECT FROM tally.call_events e WHERE e.user_id = c.user_id AND e.call_id = c.id)
