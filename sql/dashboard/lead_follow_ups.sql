-- Returns the follow-ups of tenant $1 with the number $2 (in E.164), newest first, at most 100.
SELECT id, follow_up_date, follow_up_status AS status, source, remark
FROM public.follow_ups
WHERE user_id = $1 AND phone_e164 = $2
ORDER BY follow_up_date DESC, id
LIMIT 100
