//! Every predicate counts: each statement that names the tenant is run without that, one place at a time and with row-level security
//! off, and what the tenant is told is no longer the same, or the other tenant's rows are not.
//!
//! The store and its parameters are the real ones; the words are struck on the way to PostgreSQL ([`crate::wire`]). The oracle is
//! non-interference: a tenant is told the same whether or not another one exists. A statement that nobody lists here and that names
//! no tenant fails the test, and so does one that is not run.

mod access;
mod composed;
mod files;
mod follow;
mod many;
mod proofs;
mod repertoire;
mod world;

use std::collections::HashSet;
use std::time::Duration;

use kv_store::statement::{self, Statement};
use sandbox::testing::eventually;
use tokio::time::timeout;

use crate::wire::{Exchange, Wire};
use repertoire::Told;
use world::Twins;

const SOON: Duration = Duration::from_secs(30);

/// Statements that touch no tenant's rows, or reach those of all through a function of the schema that has a test of its own.
const OF_NO_TENANT: [(&str, &str); 28] = [
    ("FIND_LOGIN", "nobody is known yet; the function answers for one exact address"),
    ("FIND_TOKEN", "nobody is known yet; the function answers for one exact secret"),
    ("CREATE_TENANT", "for the platform, which has none; the function makes a tenant and nothing in it"),
    ("LIST_TENANTS", "for the platform, which has none; the function gives names alone"),
    ("SET_TENANT_STATUS", "for the platform, which has none; the function sets a status alone"),
    ("NEXT_LOCK_EPOCH", "a number of the whole service"),
    ("FORGET_EXPIRED_KEYS", "the clean-up of all tenants; the function reaches what has expired alone"),
    ("AUDIT_LIMIT", "sets a limit"),
    ("PRIMARY_POSITION", "where the server is in its log"),
    ("REPLICA_STATE", "how a server does"),
    ("PRIMARY_CLUSTER", "which cluster a server is of"),
    ("INCARNATION", "asks which life of the server this is"),
    ("TRANSACTION_STATUS", "asks for a transaction by its number"),
    ("CURSOR_SECRET", "one of the whole service, which no tenant is shown"),
    ("FIND_DUE", "the sweeper of all tenants; the function gives ids alone"),
    ("CALL_RELAYS", "reads nothing"),
    ("MAKE_TICK", "makes jobs of the service itself"),
    ("TAKE_JOBS", "the relay of all tenants; the function gives ids and kinds alone"),
    ("PUT_OFF_JOBS", "the relay; the function changes when jobs are looked at"),
    ("NEXT_JOB", "the relay; the function gives a time"),
    ("NOTE_QUEUE", "one of the whole service"),
    ("FORGET_JOBS", "the clean-up of all tenants; the function reaches what is over alone"),
    ("FORGET_IMPORTS", "the same"),
    ("FORGET_EVENTS", "the same"),
    ("FORGET_DELIVERIES", "the same"),
    ("FORGET_FILES", "the same"),
    ("PLACE_EVENTS", "gives places to the events of all tenants"),
    ("COUNT_JOBS", "numbers of all tenants, for who operates the service"),
];
/// The same, of those that run within a tenant's transaction.
const READS_NO_ROW: [(&str, &str); 1] = [("IDENTIFY", "asks for the transaction's own number and time")];

/// Places that no other tenant can be met through: what is found there is asked for once more under the tenant. They spare the server
/// work, and the test says when one of them begins to count.
const SECOND_TO_ANOTHER: [(&str, &[usize], &str); 17] = [
    ("READ_WAREHOUSES", &[1], "ids of warehouses, of which the tenant's own are read"),
    ("LOCK_LEVELS", &[0, 1, 2], "keys of levels, of which the tenant's own are locked"),
    ("RECLAIM_LEVELS", &[0, 1, 2, 3, 4], "keys of levels, of which the tenant's own are locked"),
    (
        "READ_DUE",
        &[1, 2, 3],
        "ids of reservations, of which the tenant's own are read, and end by their own time alone",
    ),
    ("INSERT_API_TOKEN", &[0], "counts an account's tokens against a limit that is far away"),
    ("INSERT_ENDPOINT", &[0], "counts a tenant's endpoints against a limit that is far away"),
    ("BURY_JOB", &[1], "a delivery's own number, from the tenant's own job"),
    ("LOOK_AT_ENDPOINT", &[0], "begins a transaction, and nothing is done with what it finds"),
    ("ADD_PIECE", &[1], "counts a tenant's bytes against a limit that is far away"),
    ("ADD_PAGE", &[1], "the same"),
    ("INSERT_EXPORT", &[0], "counts a tenant's exports against a limit that is far away"),
    ("WHOLE_FILE", &[0], "a file's own number, which is made anew for each"),
    ("QUEUE_IMPORT", &[0], "an upload's own number, which is made anew for each and told nobody"),
    ("RENEW_IMPORT", &[0], "an upload's own number, which is made anew for each and told nobody"),
    ("RELEASE_IMPORT", &[0], "the same"),
    ("ADVANCE_IMPORT", &[0], "the same"),
    ("HAS_DUE", &[2], "keys of levels, on which the tenant's own reservations are looked for"),
];

/// A statement without one of its words on the tenant.
#[derive(Debug)]
struct Mutant {
    statement: &'static Statement,
    place: usize,
    text: String,
}

/// Each place on its own: a predicate that is always true, or a row that is put under the other tenant.
fn mutants_of(statement: &'static Statement) -> Vec<Mutant> {
    let mut texts = Vec::new();
    texts.extend(statement.text.match_indices(PREDICATE).map(|(at, _)| strike(statement.text, at)));
    if statement.text.contains("insert into ") {
        for opening in ["values ($1", "select $1"] {
            for (at, found) in statement.text.match_indices(opening) {
                let (before, after) = (&statement.text[..at], &statement.text[at + found.len()..]);
                texts.push(format!("{before}{}(3 - $1::bigint){after}", &opening[..opening.len() - 2]));
            }
        }
    }
    // The function that it is handed to looks for its own transaction's tenant as well, and finds nothing for another one.
    texts.extend(statement.text.starts_with(SEARCH).then(|| strike_search(statement.text)));
    texts.into_iter().enumerate().map(|(place, text)| Mutant { statement, place, text }).collect()
}

const PREDICATE: &str = "tenant_id = $1";
const SEARCH: &str = "select app.find_";

/// A search for the other tenant.
fn strike_search(text: &str) -> String {
    text.replace("($1,", "(3 - $1::bigint,")
}

/// The predicate that stands `at` a place, with its table's name, becomes one that is always true.
fn strike(text: &str, at: usize) -> String {
    let (before, after) = (&text[..at], &text[at + PREDICATE.len()..]);
    assert!(!after.starts_with(|next: char| next.is_ascii_digit()), "{text}");
    let before = before.trim_end_matches(|last: char| last.is_ascii_alphanumeric() || last == '_' || last == '.');
    format!("{before}$1::bigint is not null{after}")
}

fn mutants() -> Vec<Mutant> {
    statement::all().flat_map(mutants_of).collect()
}

fn is_second(mutant: &Mutant) -> bool {
    SECOND_TO_ANOTHER.iter().any(|(name, places, _)| *name == mutant.statement.name && places.contains(&mutant.place))
}

/// What the first twin is told over statements that are exchanged, and what is the second one's afterwards.
async fn told(twins: &Twins, exchange: Exchange, expected: Option<&[String]>) -> (Vec<String>, String) {
    let wire = Wire::to(twins.config().connection.config(), exchange).await;
    let lines = timeout(SOON, Told::all(twins, &wire, expected)).await.expect("everything is answered");
    eventually(SOON, async || twins.is_left().await).await;
    let foreign = twins.foreign_rows().await;
    twins.restore().await;
    (lines, foreign)
}

fn assert_same(told: &[String], expected: &[String]) {
    for (told, expected) in told.iter().zip(expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), expected.len());
}

/// Every statement is one of a tenant, or is listed with the reason why it is not.
#[test]
fn every_statement_names_the_tenant_or_has_a_reason_not_to() {
    let listed: Vec<&str> = OF_NO_TENANT.iter().chain(&READS_NO_ROW).map(|(name, _)| *name).collect();
    for statement in statement::all() {
        assert_ne!(mutants_of(statement).is_empty(), !listed.contains(&statement.name), "{}", statement.name);
    }
}

/// Security and predicates together, either of them alone, and nobody else at all: it makes no difference to a tenant.
#[tokio::test]
async fn a_tenant_is_told_the_same_whether_or_not_there_is_another() {
    let twins = Twins::new().await;
    let before = twins.foreign_rows().await;
    let (sound, foreign) = told(&twins, Exchange::new(), None).await;
    assert_eq!(foreign, before);

    // Every predicate is gone at once, and security stands.
    let exchange = statement::all().map(|statement| (statement.text.to_owned(), strike_all(statement.text))).collect();
    let (without_predicates, foreign) = told(&twins, exchange, None).await;
    assert_same(&without_predicates, &sound);
    assert_eq!(foreign, before);

    // Security is gone, and the predicates stand.
    twins.switch_security_off().await;
    let (without_security, foreign) = told(&twins, Exchange::new(), None).await;
    assert_same(&without_security, &sound);
    assert_eq!(foreign, before);

    twins.remove_foreign().await;
    let (alone, _) = told(&twins, Exchange::new(), None).await;
    assert_same(&alone, &sound);
}

fn strike_all(text: &str) -> String {
    let mut struck = text.to_owned();
    while let Some(at) = struck.find(PREDICATE) {
        struck = strike(&struck, at);
    }
    struck
}

/// What is written under another tenant's name is refused by security, whatever the statement says.
#[tokio::test]
async fn security_refuses_a_row_of_another_tenant_from_every_statement() {
    let twins = Twins::new().await;
    let before = twins.foreign_rows().await;
    let (sound, _) = told(&twins, Exchange::new(), None).await;
    let mut statements = 0;
    for Mutant { statement, text, .. } in
        mutants().into_iter().filter(|mutant| mutant.text.contains("(3 - $1::bigint)"))
    {
        let (lines, foreign) = told(&twins, Exchange::from([(statement.text.to_owned(), text)]), Some(&sound)).await;
        let is_refused = lines.iter().any(|line| line.contains("row-level security policy"));
        assert!(is_refused, "{}: nobody refused it", statement.name);
        assert_eq!(foreign, before, "{}", statement.name);
        statements += 1;
    }
    assert!(statements >= 23, "{statements} statements make rows");
}

/// A part of the mutants, so that the parts can be tried at the same time.
async fn try_part(part: usize) {
    let twins = Twins::new().await;
    twins.switch_security_off().await;
    let before = twins.foreign_rows().await;
    let (sound, _) = told(&twins, Exchange::new(), None).await;
    let run: HashSet<&str> = sound.iter().flat_map(|line| line.split('"')).collect();
    let mut wrong = Vec::new();
    for mutant in mutants().into_iter().skip(part).step_by(PARTS) {
        let Mutant { statement, place, text } = &mutant;
        if !run.contains(statement.name) {
            wrong.push(format!("{} is never run", statement.name));
            continue;
        }
        let (lines, foreign) =
            told(&twins, Exchange::from([(statement.text.to_owned(), text.clone())]), Some(&sound)).await;
        let is_noticed = lines != sound || foreign != before;
        if is_noticed == is_second(&mutant) {
            let seen = if is_noticed { "makes a difference" } else { "makes no difference" };
            wrong.push(format!("{} without its tenant at place {place} {seen}", statement.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const PARTS: usize = 4;

#[tokio::test]
async fn each_predicate_counts_1() {
    Box::pin(try_part(0)).await;
}

#[tokio::test]
async fn each_predicate_counts_2() {
    Box::pin(try_part(1)).await;
}

#[tokio::test]
async fn each_predicate_counts_3() {
    Box::pin(try_part(2)).await;
}

#[tokio::test]
async fn each_predicate_counts_4() {
    Box::pin(try_part(3)).await;
}
