-- Locks tenant $1 against every change of its calls; returns whether nothing after $2 is frozen.
SELECT tally.frozen_before(id) <= $2 FROM public.users WHERE id = $1 FOR UPDATE
