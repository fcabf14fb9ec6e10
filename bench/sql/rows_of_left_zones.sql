-- Returns how many rows stand in a zone that their tenant has left.
SELECT (SELECT count(*) FROM user_analytics r JOIN users u ON u.id = r.user_id AND u.timezone <> r.zone)
     + (SELECT count(*) FROM agent_analytics r JOIN users u ON u.id = r.user_id AND u.timezone <> r.zone)
