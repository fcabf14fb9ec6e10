-- Returns the agents that webhooks name and that are not there, with the command that adds them. What a webhook says goes into
-- a command only where a shell takes it for one word.
SELECT format('%s webhooks of tenant %s', count(*), user_id),
       format('tallyline agent add %s --bolna-agent-id %s --name NAME', user_id,
              coalesce((array_agg(wait_key) FILTER (WHERE wait_key ~ '^[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*$'))[1], 'ID'))
FROM tally.quarantine
WHERE reason = 'unknown_agent'
GROUP BY user_id
ORDER BY count(*) DESC
