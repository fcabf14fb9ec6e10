-- Writes transcripts, one a call. What is to be done about a call's analysis says its status, while there is no analysis.
-- $1 rows as JSON: user_id, call_id, content, speaker_segments, analysed, unanalysed_status.
INSERT INTO public.transcripts AS t (user_id, call_id, content, speaker_segments, analysis_status)
SELECT r.user_id, r.call_id, r.content, r.speaker_segments,
       CASE WHEN r.analysed THEN 'completed'
            WHEN a.state IN ('pending', 'claimed', 'succeeded') THEN 'pending'
            ELSE coalesce(a.state, r.unanalysed_status) END
FROM jsonb_to_recordset($1::jsonb) AS r (
    user_id uuid, call_id uuid, content text, speaker_segments jsonb, analysed boolean, unanalysed_status text)
LEFT JOIN tally.call_analyses a ON a.user_id = r.user_id AND a.call_id = r.call_id
ORDER BY r.user_id, r.call_id
ON CONFLICT (user_id, call_id) DO UPDATE SET
    content = EXCLUDED.content, speaker_segments = EXCLUDED.speaker_segments, analysis_status = EXCLUDED.analysis_status
WHERE (t.content, t.analysis_status) IS DISTINCT FROM (EXCLUDED.content, EXCLUDED.analysis_status)
