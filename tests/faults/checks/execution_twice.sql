-- Executions that are more than one call, by the facts of their events.
SELECT concat_ws(' ', user_id, bolna_execution_id, count(*), 'calls') FROM public.calls
WHERE bolna_execution_id IS NOT NULL
GROUP BY user_id, bolna_execution_id HAVING count(*) > 1
