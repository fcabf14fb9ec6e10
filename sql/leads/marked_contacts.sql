-- Returns contacts whose analyses changed, those of the oldest marks first. $1 marks to look at.
SELECT m.user_id AS "user_id!", m.contact_id AS "contact_id!"
FROM (SELECT user_id, contact_id, seq FROM tally.lead_marks ORDER BY seq LIMIT $1) m
GROUP BY m.user_id, m.contact_id
ORDER BY min(m.seq)
