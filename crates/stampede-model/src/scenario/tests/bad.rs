//! Every kind of mistake with its place, its line and its hint, as the reader sees it.

use super::*;

/// The mistakes of `text`, which has at least one.
fn wrong(text: &str) -> String {
    match compiled(&with_target(text)) {
        Ok(plan) => panic!("no mistake was found in:\n{text}\n{plan:?}"),
        Err(mistakes) => mistakes.to_string(),
    }
}

/// Files with mistakes, by name; the snapshot of each is what its author sees.
const FILES: &[(&str, &str)] = &[
    ("no_toml", "target = { url = \"http://h\"\nname = \"x\n"),
    (
        "unknown_keys",
        "sed = 5\n[vars]\na = 1\n[user.u]\nheader = { a = \"b\" }\n[[scenario]]\nuser = 5\nsteps = [{ gte = \"/\" }]\n",
    ),
    (
        "wrong_sorts",
        "seed = \"x\"\ntimeout = 30\ninclude = \"a.toml\"\n[[scenario]]\nusers = \"many\"\nthink = 5\nsteps = [{ get = 5, repeat = 0, json = 1, expect = { status = 99 } }]\n",
    ),
    (
        "unknown_variable",
        "[user.u]\nlogin = { post = \"/login\", take = { token = \"$.token\" } }\nheaders = { authorization = \"Bearer {tokn}\" }\n[[scenario]]\nas = \"u\"\nsteps = [{ get = \"/a/{id}\" }]\n",
    ),
    ("taken_later", "[[scenario]]\nsteps = [{ get = \"/a/{id}\" }, { get = \"/b\", take = { id = \"$.id\" } }]\n"),
    (
        "taken_by_somebody_else",
        "[user.u]\nlogin = { post = \"/login\", take = { token = \"$.token\" } }\n[[scenario]]\nsteps = [{ get = \"/a\", headers = { authorization = \"Bearer {token}\" } }]\n",
    ),
    (
        "taken_perhaps",
        "[[scenario]]\nsteps = [{ get = \"/a\" }, { get = \"/b\", if_status = 200, take = { id = \"$.id\" } }, { get = \"/c/{id}\" }]\n",
    ),
    (
        "environment",
        "target = { url = \"${env:NO_SUCH_URL}\" }\n[[scenario]]\nsteps = [{ get = \"/\", headers = { a = \"${env:NO_SUCH_KEY}\" } }]\n",
    ),
    (
        "shared",
        "[user.a]\nshared = true\n[user.b]\nlogin = { post = \"/login\" }\non_stop = [{ post = \"/logout\" }]\nshared = true\n[feed.f]\nrows = [1]\n[user.c]\nlogin = { post = \"/login/{f.value}\" }\nshared = true\n[user.d]\nshared = 1\n[user.e]\nlogin = { post = \"/login\", json = { who = \"u{user}\" } }\nshared = true\n",
    ),
    ("header_of_nobody", "[user.u]\nheaders = { a = \"{x}\", b = \"{iteration}\" }\n"),
    ("bad_target", "target = { url = \"${env:PW}\" }\n"),
    (
        "braces",
        "[[scenario]]\nsteps = [{ get = \"/a/{id\" }, { get = \"/b/id}\" }, { get = \"/c/{a:b}\" }, { get = \"/{random 6..1}\" }, { get = \"/{env:PW}\" }]\n",
    ),
    (
        "feeds",
        "[feed.a]\ncsv = \"no.csv\"\n[feed.b]\ncsv = \"empty.csv\"\n[feed.c]\ncsv = \"broken.csv\"\n[feed.d]\njson = \"broken.json\"\n[feed.e]\nrows = [{ a = 1 }, { b = 2 }]\n[feed.f]\nmode = \"uniqe\"\nrows = [1]\n[feed.g]\n[feed.h]\ncsv = \"skus.csv\"\nrows = []\n[feed.i]\ncsv = \"skus.csv\"\nnumbers = [\"note\", \"qyt\"]\n",
    ),
    (
        "feed_names",
        "[feed.skus]\ncsv = \"skus.csv\"\n[[scenario]]\nsteps = [{ get = \"/{skus.ids}\" }, { get = \"/{sku.id}\" }]\n",
    ),
    (
        "list_of_urls",
        "[feed.l]\nurls = \"bad.txt\"\n[feed.s]\ncsv = \"skus.csv\"\n[[scenario]]\nsteps_from = \"s\"\n[[scenario]]\nsteps_from = \"ll\"\n",
    ),
    (
        "names",
        "[user.clerk]\n[[scenario]]\nname = \"a\"\nas = \"clrek\"\nsteps = [{ get = \"/\" }]\n[[scenario]]\nname = \"a\"\nsteps = [{ get = \"/\" }]\n",
    ),
    (
        "steps_of_one_name",
        "[[scenario]]\nsteps = [{ name = \"x\", get = \"/a\" }, { name = \"x\", get = \"/b\" }, { name = \"all\", get = \"/c\" }]\n",
    ),
    (
        "what_a_step_sends",
        "[[scenario]]\nsteps = [{ name = \"x\" }, { get = \"/a\", post = \"/b\" }, { post = \"/c\", json = 1, body = \"x\" }, { get = \"no/slash\" }, { get = \"/a b\" }, { get = \"http://\" }, { post = \"/d\", body_file = \"no.bin\" }]\n",
    ),
    ("headers", "[[scenario]]\nsteps = [{ get = \"/\", headers = { \"a b\" = \"c\", d = \"e\\nf\" } }]\n"),
    (
        "answers",
        "[[scenario]]\nsteps = [{ get = \"/\", take = { a = \"token\", b = { regex = \"(\" }, c = { regex = \"a(b)\", group = 2 }, d = { json = \"$.x\", header = \"y\" }, e = {}, user = \"$.u\" }, expect = { json = { \"x\" = 1 }, status = [\"2x\"] } }]\n",
    ),
    (
        "contradicting_load",
        "[[scenario]]\nusers = 5\narrivals = { rate = 5 }\nsteps = [{ get = \"/\" }]\n[[scenario]]\nname = \"b\"\nstages = [[\"30s\", 5]]\nduration = \"1m\"\nsteps = [{ get = \"/\" }]\n[[scenario]]\nname = \"c\"\nthink = \"1s\"\nspawn_rate = 5\narrivals = { rate = 5, curve = [] }\nsteps = [{ get = \"/\" }]\ntask = []\n",
    ),
    (
        "amounts",
        "[[scenario]]\nusers = 0\nsteps = [{ get = \"/\" }]\n[[scenario]]\nname = \"b\"\narrivals = { rate = \"fast\" }\nsteps = []\n[[scenario]]\nname = \"c\"\nduration = \"0s\"\nthink = \"3s..1s\"\nsteps = [{ get = \"/\", think = \"soon\", timeout = \"1h\" }]\n[[scenario]]\nname = \"d\"\nstages = [[\"30s\"], [\"0s\", 0]]\nsteps = [{ get = \"/\" }]\n",
    ),
    ("weights", "[[scenario]]\ntask = [{ weight = 0, steps = [{ get = \"/\" }] }]\n"),
    ("barrier", "[[scenario]]\nusers = 5\nsteps = [{ get = \"/\", together = 100 }]\n"),
    (
        "thresholds",
        "[thresholds]\nall = [\"p95=500ms\", \"p95<500ms for GET /\", { abort_after = \"10s\" }, 5]\n\"GET\" = [\"p95<1s\"]\n",
    ),
    ("nothing_to_do", "target = { url = \"http://h\" }\nscenario = []\n# [[scenario]]\n"),
    (
        "vars",
        "[vars]\nlist = [1]\nuser = 1\nother = \"{token}\"\nskus = 1\n[feed.skus]\ncsv = \"skus.csv\"\n[[scenario]]\nsteps = [{ get = \"/\", take = { other = \"$.a\" } }]\n",
    ),
];

/// Mistakes of histories, each a step's record below a heading.
const RECORDS: &[(&str, &str, &str)] = &[
    ("record_without_history", "", "record = { op = \"reserve\", key = \"p\" }"),
    ("history_of_no_model", "[history]\nsettings = { initial = 1 }\n", "record = { op = \"reserve\", key = \"p\" }"),
    ("history_of_an_unknown_model", "[history]\nmodel = \"stok\"\ninitial = 1\n", "record = { op = \"reserve\" }"),
    ("unknown_operation", STOCK, "record = { op = \"resreve\", key = \"{sku}\", keys = 1 }"),
    ("record_without_words", STOCK, "record = { in = { units = 1 } }"),
    (
        "record_values",
        STOCK,
        "record = { op = \"reserve\", key = \"{uuid}\", in = { units = \"{random 1..3}\", v = \"{v}\" }, out = { version = \"{version}\" } }, take = { v = \"$.v\" }",
    ),
    ("record_statuses", STOCK, "record = { op = \"reserve\", key = \"p\", refuse = [4090] }"),
    (
        "record_refusals",
        STOCK,
        "record = { op = \"reserve\", key = \"p\", refusal = { at = \"code\", is = [\"a\"] }, refused = \"sold_out\" }",
    ),
    (
        "record_refusal_parts",
        STOCK,
        "record = { op = \"read\", key = \"p\", refuse = 409, refusal = { at = \"/code\" }, refused = \"gone\" }",
    ),
    (
        "record_expects_refusals",
        STOCK,
        "expect = { status = [201, 409, 423] }, record = { op = \"reserve\", key = \"p\", refuse = 409 }",
    ),
];
const STOCK: &str = "[history]\nmodel = \"stock\"\n";

#[test]
fn mistakes_in_what_is_recorded() {
    for (name, history, record) in RECORDS {
        let text = format!("{history}[[scenario]]\nsteps = [{{ post = \"/\",\n  {record} }}]\n");
        insta::assert_snapshot!(*name, wrong(&text));
    }
}

#[test]
fn each_mistake_is_shown_where_it_stands() {
    for (name, text) in FILES {
        insta::assert_snapshot!(*name, wrong(text));
    }
}

#[test]
fn nothing_says_where_requests_go() {
    let mistakes = compiled("[[scenario]]\nsteps = [{ get = \"/\" }]\n").unwrap_err().to_string();
    assert!(mistakes.contains("nothing says where requests go"), "{mistakes}");
}

#[test]
fn includes_that_do_not_work() {
    let world = Memory::default()
        .file("a.toml", "include = [\"b.toml\"]\n[user.u]\n")
        .file("b.toml", "include = [\"a.toml\"]\n[user.u]\n[vars]\nx = 1\n");
    let text = "include = [\"a.toml\", \"no.toml\"]\ntarget = { url = \"http://h\" }\n[vars]\nx = 2\n[[scenario]]\nsteps = [{ get = \"/\" }]\n";
    let round = compiled_with(text, &world, &Overrides::default()).unwrap_err().to_string();
    insta::assert_snapshot!("include_missing", round);
    let twice = compiled_with(&text.replace(", \"no.toml\"", ""), &world, &Overrides::default()).unwrap_err();
    insta::assert_snapshot!("include_twice", twice.to_string());
}

#[test]
fn flags_that_do_not_fit_the_file() {
    let text = with_target("[vars]\nn = 1\n[[scenario]]\narrivals = { rate = 1 }\nsteps = [{ get = \"/{n}\" }]\n");
    let vars = vec![("m".to_owned(), "1".to_owned()), ("n".to_owned(), "one".to_owned())];
    let overrides = Overrides { vars, users: Some(5), ..Overrides::default() };
    insta::assert_snapshot!("flags", compiled_with(&text, &world(), &overrides).unwrap_err().to_string());
}

#[test]
fn a_secret_is_in_no_message() {
    for (name, text) in FILES {
        assert!(!wrong(text).contains("s3cret-word"), "{name}");
    }
}

#[test]
fn a_curve_beyond_all_time_is_a_mistake_and_no_overflow() {
    let stage = "[\"10000000000000000000s\", \"5/s\"]";
    let text = format!("[[scenario]]\narrivals = {{ curve = [{stage}, {stage}] }}\nsteps = [{{ get = \"/\" }}]\n");
    assert!(wrong(&text).contains("such as arrivals"), "{}", wrong(&text));
}
