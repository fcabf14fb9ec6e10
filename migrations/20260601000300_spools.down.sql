DROP TABLE tally.spools;
