//! A run of `stampede check` as a target with four bugs would leave it: an oversold last unit, a lock granted twice, another
//! tenant's product, a call beyond the limit; beside them a workload that holds and one that stays unknown.

use serde_json::{Value, json};
use stampede_model::check::{
    Answer, CHECK_FORMAT, CHECK_VERSION, CheckReport, CheckRun, Counterexample, Finding, Findings, Strength,
    WorkloadVerdict, shrink,
};
use stampede_model::history::{Model, Operation};

const US: u64 = 1_000;
const MS: u64 = 1_000_000;

/// One operation; its times are in microseconds.
fn operation(
    (id, process): (u64, u64),
    key: &str,
    op: &str,
    (call_us, return_us): (u64, u64),
    rest: Value,
) -> Operation {
    let mut value = json!({
        "id": id, "process": process, "key": key, "op": op, "call_ns": call_us * US, "return_ns": return_us * US,
        "outcome": "ok",
    });
    let Value::Object(rest) = rest else { panic!("{rest} is no object") };
    for (name, field) in rest {
        value[name] = field;
    }
    serde_json::from_value(value).unwrap()
}

/// The counterexample of a finding whose judge needs just the named operations.
pub(crate) fn explained(operations: &[Operation], finding: &Finding) -> Counterexample {
    let mut judge = |left: &[Operation]| {
        let has = |id: &u64| left.iter().any(|one| one.id == *id);
        finding.operations.iter().all(has).then(|| finding.clone())
    };
    shrink(operations, finding, &mut judge, 20)
}

fn verdict(id: &str, model: Model, report: CheckReport) -> WorkloadVerdict {
    WorkloadVerdict {
        id: id.to_owned(),
        model,
        answer: report.answer,
        strength: report.strength,
        operations: report.operations,
        unresolved: report.indeterminate,
        unanswered_reads: 0,
        resolved: 0,
        skew_us: 84,
        reports: vec![report],
        counterexamples: Vec::new(),
        history: None,
        elapsed_ms: 4_200,
    }
}

fn violated(id: &str, model: Model, operations: &[Operation], finding: Finding, strength: Strength) -> WorkloadVerdict {
    let example = explained(operations, &finding);
    let mut findings = Findings::default();
    findings.violation(finding);
    let report = findings.conclude(model.as_str(), strength, operations.len() as u64, 2);
    WorkloadVerdict { counterexamples: vec![example], ..verdict(id, model, report) }
}

const RESERVE: &str = "POST /api/v1/stock/8c1f/reservations: 201";

fn reserved(id: u64, process: u64, times: (u64, u64), out: &Value) -> Operation {
    let rest = json!({"in": {"units": 1}, "out": out, "note": RESERVE, "idempotency_key": format!("r-{id}")});
    operation((id, process), "sku-1", "reserve", times, rest)
}

/// Ten units; the tenth is sold twice while a third client is told the truth.
pub(crate) fn last_unit() -> (Vec<Operation>, Finding) {
    let mut operations: Vec<Operation> = (400..412)
        .map(|id| {
            let times = (70_000 + id * 100, 70_080 + id * 100);
            let rest = json!({"out": {"available": 4, "version": 12}, "note": "GET /api/v1/stock/8c1f: 200"});
            operation((id, id % 8), if id % 3 == 0 { "sku-2" } else { "sku-1" }, "read", times, rest)
        })
        .collect();
    let refused = json!({
        "in": {"units": 1}, "outcome": "fail", "refused": "insufficient", "note": "POST /api/v1/stock/8c1f/reservations: 409"
    });
    let pending = json!({
        "in": {"units": 1}, "outcome": "info", "return_ns": null, "note": "POST /api/v1/stock/8c1f/reservations: no answer: reset"
    });
    operations.extend([
        reserved(
            412,
            5,
            (112_010, 113_020),
            &json!({"version": 19, "available": 1, "reserved": 9, "reservation": "r-0d31"}),
        ),
        reserved(
            415,
            2,
            (113_105, 115_480),
            &json!({"version": 20, "available": 0, "reserved": 10, "reservation": "r-77aa"}),
        ),
        reserved(
            416,
            7,
            (113_240, 116_020),
            &json!({"version": 21, "available": 0, "reserved": 10, "reservation": "r-9be2"}),
        ),
        operation((417, 1), "sku-1", "reserve", (114_000, 114_610), refused),
        operation((418, 3), "sku-2", "reserve", (114_100, 114_900), pending),
    ]);
    let rest = json!({"out": {"available": 0, "reserved": 11, "version": 21}, "note": "GET /api/v1/stock/8c1f: 200"});
    operations.push(operation((431, 0), "sku-1", "read", (913_300, 913_900), rest));
    let finding = Finding::new(
        "oversold",
        "sku-1",
        "operation 416 was given the unit that operation 415 had just taken: version 20 left 0 available, and version 21 \
         reserved 1 more. A read at rest shows 11 reserved of 10.",
    );
    (
        operations,
        finding.by([416, 415, 431]).allowed("a refusal of operation 416 (insufficient), as client 1 was given"),
    )
}

/// A second holder two milliseconds after the first.
pub(crate) fn two_holders() -> (Vec<Operation>, Finding) {
    let acquired = |fence: u64| {
        json!({
            "in": {"ttl_ms": 30_000, "wait_ms": 0}, "out": {"fence": fence, "token": format!("tok-{fence}-5f0c")},
            "note": "POST /api/v1/locks/invoice-7/acquire: 200"
        })
    };
    let rest = json!({"in": {"token": "tok-11-5f0c"}, "note": "POST /api/v1/locks/invoice-7/release: 200"});
    let operations = vec![
        operation((88, 1), "red/invoice-7", "acquire", (40_000, 41_300), acquired(11)),
        operation((91, 4), "red/invoice-7", "acquire", (43_600, 44_500), acquired(12)),
        operation((95, 1), "red/invoice-7", "release", (52_200, 52_900), rest),
    ];
    let what = "operation 91 was given the lock while client 1 held it: its lease of 30s had 29.9s to go, and it gave the \
                lock back only with operation 95";
    let finding = Finding::new("granted-twice", "red/invoice-7", what).by([91, 88, 95]);
    (operations, finding.allowed("`busy`, until the holder sends its release or its lease has run out"))
}

/// A search without a tenant.
pub(crate) fn leak() -> (Vec<Operation>, Finding) {
    let see = |id: u64, canaries: Value| {
        let rest = json!({
            "in": {"route": "GET /api/v1/products"}, "out": {"status": 200, "canaries": canaries},
            "note": "GET /api/v1/products?search=cnry: 200"
        });
        operation((id, id % 4), "red", "see", (id * 700, id * 700 + 420), rest)
    };
    let operations: Vec<Operation> = (0..40)
        .map(|id| see(id, if id == 23 { json!(["cnry-red-4b1", "cnry-blue-90e"]) } else { json!(["cnry-red-4b1"]) }))
        .collect();
    let what = "tenant red was shown `cnry-blue-90e`, which tenant blue wrote into a product's name";
    (operations, Finding::new("tenant-leak", "red", what).by([23]).allowed("answers without a mark of another tenant"))
}

/// Sixty-one calls in one window of sixty.
pub(crate) fn one_call_too_many() -> (Vec<Operation>, Finding) {
    let call = |id: u64| {
        let remaining = 60_u64.saturating_sub(id + 1);
        let rest = json!({
            "out": {"limit": 60, "remaining": remaining, "reset_ms": 1_773_480_473_000_u64}, "note": "GET /api/v1/me: 200"
        });
        let call_us = (id / 8) * 1_900 + (id % 8) * 60;
        operation((id, id % 8), "alice", "call", (call_us, call_us + 1_100 + (id * 37) % 600), rest)
    };
    let operations: Vec<Operation> = (0..61).map(call).collect();
    let what = "61 calls of alice passed in the window that ends at 09:27:53 UTC; two of them were told that 0 remain";
    let finding = Finding::new("over-limit", "alice", what).by([60].into_iter().chain(0..60));
    (operations, finding.allowed("60 calls in a window: a 429 for operation 60"))
}

/// The whole run.
pub(crate) fn buggy() -> CheckRun {
    let mut unknown = Findings::default();
    unknown.doubt(
        Finding::new(
            "indeterminate",
            "job-queue",
            "the outcome of 3 operations is unknown: a lost job could pass for one that never was handed in",
        )
        .by([7, 19, 60]),
    );
    unknown.doubt(Finding::new("never-redelivered", "", "no job was delivered twice"));
    let unknown = unknown.conclude("queue", Strength::Exact, 800, 1).with_indeterminate(3, "up to 3 lost jobs");
    let holds = Findings::default().conclude("counter", Strength::Witness, 2_000, 4);
    let ((stock, oversold), (lock, twice), (tenants, leaked), (limit, over)) =
        (last_unit(), two_holders(), leak(), one_call_too_many());
    let mut last = violated("last-unit", Model::Stock, &stock, oversold, Strength::Witness);
    last.history = Some("histories/last unit.jsonl".to_owned());
    (last.unresolved, last.resolved) = (1, 2);
    last.reports[0] = last.reports[0].clone().with_indeterminate(1, "one more unit sold");
    last.reports[0].violation_count += 3;
    last.reports[0].violations.push(
        Finding::new(
            "refused-without-cause",
            "sku-2",
            "operation 433 was refused although 2 units were available all the time",
        )
        .by([433])
        .allowed("success"),
    );
    CheckRun {
        format: CHECK_FORMAT.to_owned(),
        version: CHECK_VERSION,
        target: "shop".to_owned(),
        file: "targets/shop.toml".to_owned(),
        url: "http://127.0.0.1:8080".to_owned(),
        started_unix_ms: 1_773_480_413_000,
        elapsed_ms: 27_400,
        seed: 42,
        workloads: vec![
            last,
            violated("locks", Model::Lock, &lock, twice, Strength::Witness),
            violated("tenants", Model::Tenants, &tenants, leaked, Strength::Rules),
            violated("limit", Model::RateLimit, &limit, over, Strength::Witness),
            verdict("counters", Model::Counter, holds),
            verdict("jobs", Model::Queue, unknown),
        ],
    }
}

/// Everything holds.
pub(crate) fn sound() -> CheckRun {
    let mut run = buggy();
    run.workloads.retain(|workload| workload.answer == Answer::Holds);
    run
}

/// A recorded history, judged without a target.
pub(crate) fn recorded() -> CheckRun {
    let (operations, finding) = two_holders();
    let mut workload = violated("locks.jsonl", Model::Lock, &operations, finding, Strength::Witness);
    workload.history = Some("locks.jsonl".to_owned());
    let (file, url) = (String::new(), String::new());
    CheckRun {
        target: "locks.jsonl".to_owned(),
        file,
        url,
        started_unix_ms: 0,
        seed: 0,
        workloads: vec![workload],
        ..buggy()
    }
}

/// The same run of a target that puts markup, escape sequences and commands wherever it can.
pub(crate) fn hostile() -> CheckRun {
    let evil =
        "<script>alert('x')</script>'; touch pwned; $(touch pwned) `touch pwned`\n~~~\n|\u{1b}[2J\u{202e}\u{0}]]>";
    let mut run = buggy();
    for text in [&mut run.target, &mut run.file, &mut run.url] {
        text.push_str(evil);
    }
    for workload in &mut run.workloads {
        workload.id.push_str(evil);
        workload.history = Some(evil.to_owned());
        for example in &mut workload.counterexamples {
            for text in [&mut example.rule, &mut example.key, &mut example.what, &mut example.allowed] {
                text.push_str(evil);
            }
            for one in &mut example.operations {
                for text in [&mut one.who, &mut one.asked, &mut one.answered, &mut one.label] {
                    text.push_str(evil);
                }
                one.note = format!("POST /{}: 201", evil.replace(' ', "%20"));
                one.idempotency_key = Some(evil.to_owned());
                one.input.set("units", evil);
            }
        }
        for report in &mut workload.reports {
            for finding in report.violations.iter_mut().chain(&mut report.doubts) {
                finding.what.push_str(evil);
                finding.key.push_str(evil);
            }
            report.could_hide.push_str(evil);
            report.check.push_str(evil);
        }
    }
    run
}

/// What nobody should rely on: operations without a time, without an end, without a length.
pub(crate) fn odd() -> CheckRun {
    let row =
        json!({"out": {"version": 3, "available": -1, "reserved": 1}, "note": "a row of the ledger, GET /movements"});
    let pending =
        json!({"in": {"units": 2}, "outcome": "info", "return_ns": null, "note": "POST /r: no answer: timed out"});
    let operations = vec![
        operation((1, 0), "k", "reserve", (5_000, 5_000), json!({"in": {"units": 1}, "note": "made by hand"})),
        operation((2, 1), "k", "reserve", (5_000, 0), pending),
        operation((3, 2), "k", "movement", (900_000, 900_001), row.clone()),
    ];
    let finding = Finding::new("units-lost", "k", "the ledger books one unit, two were asked for").by([3, 1, 2]);
    let ledger = vec![operation((9, 2), "k", "movement", (900_000, 900_001), row)];
    let alone = Finding::new("units-made", "k", "the ledger's version 3 books what nobody asked for").by([9]);
    let workloads = vec![
        violated("ledger", Model::Stock, &operations, finding, Strength::Bounds),
        violated("rows", Model::Stock, &ledger, alone, Strength::Rules),
    ];
    CheckRun { elapsed_ms: 2 * MS / 1_000, workloads, ..buggy() }
}
