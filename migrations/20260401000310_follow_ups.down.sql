DROP INDEX public.follow_ups_analysis_key, public.follow_ups_phone_e164_idx, public.follow_ups_to_remind_idx;
UPDATE public.follow_ups SET lead_phone = '' WHERE lead_phone IS NULL;
ALTER TABLE public.follow_ups
    DROP CONSTRAINT follow_ups_lead_check,
    DROP COLUMN phone_e164, DROP COLUMN source, DROP COLUMN edited_at, DROP COLUMN reminded_date,
    ALTER COLUMN lead_phone SET NOT NULL;
