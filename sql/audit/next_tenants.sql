-- Returns the next tenants whose turn it is: those after tenant $1 by id, then from the first again. $2 how many.
(SELECT id AS "id!" FROM public.users WHERE id > $1 ORDER BY id LIMIT $2)
UNION ALL
(SELECT id FROM public.users WHERE id <= $1 ORDER BY id LIMIT
    greatest($2::bigint - (SELECT count(*) FROM (SELECT FROM public.users WHERE id > $1 ORDER BY id LIMIT $2) later), 0))
