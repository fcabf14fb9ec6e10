-- Returns for tenant $1 how many calls, contacts and customers carry something else than what is below them: attempts and
-- Twilio's events below calls; calls, counted by those, and the sums of history below contacts; contacts below customers.
WITH counted AS (
    SELECT c.id, c.contact_id, c.started_at, coalesce(d.busy, 0) AS busy, coalesce(d.no_answer, 0) AS no_answer,
           coalesce(d.failed, 0) AS failed, coalesce(s.sids, 0) AS sids,
           (c.busy_dials, c.no_answer_dials, c.failed_dials, c.unanswered_sids) <>
           (coalesce(d.busy, 0), coalesce(d.no_answer, 0), coalesce(d.failed, 0), coalesce(s.sids, 0)) AS wrong
    FROM public.calls c
    LEFT JOIN (
        SELECT a.call_id, count(*) FILTER (WHERE a.outcome = 'busy') AS busy, count(*) FILTER (WHERE a.outcome = 'no_answer') AS no_answer,
               count(*) FILTER (WHERE a.outcome = 'failed') AS failed
        FROM tally.call_attempts a WHERE a.user_id = $1 GROUP BY 1
    ) d ON d.call_id = c.id
    LEFT JOIN (
        SELECT e.call_id, count(DISTINCT e.facts ->> 'call_sid') AS sids
        FROM tally.call_events e
        -- Of the call's own dials: a leg that was not connected is not the contact's.
        JOIN tally.call_aliases a ON a.user_id = e.user_id AND a.call_id = e.call_id AND a.call_sid = e.facts ->> 'call_sid'
        WHERE e.user_id = $1 AND e.provider = 'twilio' AND e.facts ->> 'status' IN ('busy', 'no-answer', 'failed', 'canceled')
          AND e.facts ->> 'parent_call_sid' IS NULL
        GROUP BY 1
    ) s ON s.call_id = c.id
    WHERE c.user_id = $1
), below AS (
    SELECT b.contact_id, sum(b.busy) AS busy, sum(b.no_answer) AS no_answer, sum(b.failed) AS failed, sum(b.sids) AS sids, max(b.last_at) AS last_at
    FROM (
        SELECT contact_id, busy, no_answer, failed, sids, started_at AS last_at FROM counted WHERE contact_id IS NOT NULL
        UNION ALL
        SELECT contact_id, busy_dials, no_answer_dials, failed_dials, unanswered_sids, last_call_at
        FROM tally.contact_archive WHERE user_id = $1
    ) b
    GROUP BY 1
)
SELECT (SELECT count(*) FROM counted WHERE wrong) AS "calls!",
       (SELECT count(*) FROM public.contacts k LEFT JOIN below b ON b.contact_id = k.id
        WHERE k.user_id = $1 AND (k.call_attempted_busy, k.call_attempted_no_answer, k.call_attempted_failed, k.not_connected) <>
            (coalesce(b.busy, 0), coalesce(b.no_answer, 0), coalesce(b.failed, 0), coalesce(b.sids, 0))) AS "contacts!",
       (SELECT count(*) FROM public.contacts k LEFT JOIN below b ON b.contact_id = k.id
        WHERE k.user_id = $1 AND k.last_contact_at IS DISTINCT FROM b.last_at) AS "last_contacts!",
       (SELECT count(*) FROM public.customers m LEFT JOIN below b ON b.contact_id = m.contact_id
        WHERE m.user_id = $1 AND m.last_interaction_date IS DISTINCT FROM b.last_at) AS "last_interactions!",
       (SELECT count(*) FROM (SELECT FROM public.lead_analytics l WHERE l.user_id = $1 AND l.analysis_type = 'individual'
                              GROUP BY l.call_id HAVING count(*) > 1) twice) AS "calls_with_two_leads!"
