-- Withdraws what tenant $1 asked of another provider than $2. Contacts that another was to look at are folded anew.
WITH withdrawn AS (
    UPDATE tally.call_analyses a SET
        state = 'skipped', error_code = 'provider_changed', error_detail = NULL, wait_reason = NULL, claim = NULL, claimed_until = NULL,
        finished_at = now()
    WHERE a.user_id = $1 AND a.provider <> $2 AND a.state IN ('pending', 'claimed')
    RETURNING a.call_id
), said AS (
    UPDATE public.transcripts t SET analysis_status = CASE $2 WHEN 'off' THEN 'off' WHEN 'webhook' THEN 'pending' ELSE 'skipped' END
    FROM withdrawn w
    WHERE t.user_id = $1 AND t.call_id = w.call_id AND t.analysis_status = 'pending'
)
INSERT INTO tally.lead_marks (user_id, contact_id)
SELECT a.user_id, a.contact_id FROM tally.contact_analyses a WHERE a.user_id = $1 AND a.state <> 'idle' AND $2 <> 'openai'
