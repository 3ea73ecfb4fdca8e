//! What sound files compile to.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::history::Model;
use crate::scenario::template::tests::Loaded;
use crate::schedule::UserStage;
use crate::threshold::AbortAfter;

const WHOLE: &str = r#"
target = { url = "${env:ERP_URL}", http2 = true }
seed = 7
timeout = "5s"
[vars]
tenant = 3
api = "/api/v1"
[feed.skus]
csv = "skus.csv"
numbers = ["qty"]
mode = "unique"
[feed.people]
json = "users.json"
[user.clerk]
login = { post = "/login", json = { email = "{people.email}", password = "${env:PW}" }, take = { token = "$.token" } }
headers = { authorization = "Bearer {token}", x-tenant = "{tenant}" }
on_stop = [{ post = "/logout" }]
[[scenario]]
name = "browse"
as = "clerk"
think = "1s..3s"
users = 100
spawn_rate = "10/s"
duration = "5m"
task = [
  { weight = 3, steps = [{ get = "{api}/customers", query = { page = 1, q = "a b" } }] },
  { weight = 1, name = "buy", steps = [
    { name = "reserve", post = "{api}/reservations", together = 10,
      json = { id = "{skus.id}", qty = "{skus.qty}", who = "u{user}", tenant = "{tenant}", list = [1, "{iteration}"] },
      expect = { status = [201, 409] }, take = { rid = { header = "Location" }, maybe = { regex = 'id=(\d+)', default = 0 } } },
    { get = "{rid}", if_status = 201, repeat = 2, think = "10ms", timeout = "1s", tags = { kind = "read" } },
    { get = "/x/{maybe}/{rid}" },
  ] },
]
[[scenario]]
name = "list"
arrivals = { curve = [["30s", "200/s"], ["2m", "1k/s"]], spacing = "poisson", max_in_flight = 400 }
steps = [{ get = "/health", expect = { json = { "$.ok" = true }, body_contains = "ok", header = { Server = "x" }, max_time = "1s" } }]
[thresholds]
all = ["p95 < 500ms", { limit = "errors<5%", abort_after = "3s" }]
"reserve" = ["p(99)<800"]
"#;

/// The text a template renders to for user 4 in iteration 9, on the first row of every feed.
fn render(plan: &Plan, template: &Template) -> String {
    let variables = plan.variables.iter().enumerate().map(|(number, first)| match first {
        Value::Null => json!(format!("v{number}")),
        other => other.clone(),
    });
    let frame = Frame { user: 4, iteration: 9, variables: variables.collect(), rows: vec![0; plan.feeds.len()] };
    let mut out = String::new();
    template.render(&mut out, &plan.feeds, &frame, &mut Loaded);
    out
}

#[test]
fn a_whole_file_becomes_a_plan() {
    let plan = sound(WHOLE);
    assert_eq!((plan.name.as_str(), plan.seed, plan.timeout), ("t", 7, Duration::from_secs(5)));
    assert_eq!(plan.origins, [Origin { url: "http://127.0.0.1:8080".into(), shown: "${env:ERP_URL}".into() }]);
    assert!(plan.wire.http2 && !plan.wire.insecure);
    let names: Vec<&str> = plan.series.iter().map(|series| series.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "POST /login",
            "POST /logout",
            "GET {api}/customers",
            "reserve",
            "GET {rid}",
            "GET /x/{maybe}/{rid}",
            "GET /health"
        ]
    );
    assert_eq!(plan.series[4].tags["kind"], "read");
    assert_eq!(plan.barriers, [Barrier { name: "reserve".into(), users: 10 }]);
    let [browse, list] = plan.flows.as_slice() else { panic!("{:?}", plan.flows) };
    assert_eq!(browse.think, Think::Pause { from: Duration::from_secs(1), to: Duration::from_secs(3) });
    let stages = vec![UserStage { over: Duration::ZERO, to_users: 100 }];
    assert_eq!(browse.load, Load::Users { stages, spawn_per_s: Some(10.0) });
    assert_eq!(browse.tasks.iter().map(|task| task.weight).collect::<Vec<_>>(), [3, 1]);
    assert_eq!((browse.tasks[0].feeds.as_slice(), browse.tasks[1].feeds.as_slice()), (&[][..], &[0][..]));
    assert_eq!(plan.users[0].feeds, [1], "the login's feed gives the user a row");
    assert_eq!(list.duration, Some(Duration::from_secs(150)), "the curve says how long");
    assert!(matches!(list.load, Load::Arrivals { max_in_flight: 400, .. }));
    let limits: Vec<String> = plan.limits.iter().map(ToString::to_string).collect();
    assert_eq!(limits, ["p95 < 500ms", "errors < 5% abort 3s", "p99 < 800ms for reserve"]);
    assert_eq!(plan.limits[1].abort, Some(AbortAfter(Duration::from_secs(3))));
    assert_eq!(plan.warnings, []);
}

#[test]
fn requests_are_rendered_with_their_values() {
    let plan = sound(WHOLE);
    let task = |flow: usize, task: usize| &plan.flows[flow].tasks[task].steps;
    let list = &task(0, 0)[0].request;
    assert_eq!(render(&plan, &list.path), "/base/api/v1/customers?page=1&q=a%20b");
    let headers: Vec<(String, String)> =
        list.headers.iter().map(|(name, value)| (name.clone(), render(&plan, value))).collect();
    assert_eq!(headers, [("authorization".into(), "Bearer v0".into()), ("x-tenant".into(), "3".into())]);
    let Body::Text(body) = &task(0, 1)[0].request.body else { panic!("a JSON body is a text") };
    let body: Value = serde_json::from_str(&render(&plan, body)).unwrap();
    assert_eq!(body, json!({"id": "A1", "qty": 5, "who": "u4", "tenant": 3, "list": [1, 9]}));
    let Body::Text(login) = &plan.users[0].start[0].request.body else { panic!("a JSON body is a text") };
    let login: Value = serde_json::from_str(&render(&plan, login)).unwrap();
    assert_eq!(login, json!({"email": "a@x.test", "password": "s3cret-word"}));
    assert_eq!(plan.users[0].start[0].request.headers.len(), 2, "the token is not known yet, the tenant is");
    assert_eq!(render(&plan, &task(0, 1)[1].request.path), "v1", "a slot at the start is the path itself");
    assert_eq!(render(&plan, &task(0, 1)[2].request.path), "/base/x/0/v1");
    assert!(task(1, 0)[0].request.is_fixed() && !task(0, 1)[0].request.is_fixed());
}

#[test]
fn secrets_are_hidden_and_never_part_of_the_recorded_text() {
    let plan = sound(WHOLE);
    assert_eq!(plan.redact("s3cret-word at http://127.0.0.1:8080/base/"), "*** at ***");
    assert!(!plan.text.contains("s3cret-word") && plan.text.contains("${env:PW}"));
    assert!(plan.series.iter().all(|series| !series.name.contains("8080")));
}

#[test]
fn a_list_of_urls_is_sent_line_by_line() {
    let plan = sound(&with_target("[feed.l]\nurls = \"list.txt\"\n[[scenario]]\nsteps_from = \"l\"\n"));
    let flow = &plan.flows[0];
    assert_eq!(flow.choice, Choice::Feed(0));
    let names: Vec<&str> = flow.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["GET /a", "POST /c", "PUT /d", "GET /a"]);
    let request = |number: usize| &flow.tasks[number].steps[0].request;
    assert_eq!(plan.origins[request(0).origin].url, "http://h.test:81");
    assert_eq!(plan.origins[request(1).origin].url, "http://h");
    assert_eq!(request(0).path.fixed(), Some("/a?b=1"));
    assert!(matches!(&request(1).body, Body::Text(text) if text.fixed() == Some("x=1")));
    assert!(matches!(&request(2).body, Body::Bytes(bytes) if bytes == b"{\"a\": 1}"));
    assert_eq!(flow.tasks[0].steps[0].series, flow.tasks[3].steps[0].series, "one path is one series");
}

#[test]
fn a_list_of_urls_may_be_the_only_one_to_name_a_server() {
    let world = Memory::default().file("l.txt", "http://a.test/x\nhttp://b.test/y\n");
    let text = "[feed.l]\nurls = \"l.txt\"\n[[scenario]]\nsteps_from = \"l\"\n";
    let plan = compiled_with(text, &world, &Overrides::default()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let origins: Vec<&str> = plan.origins.iter().map(|origin| origin.url.as_str()).collect();
    assert_eq!(origins, ["http://a.test", "http://b.test"]);
}

#[test]
fn what_is_included_is_as_if_it_stood_there() {
    let world = Memory::default()
        .file(
            "more/users.toml",
            "include = [\"../deep.toml\"]\n[user.u]\nheaders = { x = \"{v}\" }\n[feed.f]\ncsv = \"f.csv\"\n",
        )
        .file("more/f.csv", "a\n1\n")
        .file("deep.toml", "[vars]\nv = \"w\"\n");
    let text = "include = [\"more/users.toml\", \"deep.toml\"]\ntarget = { url = \"http://h\" }\n[[scenario]]\nas = \"u\"\nsteps = [{ get = \"/{f.a}\" }]\n";
    let plan = compiled_with(text, &world, &Overrides::default()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(render(&plan, &plan.flows[0].tasks[0].steps[0].request.headers[0].1), "w");
    assert!(plan.text.contains("# included: deep.toml") && !plan.text.contains("a\n1\n"), "{}", plan.text);
}

#[test]
fn the_command_line_wins() {
    let text = "target = { url = \"http://h\" }\nseed = 1\n[vars]\nn = 1\ns = \"a\"\n[[scenario]]\nname = \"a\"\nusers = 30\nsteps = [{ get = \"/{n}/{s}\" }]\n[[scenario]]\nname = \"b\"\nusers = 10\nsteps = [{ get = \"/\" }]\n[[scenario]]\nname = \"c\"\narrivals = { rate = 100 }\nsteps = [{ get = \"/\" }]\n";
    let overrides = Overrides {
        host: Some("http://other:1/v".into()),
        seed: Some(9),
        users: Some(8),
        spawn_per_s: Some(2.0),
        duration: Some(Duration::from_secs(3)),
        rate_factor: Some(0.5),
        vars: vec![("n".into(), "5".into()), ("s".into(), "6".into())],
    };
    let plan = compiled_with(text, &world(), &overrides).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!((plan.seed, plan.origins[0].url.as_str()), (9, "http://other:1"));
    assert_eq!(render(&plan, &plan.flows[0].tasks[0].steps[0].request.path), "/v/5/6");
    assert_eq!(plan.flows.iter().map(|flow| flow.load.users_max()).collect::<Vec<_>>(), [6, 2, 512]);
    assert!(plan.flows.iter().all(|flow| flow.duration == Some(Duration::from_secs(3))));
    let Load::Arrivals { schedule, .. } = &plan.flows[2].load else { panic!("c is open") };
    assert!((schedule.rate_per_s() - 50.0).abs() < 1e-9);
}

#[test]
fn a_secret_of_the_command_line_stays_in_the_environment() {
    let text =
        "target = { url = \"http://h\" }\n[vars]\npassword = \"\"\n[[scenario]]\nsteps = [{ get = \"/{password}\" }]\n";
    let of = |value: &str| Overrides { vars: vec![("password".into(), value.into())], ..Overrides::default() };
    let plan = compiled_with(text, &world(), &of("${env:PW}")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(render(&plan, &plan.flows[0].tasks[0].steps[0].request.path), "/s3cret-word");
    assert_eq!(plan.redact("it is s3cret-word"), "it is ***");
    let mistakes = compiled_with(text, &world(), &of("${env:NO_SUCH}")).unwrap_err().to_string();
    assert!(mistakes.contains("the environment has no `NO_SUCH`"), "{mistakes}");
}

const RECORDED: &str = r#"
[vars]
units = 100
[history]
model = "stock"
settings = { initial = "{units}", reservation_ttl = "30s" }
[feed.skus]
csv = "skus.csv"
[[scenario]]
steps = [
  { post = "/stock/{skus.id}/reservations", take = { version = "$.version", fence = { header = "x-fence", default = 0 } },
    record = { op = "reserve", key = "sku-{skus.id}", in = { units = "{skus.qty}", by = ["{user}"] },
      out = { version = "{version}", text = "v{version}" }, refuse = [409, 423], refusal = { at = "/code", is = ["sold_out"] } } },
  { get = "/stock/{skus.id}", if_status = 409, record = { op = "read", key = "{skus.id}" } },
]
"#;

#[test]
fn a_step_is_recorded_with_what_it_sends_and_what_it_takes() {
    let plan = sound(&with_target(RECORDED));
    assert_eq!(plan.warnings, [], "a refusal goes on to the step that asks for it");
    let heading = plan.heading().unwrap();
    assert_eq!((heading.model, heading.workload.as_str(), heading.seed), (Model::Stock, "t", 1));
    assert_eq!(
        (heading.settings.integer("initial"), heading.settings.integer("reservation_ttl_ms")),
        (Ok(Some(100)), Ok(Some(30_000)))
    );
    let [reserve, read] = plan.flows[0].tasks[0].steps.as_slice() else { panic!("two steps") };
    assert!(reserve.wants_body() && reserve.wants_head());
    let [reserve, read] = [reserve, read].map(|step| step.record.as_ref().unwrap());
    assert_eq!(
        (reserve.op, reserve.effect, reserve.refused.as_deref()),
        ("reserve", Effect::Perhaps, Some("insufficient"))
    );
    assert_eq!((read.op, read.effect, read.refused.as_deref()), ("read", Effect::None, None));
    assert!(reserve.may_refuse(409) && reserve.may_refuse(423) && !reserve.may_refuse(404) && !read.may_refuse(409));
    assert_eq!(render(&plan, &reserve.key), "sku-A1");
    let texts = |values: &[(String, Template)]| {
        values.iter().map(|(name, value)| format!("{name}={}", render(&plan, value))).collect::<Vec<_>>()
    };
    assert_eq!(texts(&reserve.input), ["units=5", "by=[4]"], "a csv cell with digits is a number in a history");
    assert_eq!(texts(&reserve.output), ["version=\"v0\"", "text=\"vv0\""]);
}

#[test]
fn histories_have_their_own_words_and_calls_of_a_limit_count_whatever_their_method() {
    let record = |model: &str, op: &str| {
        let text = format!(
            "[history]\nmodel = \"{model}\"\n[[scenario]]\nsteps = [{{ get = \"/\", record = {{ op = \"{op}\", key = \"k\" }} }}]\n"
        );
        sound(&with_target(&text)).flows[0].tasks[0].steps[0].record.clone().unwrap()
    };
    assert_eq!(record("tenants", "create").op, "see");
    assert_eq!(record("idempotency", "create").op, "create");
    assert_eq!(record("transactions", "snapshot-of-two").op, "snapshot");
    assert_eq!(record("rate-limit", "call").effect, Effect::Perhaps);
}

#[test]
fn what_looks_wrong_and_is_allowed_is_a_warning() {
    let text = "[feed.f]\nrows = [1]\n[[scenario]]\ntask = [{ weight = 0, steps = [{ get = \"/\" }] }, { steps = [{ get = \"/a\", if_status = 200 }, { get = \"/b\", expect = { status = 200 } }, { get = \"/c\", if_status = 404 }] }]\n";
    let plan = sound(&with_target(&format!("[history]\nmodel = \"lock\"\n{text}")));
    let warnings: Vec<&str> = plan.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "no step is recorded",
            "feed `f` is never used",
            "task `task 1` is never done",
            "`GET /a` is never sent",
            "`GET /c` is never sent"
        ]
    );
}

proptest! {
    #[test]
    fn users_from_the_command_line_are_shared_out_to_the_last(first in 1_u32..50, second in 1_u32..50, asked in 2_u32..500) {
        let text = with_target(&format!("[[scenario]]\nname = \"a\"\nusers = {first}\nsteps = [{{ get = \"/\" }}]\n[[scenario]]\nname = \"b\"\nusers = {second}\nsteps = [{{ get = \"/\" }}]\n"));
        let overrides = Overrides { users: Some(asked), ..Overrides::default() };
        if let Ok(plan) = compiled_with(&text, &world(), &overrides) {
            let shares: Vec<u32> = plan.flows.iter().map(|flow| flow.load.users_max()).collect();
            prop_assert_eq!(shares.iter().sum::<u32>(), asked);
        }
    }

    #[test]
    fn any_text_compiles_or_is_refused(text in "[\\[\\]{}\"a-z=. \n$:]{0,60}") {
        if let Err(mistakes) = compiled(&text) {
            prop_assert!(!mistakes.list.is_empty());
            prop_assert!(!mistakes.to_string().is_empty());
        }
    }

    #[test]
    fn a_changed_letter_is_never_a_panic(at in 0_usize..2_000, letter in "[a-z{}\"\\[0-9=]") {
        let at = at % WHOLE.len();
        if WHOLE.is_char_boundary(at) && WHOLE.is_char_boundary(at + 1) {
            let text = format!("{}{letter}{}", &WHOLE[..at], &WHOLE[at + 1..]);
            if let Err(mistakes) = compiled(&text) {
                prop_assert!(mistakes.list.iter().all(|mistake| mistake.line >= 1 && !mistake.hint.is_empty() || mistake.message.contains("twice")), "{}", mistakes);
                prop_assert!(!mistakes.to_string().contains("s3cret-word"));
            }
        }
    }
}
