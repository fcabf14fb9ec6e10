-- Calls of which two ends were told are asked for once: the check remembers which ends they were.
ALTER TABLE tally.provider_checks ADD COLUMN conflict text;
COMMENT ON COLUMN tally.provider_checks.conflict IS 'Digest of the contradicting ends when the provider was asked about them; another end is another conflict.';

CREATE INDEX calls_conflict_idx ON public.calls (user_id, started_at) WHERE flags @> ARRAY['conflicting_terminals'];
