-- Sets scales and thresholds of tenant $1; what is null stays as it is. A trigger asks for its leads to be put in their bands.
UPDATE public.users SET
    score_scale = coalesce($2::smallint, score_scale), dimension_scale = coalesce($3::smallint, dimension_scale),
    hot_threshold_percent = coalesce($4::smallint, hot_threshold_percent),
    warm_threshold_percent = coalesce($5::smallint, warm_threshold_percent),
    cold_threshold_percent = coalesce($6::smallint, cold_threshold_percent)
WHERE id = $1
