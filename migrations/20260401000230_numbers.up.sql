-- Numbers are compared in one form, whatever form they were entered in.

ALTER TABLE public.phone_numbers
    ADD COLUMN phone_e164 varchar(16),
    ADD CONSTRAINT phone_numbers_phone_e164_check CHECK (phone_e164 ~ '^\+[1-9][0-9]{6,14}$');
COMMENT ON COLUMN public.phone_numbers.phone_e164 IS 'The number as webhooks are compared with it; null: phone_number is compared as it stands.';

-- Of numbers that turn out to be one, the assigned one, then the oldest, gets it.
UPDATE public.phone_numbers n SET phone_e164 = f.e164
FROM (
    SELECT DISTINCT ON (b.e164) b.id, b.e164
    FROM (SELECT id, assigned_to_agent_id, created_at, is_active,
                 translate(phone_number, E' \u00a0-()[].', '') AS e164 FROM public.phone_numbers) b
    WHERE b.is_active AND b.e164 ~ '^\+[1-9][0-9]{6,14}$'
    ORDER BY b.e164, b.assigned_to_agent_id IS NULL, b.created_at, b.id
) f
WHERE n.id = f.id;

CREATE UNIQUE INDEX phone_numbers_active_e164_key ON public.phone_numbers (phone_e164) WHERE is_active;
