SELECT to_jsonb(c) - 'user_id' - 'id' - 'agent_id' - 'created_at' - 'updated_at' || jsonb_build_object(
    'contact_id', (SELECT k.phone_e164 FROM contacts k WHERE k.user_id = c.user_id AND k.id = c.contact_id),
    'attempts', (SELECT coalesce(jsonb_agg(to_jsonb(a) - 'user_id' - 'call_id' ORDER BY a.attempt), '[]')
                 FROM tally.call_attempts a WHERE a.user_id = c.user_id AND a.call_id = c.id),
    'legs', (SELECT coalesce(jsonb_agg(to_jsonb(l) - 'user_id' - 'call_id' ORDER BY l.leg_key), '[]')
             FROM tally.call_legs l WHERE l.user_id = c.user_id AND l.call_id = c.id),
    'sids', (SELECT coalesce(jsonb_agg(s.call_sid ORDER BY s.call_sid), '[]')
             FROM tally.call_aliases s WHERE s.user_id = c.user_id AND s.call_id = c.id),
    'transcript', (SELECT t.content FROM transcripts t WHERE t.user_id = c.user_id AND t.call_id = c.id),
    'charged', (SELECT coalesce(-sum(x.amount_micros), 0) FROM credit_transactions x WHERE x.user_id = c.user_id AND x.call_id = c.id),
    'balance', (SELECT u.credits_micros FROM users u WHERE u.id = c.user_id))
FROM calls c WHERE c.bolna_execution_id = $1 AND c.user_id = coalesce($2, c.user_id)
