-- Makes one call of two: a call that only Twilio spoke of is taken into the execution that turns out to be the same.
-- $1 tenants, $2 calls that go, $3 calls that stay.
SELECT count(tally.absorb_call(a.user_id, a.absorbed, a.into_call)::text) AS "absorbed!"
FROM (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS u (user_id, absorbed, into_call) ORDER BY user_id, absorbed
) a
