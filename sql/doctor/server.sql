-- Returns one row: settings of the server as this session has them, its clock, its connections, and what holds back vacuum and WAL.
SELECT current_setting('server_version_num')::int AS version_num,
       (SELECT pg_encoding_to_char(d.encoding)::text FROM pg_database d WHERE d.datname = current_database()) AS encoding,
       current_setting('fsync') = 'on' AS fsync,
       current_setting('full_page_writes') = 'on' AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('data_checksums') = 'on' AS data_checksums,
       current_setting('autovacuum') = 'on' AS autovacuum,
       extract(epoch FROM clock_timestamp())::float8 AS clock_seconds,
       session_user::text AS login,
       (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user) AS login_is_superuser,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS connections_allowed,
       (SELECT count(*) FROM pg_stat_activity a
        WHERE a.datname IS NOT NULL AND a.datname <> current_database()) AS connections_of_others,
       ARRAY(SELECT format('%s, since %s', p.gid, p.prepared) FROM pg_prepared_xacts p
             WHERE p.database = current_database() AND p.prepared < now() - interval '5 minutes' ORDER BY p.prepared) AS prepared,
       ARRAY(SELECT s.slot_name::text FROM pg_replication_slots s
             WHERE NOT s.active AND s.restart_lsn IS NOT NULL ORDER BY s.slot_name) AS idle_slots
