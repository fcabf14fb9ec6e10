DROP TABLE tally.notification_deliveries, tally.notifications, tally.notification_endpoints;
DROP SEQUENCE tally.notification_turn_seq;
