ALTER TABLE tally.jobs ALTER COLUMN trace DROP DEFAULT;
ALTER TABLE tally.rollup_marks DROP COLUMN trace;
