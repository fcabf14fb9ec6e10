DROP TABLE tally.api_tokens;
ALTER TABLE public.user_sessions DROP COLUMN rotated_at, DROP COLUMN previous_refresh_hash;
