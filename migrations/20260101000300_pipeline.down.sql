DROP FUNCTION tally.absorb_call(uuid, uuid, uuid);
DROP TABLE tally.call_aliases, tally.call_attempts, tally.call_events, tally.quarantine, tally.inbox_pending,
    tally.inbox, tally.lanes, tally.endpoints;
DROP SEQUENCE tally.quarantine_seq, tally.inbox_seq, tally.lane_turn_seq;
