//! `stampede run --history`: the steps of a scenario recorded while load is sent, and judged when it is over.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Output;

use stampede_faulty::{Config, Server, by_id};

use crate::{remarked, said, stampede};

/// Products, each with so many units.
const PRODUCTS: usize = 2;
const UNITS: u32 = 20;

/// A server of the self-test with products in it.
struct Shop {
    server: Server,
    folder: tempfile::TempDir,
    products: Vec<String>,
}

impl Shop {
    fn open(bug: Option<&str>) -> Self {
        let bug = bug.map(|id| by_id(id).unwrap());
        let server = Server::start(bug, 7, Config::default()).unwrap();
        let products = (0..PRODUCTS).map(|number| stocked(&server.url(), number)).collect();
        Self { server, folder: tempfile::tempdir().unwrap(), products }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Twelve users reserve until all is gone and longer; before and after it the levels are read at rest.
    fn scenario(&self) -> String {
        let rows = self.products.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
        format!(
            r#"
target = {{ url = "{url}" }}
[history]
model = "stock"
settings = {{ initial = {UNITS} }}
[feed.shelf]
rows = [{rows}]
[feed.wish]
rows = [{rows}]
mode = "random"
[user.ann]
headers = {{ authorization = "Bearer ann@a" }}
[[scenario]]
name = "before"
as = "ann"
iterations = {PRODUCTS}
steps = [{{ {READ} }}]
[[scenario]]
name = "buy"
as = "ann"
users = 12
iterations = 144
start_after = "500ms"
steps = [{{
  name = "reserve", post = "/reservations", together = 12,
  headers = {{ idempotency-key = "{{uuid}}" }}, json = {{ items = [{{ product_id = "{{wish.value}}", units = 1 }}] }},
  take = {{ reservation = "$.id", version = "$.items[0].version", available = "$.items[0].available" }},
  record = {{ op = "reserve", key = "{{wish.value}}", in = {{ units = 1 }},
    out = {{ reservation = "{{reservation}}", version = "{{version}}", available = "{{available}}" }},
    refuse = [409], refusal = {{ at = "/code", is = ["insufficient"] }} }},
}}]
[[scenario]]
name = "after"
as = "ann"
iterations = {PRODUCTS}
start_after = "2500ms"
steps = [{{ {READ} }}]
"#,
            url = self.server.url(),
        )
    }

    fn run(&self, text: &str, more: &[&str]) -> Output {
        let (file, history) = (self.path("shop.toml"), self.path("shop.jsonl"));
        std::fs::write(&file, text).unwrap();
        let words = ["run", file.to_str().unwrap(), "--history", history.to_str().unwrap(), "--quiet"];
        stampede(&[&words, more].concat())
    }
}

const READ: &str = r#"name = "level", get = "/stock/{shelf.value}", take = { version = "$.version", available = "$.available", reserved = "$.reserved" },
  record = { op = "read", key = "{shelf.value}", out = { version = "{version}", available = "{available}", reserved = "{reserved}" } }"#;

/// A new product with its units.
fn stocked(url: &str, number: usize) -> String {
    let made = posted(url, "/products", &format!("{{\"sku\": \"s{number}\"}}"));
    let id = serde_json::from_str::<serde_json::Value>(&made).unwrap()["id"].as_str().unwrap().to_owned();
    posted(url, &format!("/stock/{id}/receipts"), &format!("{{\"units\": {UNITS}}}"));
    id
}

/// The body of the answer to one POST.
fn posted(url: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer ann@a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn a_sound_server_under_load_passes() {
    let shop = Shop::open(None);
    let output = shop.run(&shop.scenario(), &[]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", remarked(&output));
    assert!(text.contains("PASS    shop ") && text.contains("stock, proved by witness"), "{text}");
    assert!(text.contains("reserve") && text.contains("errors < 1%"), "the summary of the load is there too: {text}");
    let history = std::fs::read_to_string(shop.path("shop.jsonl")).unwrap();
    assert_eq!(history.lines().count(), 1 + 144 + 2 * PRODUCTS + 1);
    assert!(history.lines().last().unwrap().contains("\"operations\":148"));
    assert!(
        history.contains("\"refused\":\"insufficient\"") && history.contains("POST /reservations 409"),
        "{history}"
    );
}

#[test]
fn bugs_are_named_under_load() {
    for bug in ["check-outside-lock", "sold-one-too-many"] {
        let shop = Shop::open(Some(bug));
        let output = shop.run(&shop.scenario(), &[]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(3), "{bug}: {text}{}", remarked(&output));
        assert!(
            text.contains("FAIL    shop ") && by_id(bug).unwrap().rules.iter().any(|rule| text.contains(rule)),
            "{bug}: {text}"
        );
        let history = shop.path("shop.jsonl");
        let again = stampede(&["check", "--history", history.to_str().unwrap()]);
        assert_eq!(again.status.code(), Some(3), "{}", said(&again));
    }
}

#[test]
fn what_is_recorded_and_where_must_fit_together() {
    let shop = Shop::open(None);
    let plain = format!(
        "target = {{ url = \"{}\" }}\n[[scenario]]\niterations = 1\nsteps = [{{ get = \"/readyz\" }}]\n",
        shop.server.url()
    );
    let output = shop.run(&plain, &[]);
    assert_eq!(output.status.code(), Some(2));
    let text = remarked(&output);
    assert!(text.contains("says what is recorded") && text.contains("\nhint: add [history]"), "{text}");

    let file = shop.path("shop.toml");
    std::fs::write(&file, shop.scenario().replace("144", "12").replace("2500ms", "600ms")).unwrap();
    let unkept = stampede(&["run", file.to_str().unwrap(), "--quiet"]);
    assert_eq!(unkept.status.code(), Some(0), "{}", remarked(&unkept));
    assert_eq!(
        remarked(&unkept).lines().collect::<Vec<_>>(),
        ["warning: steps are recorded, and nothing of it is kept: name a file with --history FILE"]
    );

    let nowhere = stampede(&["run", file.to_str().unwrap(), "--history", "/no/such/folder/h.jsonl"]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", remarked(&nowhere));
    let shop = Shop::open(None);
    let few = shop.run(&shop.scenario().replace("144", "12").replace("2500ms", "600ms"), &["--summary", "json"]);
    assert_eq!(few.status.code(), Some(5), "too little was tried: {}{}", said(&few), remarked(&few));
    assert!(serde_json::from_str::<serde_json::Value>(&said(&few)).is_ok(), "a script reads it: {}", said(&few));
    assert!(remarked(&few).contains("UNKNOWN"), "{}", remarked(&few));
}
