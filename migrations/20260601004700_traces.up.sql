-- Marks and coalesced jobs carry the trace of the transaction that made them, if it says one: `SET LOCAL tally.trace`, which
-- is only done while spans are exported. Without it the columns are null and take no room.
ALTER TABLE tally.rollup_marks ADD COLUMN trace text;
ALTER TABLE tally.rollup_marks ALTER COLUMN trace SET DEFAULT nullif(current_setting('tally.trace', true), '');
COMMENT ON COLUMN tally.rollup_marks.trace IS 'W3C traceparent of what changed the bucket''s inputs, while spans are exported.';
ALTER TABLE tally.jobs ALTER COLUMN trace SET DEFAULT nullif(current_setting('tally.trace', true), '');
