-- Returns the periods of the type $2 of the tenant $1 in its zone $5 that begin on the dates from $3 to $4, with their figures.
SELECT date_period AS date, generation, calculated_at, total_calls, successful_calls, voicemail_calls, no_answer_calls, busy_calls,
       failed_outcome_calls, cancelled_calls, in_progress_calls, total_call_duration, talk_seconds, credits_micros, cost_micros,
       hot_leads, warm_leads, cold_leads, unqualified_leads, total_leads, p50_duration_seconds, p95_duration_seconds, distinct_contacts
FROM public.call_analytics_cache
WHERE user_id = $1 AND period_type = $2 AND date_period >= $3 AND date_period <= $4 AND zone = $5
ORDER BY date_period
