-- Adds a follow-up by hand and returns its id; none when there is no such tenant. A name that is not given is the contact's of that
-- number. $1 tenant, $2 number as given, $3 number in E.164, $4 e-mail, $5 name, $6 date, $7 remark, $8 call, $9 who adds it.
INSERT INTO public.follow_ups (user_id, lead_phone, phone_e164, lead_email, lead_name, follow_up_date, remark, call_id, created_by)
SELECT u.id, $2, $3::text, $4,
       coalesce($5, (SELECT c.name FROM public.contacts c WHERE c.user_id = u.id AND c.phone_e164 = $3::text AND c.name <> 'Anonymous')),
       $6, $7, $8, $9
FROM public.users u
WHERE u.id = $1
RETURNING id
