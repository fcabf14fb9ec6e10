-- Webhooks by the hour of their receipt, for the page of data quality. The inbox grows at its end, so that
-- a summary of each range of pages is enough: some kilobytes for a million webhooks.
CREATE INDEX inbox_received_idx ON tally.inbox USING brin (received_at) WITH (pages_per_range = 32, autosummarize = on);
