-- Events that are filed under more than one call.
SELECT concat_ws(' ', user_id, inbox_id, count(*), 'calls') FROM tally.call_events
GROUP BY user_id, inbox_id HAVING count(*) > 1
