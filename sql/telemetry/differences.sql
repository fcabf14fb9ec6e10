-- Returns how many figures were found to differ within 24 hours, by tier; null is the ledger.
SELECT tier, count(*) AS "differences!" FROM tally.audit_differences WHERE detected_at > now() - interval '24 hours' GROUP BY tier
