-- Follow-ups that analyses ask for, and their reminders.

ALTER TABLE public.follow_ups
    ALTER COLUMN lead_phone DROP NOT NULL,
    -- The number in E.164, as contacts have it.
    ADD COLUMN phone_e164 varchar(16),
    ADD COLUMN source varchar(20) NOT NULL DEFAULT 'manual',
    -- Changed by hand: no analysis changes it any more.
    ADD COLUMN edited_at timestamptz,
    -- The date that the tenant was reminded of. It is not the notification that is looked up, which does not stay for ever.
    ADD COLUMN reminded_date date,
    ADD CONSTRAINT follow_ups_phone_e164_check CHECK (phone_e164 ~ '^\+[1-9][0-9]{6,14}$'),
    ADD CONSTRAINT follow_ups_source_check CHECK (source IN ('manual', 'analysis')),
    -- Of a call without a number (on the web) the call itself says whom to follow up.
    ADD CONSTRAINT follow_ups_lead_check CHECK (source = 'analysis' OR lead_phone IS NOT NULL OR lead_email IS NOT NULL);

UPDATE public.follow_ups f SET phone_e164 = c.phone_e164
FROM public.contacts c
WHERE c.user_id = f.user_id AND c.phone_number = f.lead_phone AND c.phone_e164 IS NOT NULL;
UPDATE public.follow_ups SET phone_e164 = lead_phone WHERE phone_e164 IS NULL AND lead_phone ~ '^\+[1-9][0-9]{6,14}$';

CREATE UNIQUE INDEX follow_ups_analysis_key ON public.follow_ups (user_id, call_id) WHERE source = 'analysis';
CREATE INDEX follow_ups_phone_e164_idx ON public.follow_ups (user_id, phone_e164) WHERE phone_e164 IS NOT NULL;
CREATE INDEX follow_ups_to_remind_idx ON public.follow_ups (user_id, follow_up_date)
    WHERE follow_up_status = 'pending' AND reminded_date IS DISTINCT FROM follow_up_date;
