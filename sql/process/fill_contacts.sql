-- Fills what is still empty in contacts, never overwrites; returns every contact's id. $1 rows as for insert_contacts.
-- A number has one contact: the one that is normalised to it, else one that is written like it. Each is looked up by a
-- unique key of its own: with one OR for both, every number would be compared with every contact.
WITH matched AS MATERIALIZED (
    SELECT r.user_id, r.phone_e164, r.name, r.email, r.company,
           coalesce(
               (SELECT x.id FROM public.contacts x WHERE x.user_id = r.user_id AND x.phone_e164 = r.phone_e164),
               (SELECT x.id FROM public.contacts x WHERE x.user_id = r.user_id AND x.phone_number = r.phone_e164)) AS id
    FROM jsonb_to_recordset($1::jsonb) AS r (user_id uuid, phone_e164 text, name text, email text, company text)
), found AS (
    SELECT m.user_id, m.id, m.phone_e164, m.name, m.email, m.company
    FROM matched m
    JOIN public.contacts c ON c.user_id = m.user_id AND c.id = m.id
    ORDER BY m.user_id, m.phone_e164
    FOR UPDATE OF c
), filled AS (
    UPDATE public.contacts c
    SET name = CASE WHEN c.name = 'Anonymous' THEN f.name ELSE c.name END,
        email = coalesce(c.email, f.email),
        company = coalesce(c.company, f.company),
        phone_e164 = coalesce(c.phone_e164, f.phone_e164)
    FROM found f
    WHERE c.user_id = f.user_id AND c.id = f.id
      AND ((c.name = 'Anonymous' AND f.name <> 'Anonymous') OR (c.email IS NULL AND f.email IS NOT NULL)
           OR (c.company IS NULL AND f.company IS NOT NULL) OR c.phone_e164 IS NULL)
)
SELECT f.user_id AS "user_id!", f.phone_e164 AS "phone_e164!", f.id AS "id!" FROM found f
