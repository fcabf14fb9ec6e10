-- Returns the active tenants without an agent, with the command that adds one.
SELECT format('tenant %s', u.id), format('tallyline agent add %s --bolna-agent-id ID --name NAME', u.id)
FROM public.users u
WHERE u.is_active AND u.role = 'user' AND u.id <> '00000000-0000-0000-0000-000000000001'
  AND NOT EXISTS (SELECT FROM public.agents a WHERE a.user_id = u.id AND a.is_active)
ORDER BY u.id
