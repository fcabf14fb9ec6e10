DROP INDEX tally.inbox_received_idx;
