DROP TABLE tally.service_exporter;
