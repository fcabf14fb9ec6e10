-- Adds $3 micro-units (less than zero: takes back) to what day $2 of tenant $1 has cost.
INSERT INTO tally.analysis_spend AS p (user_id, spent_on, spent_micros)
VALUES ($1, $2, greatest($3::bigint, 0))
ON CONFLICT (user_id, spent_on) DO UPDATE SET spent_micros = greatest(p.spent_micros + $3::bigint, 0)
