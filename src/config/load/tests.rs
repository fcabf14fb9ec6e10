//! Precedence, names, types and origins of the layers.

use super::*;

fn read(text: Option<&str>, variables: &[(&str, &str)], overrides: Overrides) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.toml");
    std::fs::write(&path, text.unwrap_or_default()).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load_all(&Overrides { file: Some(path), ..overrides }, variables).unwrap()
}

fn with_env(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let none = Overrides { file: Some("/dev/null".into()), ..Overrides::default() };
    load(&none, variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

fn messages(loaded: &Loaded) -> Vec<String> {
    // The path of the file is another one each time.
    loaded.all_problems().iter().map(|p| p.to_string().replace(&file_name(loaded), "FILE")).collect()
}

fn file_name(loaded: &Loaded) -> String {
    loaded.file.as_ref().unwrap().display().to_string()
}

#[test]
fn the_defaults_are_complete_and_valid() {
    let loaded = read(None, &[], Overrides::default());
    assert_eq!(loaded.config.public_origin(), "http://127.0.0.1:8080");
    assert!(!loaded.config.schedule.is_empty());
    assert_eq!(messages(&loaded), Vec::<String>::new());
}

/// Break to try: the environment applied before the file.
#[test]
fn a_flag_goes_before_the_environment_before_the_file_before_the_defaults() {
    let file = Some("[http]\nlisten = \"127.0.0.1:1\"\nmax_headers = 9\n[database]\ndata_dir = \"of-file\"");
    let variables = [("TALLYLINE_HTTP__LISTEN", "127.0.0.1:2"), ("TALLYLINE_DATABASE__DATA_DIR", "of-environment")];
    let flags = Overrides { listen: Some("127.0.0.1:3".to_owned()), ..Overrides::default() };
    let loaded = read(file, &variables, flags);
    let config = &loaded.config;
    assert_eq!(config.http.listen, "127.0.0.1:3");
    assert_eq!(config.database.data_dir, Path::new("of-environment"));
    assert_eq!((config.http.max_headers, config.http.max_connections), (9, 4096));
    let origin = |key| loaded.origin(key).to_string().replace(&file_name(&loaded), "FILE");
    assert_eq!(origin("http.listen"), "option --listen");
    assert_eq!(origin("database.data_dir"), "environment variable TALLYLINE_DATABASE__DATA_DIR");
    assert_eq!(origin("http.max_headers"), "FILE:3");
    assert_eq!(origin("http.max_connections"), "default");
}

#[test]
fn the_usual_files_are_looked_for_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let [own, system] = ["tallyline.toml", "config.toml"].map(|name| dir.path().join(name));
    assert_eq!(first_there(&[own.clone(), system.clone()]), None);
    std::fs::write(&system, "").unwrap();
    assert_eq!(first_there(&[own.clone(), system.clone()]), Some(system.clone()));
    std::fs::write(&own, "").unwrap();
    assert_eq!(first_there(&[own.clone(), system]), Some(own));
}

#[test]
fn the_environment_overrides_the_defaults_with_their_types() {
    let variables = [
        ("TALLYLINE_PROCESS__BATCH_EVENTS", "7"),
        ("DATABASE_URL", "postgres://x/y"),
        ("TALLYLINE_NOTIFY__RETRY_SECONDS", "1, 20"),
        ("TALLYLINE_QUEUE__KINDS__VERIFY_ROLLUPS", "2"),
    ];
    let config = with_env(&variables).unwrap();
    assert_eq!(config.process.batch_events, 7);
    assert_eq!(config.database.url, "postgres://x/y");
    assert_eq!(config.notify.retry_seconds, [1, 20]);
    assert_eq!(config.queue.kinds["verify_rollups"], 2);
    let ours = [("TALLYLINE_DATABASE__URL", "postgres://ours/y"), ("DATABASE_URL", "postgres://x/y")];
    assert_eq!(with_env(&ours).unwrap().database.url, "postgres://ours/y");
}

#[test]
fn a_list_in_the_environment_is_separated_by_commas_and_its_items_are_checked() {
    let proxies =
        |text: &str| with_env(&[("TALLYLINE_HTTP__TRUSTED_PROXIES", text)]).map(|config| config.http.trusted_proxies);
    assert!(proxies("10.0.0.0/8, ::1").unwrap().contains("::1".parse().unwrap()));
    assert!(!proxies("").unwrap().contains("::1".parse().unwrap()));
    let error = proxies("10.0.0.0/8,proxy.example").unwrap_err().to_string();
    assert!(error.contains("proxy.example"), "{error}");
}

/// Break to try: `?` at the first problem.
#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place_and_the_nearest_name() {
    let file = "[http]\nlistne = \"x\"\nmax_headers = \"many\"\n[reciever]\n[receiver]\nmax_group = -1\n\
                [queue.kinds]\nverify_rolups = 1\n[[schedule]]\nname = \"s\"\ncorn = \"x\"";
    let variables =
        [("TALLYLINE_HTTP__LISTNE", "x"), ("TALLYLINE_HTTP_LISTEN", "y"), ("TALLYLINE_PROCESS__CONCURRENCY", "0")];
    let loaded = read(Some(file), &variables, Overrides::default());
    let mut told = messages(&loaded);
    told.sort();
    assert_eq!(
        told,
        [
            "FILE:2: http.listne: there is no such key (did you mean listen?)",
            "FILE:3: http.max_headers: expected a whole number, not a text",
            "FILE:4: reciever: there is no such area of the configuration (did you mean receiver?)",
            "FILE:6: receiver.max_group: -1 is out of range",
            "FILE:7: queue.kinds.verify_rolups: there is no such job (did you mean verify_rollups?)",
            "FILE:9: schedule s: corn: there is no such key (did you mean cron?)",
            "FILE:9: schedule: unknown field `corn`, expected one of `name`, `job`, `cron`, `timezone`, `missed`, \
             `catch_up_max`, `catch_up_within_seconds`, `overlap`, `gap`, `fold`, `jitter_seconds`",
            "environment variable TALLYLINE_HTTP_LISTEN: sets nothing (did you mean TALLYLINE_HTTP__LISTEN?)",
            "environment variable TALLYLINE_HTTP__LISTNE: there is no such key (did you mean TALLYLINE_HTTP__LISTEN?)",
            "environment variable TALLYLINE_PROCESS__CONCURRENCY: process.concurrency: must be at least 1",
        ]
    );
    assert_eq!(loaded.config.http.max_headers, 64, "what cannot be used is not used");
}

#[test]
fn a_file_that_is_no_toml_or_not_there_is_told_with_its_line() {
    let loaded = read(Some("[http]\nlisten = \n"), &[], Overrides::default());
    assert!(messages(&loaded)[0].contains("line 2"), "{:?}", messages(&loaded));
    let none = Overrides { file: Some("/nowhere/tallyline.toml".into()), ..Overrides::default() };
    let error = load(&none, []).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/tallyline.toml: cannot be read"), "{error}");
}

#[test]
fn names_that_an_orchestrator_makes_are_no_error_but_are_known() {
    let loaded = read(None, &[("TALLYLINE_SERVICE_HOST", "10.0.0.1")], Overrides::default());
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    assert_eq!(loaded.strange_variables, ["TALLYLINE_SERVICE_HOST"]);
}

/// Break to try: the content taken with its line break.
#[test]
fn a_secret_may_stand_in_a_file_that_a_variable_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, format!("{}\n", "07".repeat(32))).unwrap();
    let path = path.display().to_string();
    let file = ("TALLYLINE_SECRETS__KEY_FILE", path.as_str());
    let loaded = read(None, &[file], Overrides::default());
    assert_eq!(loaded.config.secrets.key, "07".repeat(32));
    assert_eq!(loaded.origin("secrets.key").to_string(), format!("{path} (TALLYLINE_SECRETS__KEY_FILE)"));

    let both = with_env(&[file, ("TALLYLINE_SECRETS__KEY", "x")]).unwrap_err().to_string();
    assert!(both.contains("only one of the two"), "{both}");
    let gone = with_env(&[("TALLYLINE_SECRETS__KEY_FILE", "/nowhere/key")]).unwrap_err().to_string();
    assert!(gone.contains("cannot read /nowhere/key"), "{gone}");
}

/// Break to try: `redacted` returning the value.
#[test]
fn what_is_shown_has_every_key_and_no_secret() {
    let variables = [
        ("TALLYLINE_SECRETS__KEY", "5ec2e7".repeat(10)),
        ("DATABASE_URL", "postgres://app:hunter2@db.internal/tallyline".to_owned()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let shown = read(None, &variables, Overrides::default()).shown();
    let value = |key: &str| shown.iter().find(|shown| shown.key == key).unwrap().value.clone();
    assert_eq!(value("secrets.key"), "(set, not shown)");
    assert_eq!(value("database.url"), "\"postgres://app:***@db.internal/tallyline\"");
    assert_eq!(value("http.max_headers"), "64");
    let all = format!("{shown:?}");
    assert!(!all.contains("5ec2e7") && !all.contains("hunter2"), "{all}");
    let keys = keys::all(&DEFAULTS.parse().unwrap());
    for (area, key) in keys.iter().filter(|(area, key)| !keys::is_free(area, key)) {
        assert!(shown.iter().any(|shown| shown.key == format!("{area}.{key}")), "{area}.{key}");
    }
    assert_eq!(super::super::without_password("postgres://h/d?user=a&password=b"), "(set, not shown)");
    assert_eq!(super::super::without_password("host=h password=b"), "(set, not shown)");
}

/// Break to try: the comparison of rate and burst turned round.
#[test]
fn values_that_make_no_sense_together_are_told() {
    let wrong = |variables: &[(&str, &str)]| {
        let loaded = read(None, variables, Overrides::default());
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        loaded.all_problems().iter().filter_map(|problem| problem.key.clone()).collect::<Vec<_>>()
    };
    for (variable, value, key) in [
        ("TALLYLINE_RECEIVER__TENANT_BURST_REQUESTS", "1", "receiver.tenant_burst_requests"),
        ("TALLYLINE_RECEIVER__MAX_BODY_BYTES", "0", "receiver.max_body_bytes"),
        ("TALLYLINE_RECEIVER__MAX_BUFFERED_BYTES", "1", "receiver.max_body_bytes"),
        ("TALLYLINE_RECEIVER__MAX_JSON_DEPTH", "128", "receiver.max_json_depth"),
        ("TALLYLINE_RECEIVER__SPOOL_MAX_BYTES", "1", "receiver.spool_segment_bytes"),
        ("TALLYLINE_NOTIFY__PER_ENDPOINT", "5", "notify.per_endpoint"),
        ("TALLYLINE_RECONCILE__WINDOW_HOURS", "168", "reconcile.window_hours"),
        ("TALLYLINE_HTTP__LISTEN", "8080", "http.listen"),
        ("TALLYLINE_HTTP__PUBLIC_ORIGIN", "calls.example.com", "http.public_origin"),
        ("TALLYLINE_DATABASE__URL", "mysql://x", "database.url"),
        ("TALLYLINE_SECRETS__KEY", "short", "secrets.key"),
        ("TALLYLINE_LOG__LEVEL", "tally=loud", "log.level"),
        ("TALLYLINE_LOG__FORMAT", "xml", "log.format"),
        ("TALLYLINE_QUEUE__KINDS__VERIFY_ROLLUPS", "0", "queue.kinds.verify_rollups"),
    ] {
        assert_eq!(wrong(&[(variable, value)]), [key], "{variable}={value}");
    }
    let open = ("TALLYLINE_HTTP__LISTEN", "0.0.0.0:8080");
    assert_eq!(wrong(&[open]), Vec::<String>::new());
    assert_eq!(wrong(&[open, ("TALLYLINE_DASHBOARD__LOGIN", "false")]), ["dashboard.login"]);
}
