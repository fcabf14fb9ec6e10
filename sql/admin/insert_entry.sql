-- Adds to the trail of what operators changed. $1 who, $2 action, $3 kind of thing, $4 its id, $5 tenant concerned, $6 details,
-- $7 address, $8 browser or program.
INSERT INTO public.admin_audit_log
    (admin_user_id, action, resource_type, resource_id, target_user_id, details, ip_address, user_agent)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::inet, $8)
