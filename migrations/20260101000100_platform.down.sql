DROP TABLE public.system_config, public.admin_audit_log, public.password_reset_attempts, public.login_attempts,
    public.phone_numbers, tally.user_emails, public.users;
DROP FUNCTION tally.refuse_bare_zone_change();
DROP FUNCTION tally.extend_zones();
DROP FUNCTION tally.ensure_zone(text);
DROP FUNCTION tally.derive_zone(text, timestamptz);
DROP TABLE tally.calendar, tally.zone_offsets, tally.zones;
DROP FUNCTION tally.touch_updated_at();
DROP SCHEMA tally;
