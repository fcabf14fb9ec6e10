-- Counts the follow-ups of tenant $1, each kind up to $3: overdue on the day $2, due on it, coming, completed and cancelled.
SELECT (SELECT count(*) FROM (SELECT FROM public.follow_ups WHERE user_id = $1 AND follow_up_status = 'pending'
            AND follow_up_date < $2 LIMIT $3) f) AS "overdue!",
       (SELECT count(*) FROM (SELECT FROM public.follow_ups WHERE user_id = $1 AND follow_up_status = 'pending'
            AND follow_up_date = $2 LIMIT $3) f) AS "due!",
       (SELECT count(*) FROM (SELECT FROM public.follow_ups WHERE user_id = $1 AND follow_up_status = 'pending'
            AND follow_up_date > $2 LIMIT $3) f) AS "coming!",
       (SELECT count(*) FROM (SELECT FROM public.follow_ups WHERE user_id = $1 AND follow_up_status = 'completed' LIMIT $3) f) AS "completed!",
       (SELECT count(*) FROM (SELECT FROM public.follow_ups WHERE user_id = $1 AND follow_up_status = 'cancelled' LIMIT $3) f) AS "cancelled!"
