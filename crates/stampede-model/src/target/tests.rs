//! A described target, read whole; and every kind of mistake, found with its place.

use super::*;

const KV_ERP: &str = include_str!("../../../../targets/kv-erp.toml");

fn mistake(from: &str, to: &str) -> TargetError {
    assert!(KV_ERP.contains(from), "the example no longer contains {from:?}");
    Target::parse("t.toml", &KV_ERP.replacen(from, to, 1)).expect_err("the change is a mistake")
}

fn line_of(needle: &str) -> usize {
    KV_ERP.lines().position(|line| line.contains(needle)).expect("it stands in the example") + 1
}

#[test]
fn the_complete_example_is_sound() {
    let target = Target::parse("targets/kv-erp.toml", KV_ERP).unwrap();
    let ids: Vec<_> = target.rows().iter().map(|row| row.id().to_owned()).collect();
    let rows = [
        ["load", "stock-all-succeed", "stock-no-oversell", "concurrency", "rate-limit"].as_slice(),
        &["lock-rules", "lock-exclusive"],
        &["stock-history", "updates-history", "orders-history", "lock-history", "limit-history"],
        &["tenants-history", "keys-history"],
    ];
    assert_eq!(ids, rows.concat());
    assert_eq!(target.start.origin(), Origin::Started);
    let rows = target.rows();
    assert_eq!(rows[0].metric(&target, Effort::Full), "GET /api/v1/customers 1000 req/s, 30s");
    assert_eq!(rows[0].metric(&target, Effort::Quick), "GET /api/v1/customers 200 req/s, 5s");
    assert_eq!(rows[2].demand(), "5 succeed, 5 refused, 0 left, 50 reserved");
    assert_eq!(rows[4].metric(&target, Effort::Full), "60 req/min/user");
    assert_eq!(rows[7].metric(&target, Effort::Full), "stock: 4,000 operations of 64 clients");
    assert_eq!(rows[7].metric(&target, Effort::Quick), "stock: 600 operations of 64 clients");
}

#[test]
fn elsewhere_nothing_is_started() {
    let target = Target::parse("t.toml", KV_ERP).unwrap().found_at("http://127.0.0.1:9/");
    assert_eq!(target.start.origin(), Origin::Found);
    assert_eq!(target.start.url.as_ref().render(&Scope::default()).unwrap(), "http://127.0.0.1:9");
}

#[test]
fn an_unknown_field_is_found_with_its_line() {
    let error = mistake("rate_per_s = 1000", "rate_per_sec = 1000");
    assert_eq!(error.line, line_of("rate_per_s = 1000"));
    assert!(error.message.contains("unknown field `rate_per_sec`"), "{error}");
    assert!(error.hint.contains("spelling"), "{error}");
}

#[test]
fn a_dangling_name_is_offered_its_neighbour() {
    let error = mistake("reserve = \"reserve\"", "reserve = \"reserv\"");
    assert_eq!((error.line, error.column), (line_of("reserve = \"reserve\""), 11));
    assert_eq!(error.message, "no request is called `reserv`");
    assert_eq!(error.hint, "did you mean `reserve`?");
    assert_eq!(mistake("other_user = \"rival\"", "other_user = \"nobody\"").message, "no user is called `nobody`");
}

#[test]
fn a_slot_without_a_value_is_found_where_it_stands() {
    let error = mistake("json = { wait_ms = \"{wait_ms}\"", "json = { wait_ms = \"{patience}\"");
    assert_eq!(error.line, line_of("json = { wait_ms"));
    assert!(error.message.contains("slot `{patience}`"), "{error}");
    assert!(error.hint.contains("{wait_ms}"), "{error}");
    let unmade =
        mistake("setup = [\"new_product\", \"new_warehouse\", \"receive\"]", "setup = [\"new_product\", \"receive\"]");
    assert!(unmade.message.contains("slot `{warehouse_id}`"), "{unmade}");
}

#[test]
fn a_checked_row_names_a_workload() {
    let error = mistake("workload = \"stock-versions\"", "workload = \"stock-version\"");
    assert_eq!(
        (error.message.as_str(), error.hint.as_str()),
        ("no workload is called `stock-version`", "did you mean `stock-versions`?")
    );
    let error = mistake("operations = 4000\nquick = 600", "operations = 4000\nquick = 0");
    assert!(error.message.contains("quick must be above zero"), "{error}");
}

#[test]
fn a_request_via_the_gateway_needs_one() {
    let error =
        mistake("path = \"/api/v1/customers\"\nexpect", "path = \"/api/v1/customers\"\nvia = \"gateway\"\nexpect");
    assert!(error.message.contains("`list_customers` goes via the gateway, and the target names none"), "{error}");
}

#[test]
fn what_a_row_judges_must_be_taken() {
    let error = mistake("take = { held = \"/held\" }", "take = { is_held = \"/held\" }");
    assert_eq!(error.message, "request `inspect_lock` must take `held` to be judged in this role");
    let refusal = mistake("expect = [201]\nrefuse = [409]", "expect = [201]");
    assert!(refusal.message.contains("names no status of a refusal"), "{refusal}");
}

#[test]
fn values_are_checked_where_they_stand() {
    let cases = [
        ("lasts = \"30s\"", "lasts = \"30\"", "no duration"),
        ("expect = [200]", "expect = [2000]", "no HTTP status"),
        ("\"p95 < 500ms\"", "\"p95 500ms\"", "compares nothing"),
        ("take = { token = \"/token\" }", "take = { token = \"token\" }", "no JSON pointer"),
        ("x-lock-token = \"{token}\"", "x-lock-token = \"{token\"", "never closed"),
        ("calls = 70", "calls = 60", "calls must be above limit"),
        ("simultaneous = 10", "simultaneous = 0", "released together"),
        ("id = \"stock-no-oversell\"", "id = \"stock-all-succeed\"", "two rows or workloads are called"),
        ("session = \"none\"", "session = \"user\"", "would have to log in first"),
        ("\"{bin}/kv-erp\", \"up\"", "\"{bin}/kv-erp\", \"{postgres_url}\"", "slot `{postgres_url}`"),
        ("simultaneous_user = \"clerk2\"", "simultaneous_user = \"clerk1\"", "must differ"),
    ];
    for (from, to, expected) in cases {
        let error = mistake(from, to);
        assert!(error.message.contains(expected), "{to}: {error}");
        let line_of_change = KV_ERP[..KV_ERP.find(from).unwrap()].matches('\n').count() + 1;
        // A mistake in a row's numbers is shown at its id, at most thirty lines above.
        assert!(error.line <= line_of_change, "{to}: {error}");
        assert!(error.line + 30 > line_of_change, "{to}: {error}");
    }
}
