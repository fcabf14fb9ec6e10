-- Removes calls of tenant $1 that are frozen, at most $2, with what hangs on them and the facts of their events; returns
-- them. Ledger entries stay as they are; follow-ups stay without their call. Needs tally.removing_frozen = on.
WITH batch AS (
    SELECT c.user_id, c.id FROM public.calls c
    WHERE c.user_id = $1 AND c.started_at < tally.frozen_before($1)
    ORDER BY c.started_at
    LIMIT $2
), kept AS (
    UPDATE public.follow_ups f SET call_id = NULL FROM batch b WHERE f.user_id = b.user_id AND f.call_id = b.id
), events AS (
    DELETE FROM tally.call_events e USING batch b WHERE e.user_id = b.user_id AND e.call_id = b.id
)
DELETE FROM public.calls c USING batch b WHERE c.user_id = b.user_id AND c.id = b.id
RETURNING c.id
