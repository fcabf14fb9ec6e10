-- Contacts of a tenant of the old database ($1), as objects.
SELECT jsonb_build_object('name', c.name, 'phone_number', c.phone_number, 'email', c.email, 'company', c.company,
    'notes', c.notes, 'created_at', c.created_at)::text AS contact
FROM public.contacts c
WHERE c.user_id = $1
ORDER BY c.created_at, c.id
