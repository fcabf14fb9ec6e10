ALTER TABLE public.call_analytics_cache DROP CONSTRAINT call_analytics_cache_outcomes_check;
ALTER TABLE public.call_analytics_cache DROP COLUMN average_call_duration;
ALTER TABLE public.call_analytics_cache ADD COLUMN average_call_duration numeric(12, 2)
    GENERATED ALWAYS AS (round(total_call_duration::numeric / nullif(successful_calls, 0), 2)) STORED;
ALTER TABLE public.call_analytics_cache
    DROP COLUMN voicemail_calls, DROP COLUMN no_answer_calls, DROP COLUMN busy_calls, DROP COLUMN failed_outcome_calls,
    DROP COLUMN cancelled_calls, DROP COLUMN in_progress_calls, DROP COLUMN phone_calls, DROP COLUMN internet_calls,
    DROP COLUMN unknown_source_calls, DROP COLUMN talk_seconds, DROP COLUMN credits_micros, DROP COLUMN cost_micros,
    DROP COLUMN p50_duration_seconds, DROP COLUMN p95_duration_seconds, DROP COLUMN distinct_contacts;
