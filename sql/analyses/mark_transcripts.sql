-- Says of transcripts of tenant $1 that their analysis ended without one. $2 calls, $3 states in parallel.
UPDATE public.transcripts t SET analysis_status = r.state
FROM unnest($2::uuid[], $3::text[]) AS r (call_id, state)
WHERE t.user_id = $1 AND t.call_id = r.call_id AND t.analysis_status = 'pending'
