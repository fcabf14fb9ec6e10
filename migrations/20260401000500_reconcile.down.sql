DROP TABLE tally.provider_checks;
DROP TABLE tally.provider_accounts;
