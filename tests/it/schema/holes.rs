//! A process does not start over a database in which a tenant could see another's rows.

use tallyline_db::pool::{self, PoolError};
use tallyline_testkit::TestDb;

/// How somebody makes a hole by hand, and the words by which the start refuses it.
const HOLES: [(&str, &str); 21] = [
    ("ALTER TABLE public.calls DISABLE ROW LEVEL SECURITY", "public.calls has row-level security off"),
    ("ALTER TABLE public.user_sessions DISABLE ROW LEVEL SECURITY", "public.user_sessions has row-level security off"),
    ("ALTER TABLE public.users DISABLE ROW LEVEL SECURITY", "public.users has row-level security off"),
    ("CREATE TABLE public.extras (user_id uuid, note text)", "public.extras has row-level security off"),
    ("GRANT SELECT ON public.login_attempts TO tallyline_api", "public.login_attempts has row-level security off"),
    ("DROP POLICY calls_api ON public.calls", "public.calls has no policy for tallyline_api"),
    ("GRANT SELECT (id) ON public.user_sessions TO tallyline_api", "public.user_sessions has no policy"),
    ("CREATE POLICY more ON public.calls FOR SELECT TO tallyline_api USING (true)", "public.calls has the policy more"),
    ("CREATE POLICY more ON public.agents USING (name <> '')", "public.agents has the policy more"),
    (
        "ALTER POLICY users_api ON public.users USING (id = public.current_tenant() OR role = 'user')",
        "public.users has the policy users_api",
    ),
    ("ALTER VIEW public.customer_figures RESET (security_invoker)", "public.customer_figures is a view without"),
    (
        "CREATE VIEW public.all_calls AS SELECT * FROM public.calls; GRANT SELECT ON public.all_calls TO tallyline_api",
        "public.all_calls is a view without",
    ),
    (
        "CREATE OR REPLACE VIEW public.my_kpi_summary WITH (security_barrier = true) AS
         SELECT k.*, k.expires_at > now() AS is_current FROM public.user_kpi_summary k",
        "public.my_kpi_summary is a view without",
    ),
    ("ALTER VIEW public.my_kpi_summary RESET (security_barrier)", "public.my_kpi_summary is a view without"),
    ("GRANT SELECT ON public.user_kpi_summary TO tallyline_api", "public.user_kpi_summary is a materialized view"),
    ("GRANT UPDATE (remark) ON public.follow_ups TO tallyline_api", "public.follow_ups may be written to"),
    ("GRANT SELECT ON public.system_config TO PUBLIC", "public.system_config is granted to PUBLIC"),
    ("GRANT SELECT (email) ON public.users TO PUBLIC", "public.users is granted to PUBLIC"),
    (
        "CREATE FUNCTION public.peek() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT count(*) FROM public.calls'",
        "public.peek is a function with its owner's rights",
    ),
    ("GRANT USAGE ON SCHEMA tally TO tallyline_api", "the schema tally is open"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "the schema public lets tallyline_api create"),
];

/// Each hole is its own control: closed again by a rollback, nothing is refused.
#[tokio::test]
async fn every_hole_is_refused_and_named() {
    let db = TestDb::new().await;
    pool::refuse_holes(&db.pool).await.unwrap();
    for (hole, expected) in HOLES {
        let one = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect(&db.admin_url).await.unwrap();
        for statement in ["BEGIN", hole] {
            sqlx::raw_sql(statement).execute(&one).await.unwrap();
        }
        let error = pool::refuse_holes(&one).await.expect_err(hole);
        assert!(matches!(&error, PoolError::Holes { .. }), "{hole}: {error}");
        assert!(error.to_string().contains(expected), "{hole}: {error}");
        one.close().await;
    }
    pool::refuse_holes(&db.pool).await.unwrap();
}
