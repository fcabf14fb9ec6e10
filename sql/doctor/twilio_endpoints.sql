-- Returns how many endpoints of Twilio are in use.
SELECT count(*) FROM tally.endpoints WHERE provider = 'twilio' AND disabled_at IS NULL
