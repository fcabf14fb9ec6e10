CREATE OR REPLACE FUNCTION tally.settle_low_credit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    levels CONSTANT bigint[] := tally.low_credit_levels();
BEGIN
    -- Whoever changed the balance holds it already; for others, one after the other.
    PERFORM FROM users u WHERE u.id IN (SELECT n.user_id FROM new_entries n) ORDER BY u.id FOR NO KEY UPDATE;
    WITH steps AS (
        SELECT n.user_id, n.entry_no, n.call_id, n.balance_after_micros, r.reached,
               lag(r.reached, 1, u.low_credit_level::integer) OVER (PARTITION BY n.user_id ORDER BY n.entry_no) AS before,
               row_number() OVER (PARTITION BY n.user_id ORDER BY n.entry_no DESC) AS from_last
        FROM new_entries n
        JOIN users u ON u.id = n.user_id
        CROSS JOIN LATERAL (
            SELECT count(*)::integer AS reached FROM unnest(levels) AS l (level) WHERE n.balance_after_micros <= l.level
        ) r
    ), told AS (
        INSERT INTO tally.notifications (user_id, kind, payload, idempotency_key)
        SELECT s.user_id, 'credits.low',
               jsonb_build_object('level_micros', levels[place], 'balance_micros', s.balance_after_micros, 'call_id', s.call_id),
               format('credits.low:%s:%s', s.entry_no, levels[place])
        FROM steps s
        CROSS JOIN generate_series(s.before + 1, s.reached) AS place
        ORDER BY s.user_id, s.entry_no, place
        ON CONFLICT (user_id, idempotency_key) DO NOTHING
    )
    UPDATE users u SET low_credit_level = s.reached
    FROM steps s
    WHERE s.from_last = 1 AND u.id = s.user_id AND u.low_credit_level <> s.reached;
    RETURN NULL;
END $$;
