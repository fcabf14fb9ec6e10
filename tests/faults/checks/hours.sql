-- Days that are not the sum of their hours, whether they have 23, 24 or 25.
SELECT concat_ws(' ', d.bucket_start, 'of', d.user_id, d.total_calls, 'and of hours', h.calls)
FROM public.user_analytics d
CROSS JOIN LATERAL (
    SELECT coalesce(sum(h.total_calls), 0) AS calls, coalesce(sum(h.credits_micros), 0) AS credits
    FROM public.user_analytics h
    WHERE h.user_id = d.user_id AND h.grain = 'hour' AND h.bucket_start >= d.bucket_start AND h.bucket_start < d.bucket_end
) h
WHERE d.grain = 'day' AND (d.total_calls, d.credits_micros) IS DISTINCT FROM (h.calls, h.credits)
