//! What words make which fault, and what is said of those that make none.

use super::*;

fn raw(kind: &str) -> RawFault {
    RawFault { kind: kind.to_owned(), ..RawFault::default() }
}

#[test]
fn every_kind_is_a_fault_or_says_why_not() {
    for kind in Kind::ALL {
        let mut raw = raw(kind.word());
        match kind {
            Kind::Latency | Kind::SlowClose => raw.latency = Some("100ms".into()),
            Kind::Bandwidth => raw.rate = Some("64k".into()),
            Kind::HttpError | Kind::HttpNoAnswer | Kind::HttpTwice => raw.share = Some("20%".into()),
            Kind::LockTable => raw.table = Some("public.orders".into()),
            Kind::LockRows => raw.rows = Some("SELECT 1 FROM a WHERE id = 1 FOR UPDATE".into()),
            _ => {}
        }
        let fault = raw.fault();
        assert_eq!(fault.is_err(), kind.unavailable().is_some(), "{kind}: {fault:?}");
        if let Err(error) = fault {
            assert!(error.text.contains("hint:"), "{}", error.text);
        }
    }
}

#[test]
fn words_are_read_with_their_units() {
    let latency = RawFault { latency: Some("100ms".into()), jitter: Some("20ms".into()), ..raw("latency") };
    let limits = Limits { latency_ms: 100, jitter_ms: 20, ..Limits::default() };
    assert_eq!(latency.fault(), Ok(Fault::Slow(limits, Direction::Both)));
    let stop = RawFault { how: Some("immediate".into()), ..raw("postgres-stop") };
    assert_eq!(stop.fault(), Ok(Fault::PostgresStop(DatabaseStop::Immediate)));
    assert_eq!(raw("postgres-stop").fault(), Ok(Fault::PostgresStop(DatabaseStop::Fast)));
    let error = RawFault { share: Some("2.5%".into()), ..raw("http-error") };
    let trouble = HttpTrouble { what: HttpWhat::Error(503), per_million: 25_000 };
    assert_eq!(error.fault(), Ok(Fault::Http(trouble)));
    assert_eq!(raw("promote").fault(), Ok(Fault::Promote(DatabaseStop::Fast)));
    assert_eq!(raw("kill").lasts(), Ok(Duration::from_secs(10)));
}

#[test]
fn what_makes_no_sense_is_named() {
    let table = |name: &str| RawFault { table: Some(name.into()), ..raw("lock-table") };
    for (raw, field, word) in [
        (raw("kil"), "kind", "did you mean `kill`"),
        (raw("latency"), "latency", "100ms"),
        (RawFault { latency: Some("100".into()), ..raw("latency") }, "latency", "unit"),
        (RawFault { table: Some("a".into()), ..raw("kill") }, "table", "lock-table"),
        (table("orders; drop table orders"), "table", "no table's name"),
        (RawFault { rows: Some("DELETE FROM a".into()), ..raw("lock-rows") }, "rows", "FOR UPDATE"),
        (RawFault { rows: Some("SELECT 1 FOR UPDATE; DROP TABLE a".into()), ..raw("lock-rows") }, "rows", "FOR UPDATE"),
        (RawFault { how: Some("gently".into()), ..raw("postgres-stop") }, "how", "fast"),
        (RawFault { how: Some("smart".into()), ..raw("promote") }, "how", "kill"),
        (raw("http-twice"), "share", "20%"),
        (RawFault { share: Some("120%".into()), ..raw("http-twice") }, "share", "share"),
        (RawFault { share: Some("0%".into()), ..raw("http-no-answer") }, "share", "more than 0%"),
        (RawFault { share: Some("5%".into()), status: Some(200), ..raw("http-error") }, "status", "no error"),
        (RawFault { status: Some(503), ..raw("http-twice") }, "status", "http-error"),
    ] {
        let error = raw.fault().unwrap_err();
        assert!(error.field == field && error.text.contains(word), "{raw:?}: {error:?}");
    }
    assert!(RawFault { lasts: Some("2h".into()), ..raw("cut") }.lasts().is_err());
    assert!(RawFault { lasts: Some("0s".into()), ..raw("cut") }.lasts().is_err());
}
