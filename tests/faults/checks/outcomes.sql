-- Buckets whose outcomes are not all their calls.
SELECT concat_ws(' ', grain, bucket_start, 'of', user_id, total_calls) FROM public.user_analytics
WHERE total_calls <> successful_calls + voicemail_calls + no_answer_calls + busy_calls + failed_outcome_calls
    + cancelled_calls + in_progress_calls
