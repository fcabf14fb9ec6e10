-- Returns the account with the e-mail $1 (in lower case).
SELECT u.id AS "user_id!", u.email AS "email!", u.name AS "name!", u.role AS "role!", u.is_active AS "is_active!", u.password_hash
FROM tally.user_emails e
JOIN public.users u ON u.id = e.user_id
WHERE e.email_lower = $1
