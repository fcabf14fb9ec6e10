-- A database of the platform before: the columns that are read of its tables, and two tenants with figures that drifted.
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
CREATE TABLE public.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email varchar(255) NOT NULL UNIQUE,
    name varchar(255) NOT NULL, credits integer NOT NULL DEFAULT 15, is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE public.agents (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES public.users,
    name varchar(255) NOT NULL, bolna_agent_id varchar(255) NOT NULL UNIQUE, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE public.contacts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES public.users,
    name varchar(255) NOT NULL, phone_number varchar(50) NOT NULL, email varchar(255), company varchar(255), notes text,
    created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (user_id, phone_number));
CREATE TABLE public.calls (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), agent_id uuid NOT NULL REFERENCES public.agents,
    user_id uuid NOT NULL REFERENCES public.users, contact_id uuid REFERENCES public.contacts, phone_number varchar(50) NOT NULL,
    duration_minutes integer NOT NULL DEFAULT 0, credits_used integer NOT NULL DEFAULT 0, status varchar(50) NOT NULL,
    recording_url text, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, caller_name varchar(255),
    caller_email varchar(255), lead_type varchar(20) DEFAULT 'outbound', call_source varchar(20) NOT NULL DEFAULT 'phone',
    duration_seconds integer DEFAULT 0, bolna_execution_id varchar(255) UNIQUE);
CREATE TABLE public.transcripts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), call_id uuid NOT NULL REFERENCES public.calls,
    content text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE public.lead_analytics (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), call_id uuid NOT NULL REFERENCES public.calls,
    intent_level varchar(50), intent_score integer, urgency_level varchar(50), urgency_score integer, budget_constraint varchar(50),
    budget_score integer, fit_alignment varchar(50), fit_score integer, engagement_health varchar(50), engagement_score integer,
    total_score integer, lead_status_tag varchar(100), reasoning jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL,
    company_name varchar(255), extracted_name varchar(255), extracted_email varchar(255), cta_pricing_clicked boolean DEFAULT false,
    cta_demo_clicked boolean DEFAULT false, cta_followup_clicked boolean DEFAULT false, cta_sample_clicked boolean DEFAULT false,
    cta_escalated_to_human boolean DEFAULT false, smart_notification varchar(255), demo_book_datetime timestamptz);
CREATE TABLE public.agent_analytics (agent_id uuid NOT NULL, user_id uuid NOT NULL, date date NOT NULL, hour integer,
    total_calls integer NOT NULL, successful_calls integer NOT NULL, leads_generated integer NOT NULL,
    total_duration_minutes integer NOT NULL, credits_used integer NOT NULL);

INSERT INTO public.users (email, name, credits, created_at)
SELECT 'owner' || n || '@old.example', 'Tenant ' || n, 100 * n, now() - n * interval '1 day' FROM generate_series(1, 2) n;
INSERT INTO public.users (email, name) VALUES ('idle@old.example', 'Without agents');
INSERT INTO public.agents (user_id, name, bolna_agent_id)
SELECT id, 'Reception', 'agent-' || left(email, 6) FROM public.users WHERE email LIKE 'owner%';
INSERT INTO public.contacts (user_id, name, phone_number, email, company, notes)
SELECT u.id, 'Contact ' || n, '+1202555' || to_char(n, 'FM0000'), 'c' || n || '@old.example', 'Company ' || n, 'called before'
FROM public.users u, generate_series(1, 12) n WHERE u.email LIKE 'owner%';
-- 60 calls of each: 30 completed and spoken (one of them without an id), 6 completed without a word, 12 failed, 6 cancelled, 6 under way.
INSERT INTO public.calls (agent_id, user_id, contact_id, phone_number, duration_minutes, credits_used, status, created_at, updated_at,
    lead_type, duration_seconds, bolna_execution_id)
SELECT a.id, a.user_id, c.id, c.phone_number,
    CASE WHEN n % 10 < 5 THEN 2 ELSE 0 END, CASE WHEN n % 10 < 5 THEN 2 ELSE 0 END,
    (ARRAY['completed', 'completed', 'completed', 'completed', 'completed', 'completed', 'failed', 'failed', 'cancelled', 'in_progress'])[n % 10 + 1],
    t.at, t.at + interval '3 minutes', CASE WHEN n % 2 = 0 THEN 'inbound' ELSE 'outbound' END,
    CASE WHEN n % 10 < 5 THEN 61 + n ELSE 0 END,
    CASE WHEN n < 60 THEN 'execution-' || left(u.email, 6) || '-' || n END
FROM generate_series(1, 60) n
CROSS JOIN public.users u
JOIN public.agents a ON a.user_id = u.id
JOIN public.contacts c ON c.user_id = u.id AND c.name = 'Contact ' || (n % 12 + 1)
CROSS JOIN LATERAL (SELECT timestamptz '2026-01-05 10:00+00' + n * interval '7 hours') t (at);
INSERT INTO public.transcripts (call_id, content)
SELECT id, 'assistant: hello' FROM public.calls WHERE duration_seconds > 0;
-- Two analyses of a call: the newer one counts.
INSERT INTO public.lead_analytics (call_id, intent_score, total_score, created_at)
SELECT c.id, 3, s.score, c.created_at + s.score * interval '1 minute'
FROM public.calls c, (VALUES (5), (13)) s (score) WHERE c.duration_seconds > 0;
INSERT INTO public.agent_analytics
SELECT agent_id, user_id, created_at::date, NULL, count(*) + 1, count(*), 0, 0, 0 FROM public.calls GROUP BY 1, 2, 3;
GRANT USAGE ON SCHEMA public TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
