-- The mutation `do_nothing_marks`: a mark that an older one of its bucket stands for is not written.
CREATE FUNCTION tally.swallow_mark() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM tally.rollup_marks m WHERE m.user_id = NEW.user_id AND m.tier = NEW.tier AND m.bucket_start = NEW.bucket_start) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$
