use std::fs;

use super::*;
use crate::cli::Command;
use resolve::Resolved;

fn resolved(line: &[&str], variables: &[(&str, &str)]) -> Resolved {
    let line: Vec<OsString> = ["kv-erp"].iter().chain(line).map(OsString::from).collect();
    resolve::resolve(&line, &variables.iter().copied().collect()).unwrap()
}

fn refused(line: &[&str], variables: &[(&str, &str)]) -> String {
    let failure = resolved(line, variables).cli.unwrap_err();
    assert_eq!(failure.exit.code(), 2);
    failure.to_string()
}

fn service(line: &[&str], variables: &[(&str, &str)]) -> ServiceArgs {
    match resolved(line, variables).cli.unwrap().command {
        Command::Up(args) => args.service,
        Command::Api(args) => args.service,
        other => panic!("{other:?} does not serve"),
    }
}

/// A configuration file with this text.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kv-erp.toml");
    fs::write(&path, text).unwrap();
    let shown = path.to_str().unwrap().to_owned();
    (folder, shown)
}

const URL: &str = "postgresql://kv_app:hunter2@db/kv";

#[test]
fn the_defaults_are_good() {
    let config = ServiceConfig::check(&service(&["up"], &[])).unwrap();
    assert_eq!(config.http.rate_limit_per_minute, 60);
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert!(pairs::warnings(&service(&["up"], &[])).is_empty());
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let (_folder, path) = file("pool_size = 3\nstock_writers = 4\nreplicas = 1\nlisten = \"0.0.0.0:1\"\ndemo = true\n");
    let variables = [("KV_CONFIG", path.as_str()), ("KV_POOL_SIZE", "5"), ("KV_STOCK_WRITERS", "6")];
    let all = resolved(&["up", "--pool-size", "7"], &variables);
    let origin = |key: &str| all.settings.iter().find(|setting| setting.names.key == key).unwrap().origin.to_string();
    let expected = [
        ("pool_size", "command line".to_owned()),
        ("stock_writers", "environment".to_owned()),
        ("replicas", format!("{path} line 3")),
        ("rate_limit_per_minute", "default".to_owned()),
        ("redis_url", "not set".to_owned()),
    ];
    for (key, wanted) in expected {
        assert_eq!(origin(key), wanted, "{key}");
    }
    let Command::Up(up) = all.cli.unwrap().command else { panic!("up was asked for") };
    let seen = (up.service.pool_size, up.service.stock_writers, up.service.listen.port(), up.demo);
    assert_eq!(seen, (7, 6, 1, true));
}

#[test]
fn every_fault_of_every_layer_is_in_one_answer() {
    let (_folder, path) = file("pool_size = 0\nlisten = 8080\npool_siez = 3\nrequest_timeout_ms = 1.5\n");
    let variables = [("KV_REDIS_URL", "redis://:hunter2@h:port"), ("KV_STOCK_WRITER", "3"), ("KV_LOG_FORMAT", "xml")];
    let line = ["--config", &path, "api", "--replicas=0", "--lock-ttl-ms=200"];
    let said = refused(&line, &variables);
    for part in [
        "10 settings cannot be used",
        &format!("{path} line 1, pool_size must be a whole number from 1 to 1000, not \"0\""),
        &format!("{path} line 2, listen must be ADDRESS:PORT"),
        &format!("{path} line 3 has the unknown key pool_siez; is pool_size meant?"),
        &format!("{path} line 4, request_timeout_ms must be a whole number from 1000 to 300000, not \"1.5\""),
        "KV_REDIS_URL cannot be used",
        "KV_STOCK_WRITER is no variable of this program; is KV_STOCK_WRITERS meant?",
        "KV_LOG_FORMAT must be one of text, json, not \"xml\"",
        "--replicas must be a whole number from 1 to 1000, not \"0\"",
        "--database-url is needed; give --database-url, set KV_DATABASE_URL, or write database_url",
        "hint: ",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn what_settings_are_to_one_another_is_checked_too() {
    for (line, parts) in [
        (
            &["--tenant-rate-limit-per-minute=59"][..],
            &["--tenant-rate-limit-per-minute 59 is below --rate-limit-per-minute 60"][..],
        ),
        (&["--request-timeout-ms=7999"], &["--request-timeout-ms 7999 is too short", "raise it to 8000"]),
        (&["--lock-ttl-ms=5999"], &["--lock-ttl-ms 5999 is too short", "raise it to 6000"]),
        (&["--row-lock-timeout-ms=5000"], &["--row-lock-timeout-ms 5000 is not below --statement-timeout-ms 5000"]),
        (&["--replicas=2"], &["--replicas 2 need a Redis"]),
        (&["--replicas=2", "--lock-ttl-ms=500"], &["2 settings cannot be used", "--replicas", "--lock-ttl-ms"]),
    ] {
        let said = refused(&[&["up"], line].concat(), &[]);
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?} in\n{said}");
    }
    for line in ["--tenant-rate-limit-per-minute=60", "--request-timeout-ms=8000", "--lock-ttl-ms=6000"] {
        assert!(ServiceConfig::check(&service(&["up", line], &[])).is_ok(), "{line}");
    }
    assert_eq!(pairs::warnings(&service(&["up", "--lock-ttl-ms=6000"], &[])).len(), 1);
}

#[test]
fn a_pair_is_not_judged_when_one_of_it_cannot_be_read() {
    let said = refused(&["up", "--request-timeout-ms=x"], &[("KV_POOL_WAIT_MS", "60000")]);
    assert!(said.starts_with("error: --request-timeout-ms must be a whole number"), "{said}");
    assert_eq!(said.lines().count(), 2, "one fault is one line and a hint: {said}");
}

#[test]
fn strange_variables_are_refused_when_they_are_slips_and_else_told() {
    let strange = [("KV_ERP_SERVICE_HOST", "10.0.0.1"), ("KV_THING_OF_SOMEBODY_ELSE", "1"), ("KV_TEST_SEED", "1")];
    let all = resolved(&["up"], &strange);
    assert!(all.cli.is_ok());
    assert_eq!(all.warnings, ["the variable KV_THING_OF_SOMEBODY_ELSE is none of this program's"]);
    assert!(refused(&["up"], &[("KV_POOLSIZE", "3")]).contains("is KV_POOL_SIZE meant?"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let said = refused(&["up"], &[("KV_CONFIG", "/nonexistent/kv.toml")]);
    assert!(said.contains("KV_CONFIG names /nonexistent/kv.toml, which cannot be read"), "{said}");
}

#[test]
fn a_readable_file_with_a_secret_is_warned_of() {
    let (_folder, path) = file(&format!("database_url = \"{URL}\"\n"));
    let warnings = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        resolved(&["--config", &path, "api"], &[]).warnings
    };
    assert!(warnings(0o644)[0].contains("chmod 600"));
    assert!(warnings(0o600).is_empty());
}

#[test]
fn what_is_printed_can_be_read_again_and_hides_secrets() {
    let variables = [("KV_DATABASE_URL", URL), ("KV_RATE_LIMIT_PER_MINUTE", "90")];
    let all = resolved(&["api", "--redis-url", "redis://:hunter2@r", "--replicas=2"], &variables);
    let (toml, json) = (show::toml(&all), show::json(&all));
    assert!(!toml.contains("hunter2") && !json.contains("hunter2"), "{toml}{json}");
    for part in [
        "database_url = \"postgresql://kv_app:***@db/kv\"",
        "# KV_DATABASE_URL",
        "# --redis-url",
        "# tenant_rate_limit_per_minute =",
    ] {
        assert!(toml.contains(part), "{part} in\n{toml}");
    }
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["settings"]["rate_limit_per_minute"]["value"], 90);
    assert_eq!(json["settings"]["rate_limit_per_minute"]["origin"], "environment");
    let (_folder, path) = file(&toml);
    let again = resolved(&["--config", &path, "api"], &[]);
    let values = |resolved: &Resolved| -> Vec<Vec<String>> {
        let shown = resolved.settings.iter().filter(|setting| !setting.is_secret && setting.names.key != "config");
        shown.map(|setting| setting.values.clone()).collect()
    };
    assert_eq!(values(&all), values(&again));
}

#[test]
fn debug_hides_secrets() {
    let all = resolved(&["api"], &[("KV_DATABASE_URL", URL), ("KV_REDIS_URL", "redis://:hunter2@r")]);
    let cli = all.cli.unwrap();
    assert!(!format!("{cli:?}").contains("hunter2"));
    let Command::Api(args) = &cli.command else { panic!("api was asked for") };
    let config = ServiceConfig::check(&args.service).unwrap();
    let connection = database("--database-url", &args.database_url).unwrap();
    let store = config.store(connection.clone());
    assert!(!format!("{config:?} {connection:?} {store:?}").contains("hunter2"));
}

#[test]
fn help_still_shows_variables_and_defaults() {
    let line: Vec<OsString> = ["kv-erp", "up", "--help"].map(OsString::from).into();
    let help = resolve::resolve(&line, &Variables::default()).unwrap_err().to_string();
    assert!(help.contains("KV_POOL_SIZE") && help.contains("[default: 16]"), "{help}");
}
