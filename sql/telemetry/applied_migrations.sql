-- Returns the versions of the migrations that were applied.
SELECT version FROM public._sqlx_migrations WHERE success ORDER BY version
