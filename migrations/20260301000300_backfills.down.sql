DROP TABLE tally.backfill_units;
DROP TABLE tally.backfills;
