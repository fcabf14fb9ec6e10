-- Gives the day rows in UTC the largest counts, and the largest sums, that they can hold.
UPDATE public.user_analytics SET total_calls = 2147483647, successful_calls = 0, failed_outcome_calls = 2147483646, cancelled_calls = 1,
    total_duration_minutes = 2147483647, leads_generated = 2147483647, hot_leads = 2147483647,
    talk_seconds = 9223372036854775807, cost_micros = 9223372036854775807, credits_micros = 999999999999999999,
    total_score_sum = 999999, total_score_count = 100, intent_score_sum = -999999, intent_score_count = 100
WHERE grain = 'day' AND zone = 'UTC'
