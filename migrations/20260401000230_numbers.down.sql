DROP INDEX public.phone_numbers_active_e164_key;
ALTER TABLE public.phone_numbers DROP COLUMN phone_e164;
