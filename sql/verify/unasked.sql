-- Returns what is still to be done for the tenants $1 before all services have been asked: events, analyses, jobs of reconciliation.
SELECT (SELECT count(*) FROM tally.inbox_pending p WHERE p.user_id = ANY ($1) AND p.state = 'ready') AS "events!",
       (SELECT count(*) FROM tally.call_analyses a WHERE a.user_id = ANY ($1) AND a.state IN ('pending', 'claimed'))
           + (SELECT count(*) FROM tally.contact_analyses a WHERE a.user_id = ANY ($1) AND a.state IN ('pending', 'claimed'))
           + (SELECT count(*) FROM tally.lead_marks m WHERE m.user_id = ANY ($1)) AS "analyses!",
       (SELECT count(*) FROM tally.jobs j WHERE j.kind IN ('reconcile_all', 'reconcile_calls')) AS "jobs!"
