-- Stores differences; returns nothing. $1 tenant, $2 who found them (sample or full); the rest in parallel arrays: $3 tiers,
-- $4 starts, $5 ends, $6 agents, $7 figures, $8 what they were compared with, $9 expected, $10 found, $11 explanations,
-- $12 ids of calls, each list of them as the text of an array.
INSERT INTO tally.audit_differences (user_id, found_by, tier, bucket_start, bucket_end, agent_id, figure, compared_with,
    expected, found, explanation, call_ids)
SELECT $1, $2, d.tier, d.bucket_start, d.bucket_end, d.agent_id, d.figure, d.compared_with,
       d.expected, d.found, d.explanation, d.call_ids::uuid[]
FROM unnest($3::smallint[], $4::timestamptz[], $5::timestamptz[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::text[]) AS d (tier, bucket_start, bucket_end, agent_id, figure, compared_with, expected, found, explanation, call_ids)
