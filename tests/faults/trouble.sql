-- Nothing; statements that write to these tables fail by the chance of faults.trouble_level, as by a deadlock or a serialization failure.
-- A schema of its own, into which no tenant could reach.
CREATE SCHEMA faults;
CREATE TABLE faults.trouble_level (chance float8 NOT NULL);
INSERT INTO faults.trouble_level VALUES (0);
CREATE SEQUENCE faults.raised;
CREATE FUNCTION faults.trouble() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF random() < (SELECT chance FROM faults.trouble_level) THEN
        -- A sequence keeps count of what is rolled back.
        PERFORM nextval('faults.raised');
        RAISE EXCEPTION 'injected' USING ERRCODE = CASE WHEN random() < 0.5 THEN '40P01' ELSE '40001' END;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER trouble BEFORE INSERT ON tally.inbox FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
CREATE TRIGGER trouble BEFORE DELETE ON tally.inbox_pending FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
CREATE TRIGGER trouble BEFORE INSERT OR UPDATE ON public.calls FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
CREATE TRIGGER trouble BEFORE INSERT ON public.credit_transactions FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
CREATE TRIGGER trouble BEFORE DELETE ON tally.rollup_marks FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
CREATE TRIGGER trouble BEFORE INSERT OR UPDATE ON tally.quarter_rollups FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
CREATE TRIGGER trouble BEFORE INSERT OR UPDATE ON public.user_analytics FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
CREATE TRIGGER trouble BEFORE INSERT OR UPDATE ON public.dashboard_cache FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
CREATE TRIGGER trouble BEFORE INSERT OR UPDATE OR DELETE ON tally.jobs FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
CREATE TRIGGER trouble BEFORE INSERT ON tally.job_history FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
CREATE TRIGGER trouble BEFORE UPDATE ON tally.call_analyses FOR EACH STATEMENT EXECUTE FUNCTION faults.trouble();
