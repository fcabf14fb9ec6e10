-- Returns the quarantine by reason, but for unknown agents, with the command that lists it.
SELECT format('%s for %s', count(*), reason), format('tallyline inbox quarantined --reason %s', reason)
FROM tally.quarantine
WHERE reason <> 'unknown_agent'
GROUP BY reason
ORDER BY count(*) DESC, reason
