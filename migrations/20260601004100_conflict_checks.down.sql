DROP INDEX public.calls_conflict_idx;
ALTER TABLE tally.provider_checks DROP COLUMN conflict;
