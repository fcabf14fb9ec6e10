-- Nothing; rows of calls of the tenants in faults.poisoned are refused, by a code that blames no data.
-- A schema of its own, into which no tenant could reach.
CREATE SCHEMA faults;
CREATE TABLE faults.poisoned (user_id uuid PRIMARY KEY);
CREATE FUNCTION faults.poison() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM faults.poisoned p WHERE p.user_id = NEW.user_id) THEN
        RAISE EXCEPTION 'poisoned' USING ERRCODE = 'XX000';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON public.calls FOR EACH ROW EXECUTE FUNCTION faults.poison();
