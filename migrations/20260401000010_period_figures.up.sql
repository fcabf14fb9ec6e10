-- call_analytics_cache: outcomes, sources, money, spread of durations and contacts of each period.

-- Caches without the new columns go; what is missing is asked for within a quarter of an hour.
DELETE FROM public.call_analytics_cache;
DELETE FROM public.dashboard_cache;

ALTER TABLE public.call_analytics_cache
    ADD COLUMN voicemail_calls      integer NOT NULL DEFAULT 0,
    ADD COLUMN no_answer_calls      integer NOT NULL DEFAULT 0,
    ADD COLUMN busy_calls           integer NOT NULL DEFAULT 0,
    ADD COLUMN failed_outcome_calls integer NOT NULL DEFAULT 0,
    ADD COLUMN cancelled_calls      integer NOT NULL DEFAULT 0,
    ADD COLUMN in_progress_calls    integer NOT NULL DEFAULT 0,
    ADD COLUMN phone_calls          integer NOT NULL DEFAULT 0,
    ADD COLUMN internet_calls       integer NOT NULL DEFAULT 0,
    ADD COLUMN unknown_source_calls integer NOT NULL DEFAULT 0,
    ADD COLUMN talk_seconds         bigint  NOT NULL DEFAULT 0,
    ADD COLUMN credits_micros       bigint  NOT NULL DEFAULT 0,
    ADD COLUMN cost_micros          bigint  NOT NULL DEFAULT 0,
    ADD COLUMN p50_duration_seconds integer,
    ADD COLUMN p95_duration_seconds integer,
    ADD COLUMN distinct_contacts    integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN public.call_analytics_cache.p50_duration_seconds IS
    'Exact, by the rule of tally.percentile, over the calls with talk; null without any.';

-- Minutes are those of answered calls and of voicemail, so both are what they are divided by.
ALTER TABLE public.call_analytics_cache DROP COLUMN average_call_duration;
ALTER TABLE public.call_analytics_cache ADD COLUMN average_call_duration numeric(12, 2)
    GENERATED ALWAYS AS (round(total_call_duration::numeric / nullif(successful_calls + voicemail_calls, 0), 2)) STORED;
ALTER TABLE public.call_analytics_cache ADD CONSTRAINT call_analytics_cache_outcomes_check CHECK (
    total_calls = successful_calls + voicemail_calls + no_answer_calls + busy_calls + failed_outcome_calls + cancelled_calls
        + in_progress_calls);
