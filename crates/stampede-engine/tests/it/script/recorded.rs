//! Steps recorded as operations: what each end of a request is taken for, and that the history is whole whatever ends the run.

use std::io::{self, Write};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;
use stampede_engine::load::{Control, LoadError, LoadResult, run};
use stampede_engine::script::{RunHistory, recorded_plan};
use stampede_model::history::{History, Operation, Outcome, read};
use stampede_model::scenario::Plan;

use super::server::{Said, Server};
use super::{ok, plan};

/// A file in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Carries a plan out and reads its history back, which the reader finds in order.
fn recorded(plan: &Plan, control: &Control, threads: u32) -> (Result<LoadResult, LoadError>, History) {
    let file = Memory::default();
    let history = Arc::new(RunHistory::new(plan.heading().unwrap(), file.clone()));
    let mut load = recorded_plan(plan, Arc::clone(&history)).unwrap();
    load.threads = NonZeroU32::new(threads).unwrap();
    load.drain = Duration::from_millis(200);
    let result = run(&load, control);
    history.end().unwrap();
    let bytes = file.0.lock().unwrap();
    let history = read(bytes.as_slice(), "t.jsonl").unwrap_or_else(|error| panic!("{error}"));
    assert!(history.is_whole);
    (result, history)
}

fn of<'h>(history: &'h History, key: &str) -> Vec<&'h Operation> {
    history.operations.iter().filter(|operation| operation.key == key).collect()
}

fn refused(code: &str) -> Said {
    (409, Vec::new(), json!({"code": code, "version": 9}).to_string())
}

const STOCK: &str = "[history]\nmodel = \"stock\"\nsettings = { initial = 1 }\n";

#[test]
fn what_an_answer_proves_is_recorded() {
    let server = Server::answering(|asked| match asked.line.as_str() {
        "POST /done" => (201, vec![("X-Version", "7".to_owned())], r#"{"left": "3"}"#.to_owned()),
        "POST /sold-out" => refused("sold_out"),
        "POST /busy" => refused("busy"),
        "POST /broken" | "GET /broken" => (500, Vec::new(), String::new()),
        "POST /odd" => ok("{}"),
        _ => ok(r#"{"left": 3}"#),
    });
    let reserve = |path: &str| {
        format!(
            "[[scenario]]\nname = \"{path}\"\niterations = 2\nsteps = [{{ post = \"/{path}\", headers = {{ idempotency-key = \"k-{{iteration}}\", x-pw = \"${{env:PW}}\" }},\n\
             take = {{ version = {{ header = \"x-version\", default = 99 }}, left = \"$.left\" }},\n\
             record = {{ op = \"reserve\", key = \"{path}\", in = {{ units = 1 }}, out = {{ version = \"{{version}}\", available = \"{{left}}\" }},\n\
             refuse = [409], refusal = {{ at = \"/code\", is = [\"sold_out\"] }} }} }}]\n"
        )
    };
    let read = |path: &str| {
        format!(
            "[[scenario]]\nname = \"read {path}\"\niterations = 1\nsteps = [{{ get = \"/{path}\", record = {{ op = \"read\", key = \"read {path}\" }} }}]\n"
        )
    };
    let mut text = STOCK.to_owned();
    for path in ["done", "sold-out", "busy", "broken", "odd"] {
        text += &reserve(path);
    }
    text += &read("broken");
    text += &read("level");
    let (result, history) = recorded(&plan(&server, &text), &Control::new(), 2);
    let result = result.unwrap();

    let done = of(&history, "done");
    assert!(done.iter().all(|one| one.outcome == Outcome::Ok && one.input.integer("units") == Ok(Some(1))));
    assert!(
        done.iter()
            .all(|one| one.output.get("version") == Some(&json!(7)) && one.output.get("available") == Some(&json!(3)))
    );
    assert!(done.iter().all(|one| one.note == "POST /done 201" && one.return_ns.unwrap() > one.call_ns));
    assert_eq!(done[0].process, done[1].process, "one user does one thing after the other");
    let keys: Vec<_> = done.iter().map(|one| one.idempotency_key.as_deref()).collect();
    assert_eq!(keys, [Some("k-0"), Some("k-1")]);

    let sold_out = of(&history, "sold-out");
    assert_eq!(sold_out.len(), 2);
    assert!(sold_out.iter().all(|one| one.is_refused() && one.refused.as_deref() == Some("insufficient")));
    assert!(
        sold_out.iter().all(|one| one.output.is_empty()),
        "a default and an earlier answer were not seen: {sold_out:?}"
    );
    let step = |name: &str| super::step(&result, name).counts;
    assert_eq!(step("POST /sold-out").failed, 0, "a refusal is no failure");

    for path in ["busy", "broken", "odd"] {
        let unknown = of(&history, path);
        assert_eq!(unknown.len(), 2);
        assert!(unknown.iter().all(|one| one.outcome == Outcome::Info && one.return_ns.is_none()), "{unknown:?}");
        assert_ne!(unknown[0].process, unknown[1].process, "who does not know what became of it is somebody else");
        assert_eq!(step(&format!("POST /{path}")).failed, 2);
    }
    assert_eq!(of(&history, "read broken")[0].outcome, Outcome::Fail, "a read did nothing");
    assert_eq!(of(&history, "read level")[0].outcome, Outcome::Ok);
}

#[test]
fn the_load_is_the_same_when_nothing_is_recorded() {
    let server = Server::answering(|_| refused("sold_out"));
    let text = format!(
        "{STOCK}[[scenario]]\niterations = 5\nsteps = [{{ post = \"/a\", record = {{ op = \"reserve\", key = \"p\", refuse = 409 }} }}, {{ get = \"/b\", if_status = 409, expect = {{ status = 409 }} }}]\n"
    );
    let plan = plan(&server, &text);
    let result = run(&super::loaded(&plan, 1), &Control::new()).unwrap();
    assert_eq!((result.counts.failed, server.of("GET /b").len()), (0, 5), "a refusal goes on");
    let strict = text.replace("post = \"/a\",", "post = \"/a\", expect = { status = 201 },");
    let (result, history) = recorded(&super::plan(&server, &strict), &Control::new(), 1);
    assert_eq!(result.unwrap().counts.failed, 5, "the step's own expectation decides what is a failure");
    assert!(history.operations.iter().all(Operation::is_refused));
}

#[test]
fn late_is_done_and_a_secret_is_not_recorded() {
    let server = Server::answering(|_| ok("{}"));
    let text = format!(
        "{STOCK}[[scenario]]\niterations = 1\nsteps = [{{ post = \"/a\", query = {{ pw = \"${{env:PW}}\" }}, expect = {{ max_time = \"1ns\" }}, record = {{ op = \"reserve\", key = \"a ${{env:PW}}\", in = {{ units = 1, who = [\"${{env:PW}}\"] }} }} }}]\n"
    );
    let (result, history) = recorded(&plan(&server, &text), &Control::new(), 1);
    assert_eq!(result.unwrap().counts.failed, 1);
    let [one] = history.operations.as_slice() else { panic!("{history:?}") };
    assert_eq!((one.outcome, one.key.as_str()), (Outcome::Ok, "a ***"));
    assert_eq!((one.input.get("who"), one.note.as_str()), (Some(&json!(["***"])), "POST /a?pw=*** 200"));
}

#[test]
fn without_a_connection_nothing_was_done_and_a_time_out_leaves_it_open() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::answering(|_| ok("{}"));
    let down = TcpListener::bind("127.0.0.1:0").unwrap();
    let (down_at, silent_at) = (down.local_addr().unwrap(), silent.local_addr().unwrap());
    let step = |method: &str, url: &str| {
        format!(
            "[[scenario]]\nname = \"{method} {url}\"\niterations = 1\nstart_after = \"300ms\"\nsteps = [{{ {method} = \"{url}\", timeout = \"100ms\", record = {{ op = \"reserve\", key = \"{method} {url}\" }} }}]\n"
        )
    };
    let (to_silent, to_nobody) = (format!("http://{silent_at}/"), format!("http://{down_at}/"));
    let text = [STOCK, &step("post", &to_silent), &step("get", &to_silent), &step("post", &to_nobody)].concat();
    // Each server is reached once before the run; then this one goes.
    let gone = thread::spawn(move || {
        let _first = down.accept().unwrap();
        drop(down);
    });
    let (result, history) = recorded(&plan(&server, &text), &Control::new(), 1);
    gone.join().unwrap();
    result.unwrap();
    let outcome = |key: &str| of(&history, key).first().map(|one| (one.outcome, one.return_ns.is_some()));
    assert_eq!(outcome(&format!("post {to_silent}")), Some((Outcome::Info, false)));
    assert_eq!(outcome(&format!("get {to_silent}")), Some((Outcome::Fail, true)));
    assert_eq!(outcome(&format!("post {to_nobody}")), Some((Outcome::Fail, true)));
    let note = &of(&history, &format!("post {to_silent}"))[0].note;
    assert_eq!(note, "POST /: timed out");
}

#[test]
fn what_is_under_way_at_the_end_may_have_happened() {
    let (slow, quick) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (slow_seen, quick_seen) = (Arc::clone(&slow), Arc::clone(&quick));
    let server = Server::answering(move |asked| {
        if asked.line.starts_with("POST /slow") || asked.line.starts_with("GET /slow") {
            slow.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_secs(3));
        } else {
            quick.fetch_add(1, Ordering::SeqCst);
        }
        ok("{}")
    });
    let control = Arc::new(Control::new());
    let stop = Arc::clone(&control);
    thread::spawn(move || {
        // All four slow requests are under way, and some quick ones are over.
        while slow_seen.load(Ordering::SeqCst) < 4 || quick_seen.load(Ordering::SeqCst) < 10 {
            thread::yield_now();
        }
        stop.stop();
    });
    let scenario = |name: &str, users: u32, steps: &str| {
        format!("[[scenario]]\nname = \"{name}\"\nusers = {users}\nduration = \"20s\"\nsteps = [{{ {steps} }}]\n")
    };
    let text = [
        STOCK.to_owned(),
        scenario("slow", 3, "post = \"/slow\", record = { op = \"reserve\", key = \"slow\" }"),
        scenario("look", 1, "get = \"/slow\", record = { op = \"read\", key = \"look\" }"),
        scenario("fast", 2, "post = \"/fast\", record = { op = \"reserve\", key = \"fast\" }"),
    ]
    .concat();
    let (result, history) = recorded(&plan(&server, &text), &control, 2);
    let result = result.unwrap();
    assert_eq!((of(&history, "slow").len(), of(&history, "look").len()), (3, 0));
    assert!(of(&history, "slow").iter().all(|one| one.outcome == Outcome::Info && one.note.contains("the run ended")));
    let fast = of(&history, "fast");
    assert_eq!(fast.len() as u64, super::step(&result, "POST /fast").counts.succeeded);
    assert!(fast.iter().all(|one| one.outcome == Outcome::Ok));
}

#[test]
fn many_users_on_several_threads_make_one_history_in_order() {
    let count = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&count);
    let server = Server::answering(move |_| {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(7) { (503, Vec::new(), String::new()) } else { ok("{}") }
    });
    let text = format!(
        "{STOCK}[[scenario]]\nusers = 10\niterations = 500\nsteps = [{{ post = \"/a\", record = {{ op = \"reserve\", key = \"p\" }} }}]\n[[scenario]]\nname = \"open\"\narrivals = {{ rate = 200 }}\nduration = \"500ms\"\nsteps = [{{ post = \"/b\", record = {{ op = \"reserve\", key = \"q\" }} }}]\n"
    );
    let (result, history) = recorded(&plan(&server, &text), &Control::new(), 3);
    let result = result.unwrap();
    // The reader has seen to it that no id is there twice and no process does two things at a time.
    assert_eq!(history.operations.len() as u64, result.counts.succeeded + result.counts.failed);
    let unknown = history.operations.iter().filter(|one| one.outcome == Outcome::Info).count() as u64;
    assert_eq!(unknown, result.counts.failed);
}

/// A file that is full at once.
struct Full;

impl Write for Full {
    fn write(&mut self, _part: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_run() {
    let server = Server::answering(|_| ok("{}"));
    let text = format!(
        "{STOCK}[[scenario]]\nusers = 4\nduration = \"60s\"\nsteps = [{{ post = \"/a\", record = {{ op = \"reserve\", key = \"{}\" }} }}]\n",
        "p".repeat(10_000)
    );
    let plan = plan(&server, &text);
    let history = Arc::new(RunHistory::new(plan.heading().unwrap(), Full));
    let load = recorded_plan(&plan, Arc::clone(&history)).unwrap();
    let error = run(&load, &Control::new()).unwrap_err().to_string();
    assert_eq!(error, "the history cannot be written: no space left");
    assert!(history.end().is_err());
}
