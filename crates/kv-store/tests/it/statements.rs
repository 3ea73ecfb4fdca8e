//! What a compile-time check would have said: every registered statement is one that the migrated schema understands.

use std::collections::HashSet;
use std::fmt::Write as _;

use kv_store::Server;
use kv_store::statement::Statement;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::{app_config, database};

/// Compared with the golden file, so that a change of a parameter's or column's type is seen.
#[tokio::test]
async fn every_statement_prepares() {
    let database = database().await;
    let client = kv_store::admin::connect(&app_config(&database)).await.unwrap();
    let mut golden = String::new();
    for statement in kv_store::statement::all() {
        let prepared = match client.prepare(statement.text).await {
            Ok(prepared) => prepared,
            Err(error) => panic!("{} does not prepare: {error:?}", statement.name),
        };
        let params: Vec<_> = prepared.params().iter().map(tokio_postgres::types::Type::name).collect();
        let columns: Vec<_> =
            prepared.columns().iter().map(|column| format!("{} {}", column.name(), column.type_().name())).collect();
        writeln!(golden, "{}({}) -> {}", statement.name, params.join(", "), columns.join(", ")).unwrap();
    }
    insta::assert_snapshot!(golden);
}

#[test]
fn statement_names_are_unique() {
    let mut names = HashSet::new();
    for statement in kv_store::statement::all() {
        assert!(names.insert(statement.name), "{} is registered twice", statement.name);
    }
}

/// The plan of a statement for whatever parameters. Preparing looks at no grant; explaining begins the execution, and that does.
pub(crate) async fn generic_plan(client: &Client, statement: &Statement) -> Result<String, tokio_postgres::Error> {
    let params = client.prepare(statement.text).await?.params().len();
    let given = if params == 0 { String::new() } else { format!("({})", vec!["null"; params].join(", ")) };
    let script = format!("prepare looked_at as {}; explain execute looked_at{given}", statement.text);
    let answer = client.simple_query(&script).await;
    client.simple_query("deallocate all").await?;
    let lines = answer?.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(|line| format!("{line}\n")),
        _ => None,
    });
    Ok(lines.collect())
}

async fn planner(config: &Server) -> Client {
    let client = kv_store::admin::connect(config).await.unwrap();
    client.batch_execute("set plan_cache_mode = force_generic_plan").await.unwrap();
    client
}

/// The service's role may run every statement.
#[tokio::test]
async fn every_statement_is_granted() {
    let database = database().await;
    let client = planner(&app_config(&database)).await;
    for statement in kv_store::statement::all() {
        if let Err(error) = generic_plan(&client, statement).await {
            panic!("{} may not run: {error:?}", statement.name);
        }
    }
}

/// The predicate stands on every tenant's table of every statement, beside row-level security: planned as a superuser, whom
/// security does not bind, no table is read without it.
#[tokio::test]
async fn every_scan_names_the_tenant() {
    let database = database().await;
    let client = planner(&database.url().parse().unwrap()).await;
    let tables = tenant_tables(&client).await;
    let mut scans = 0;
    for statement in kv_store::statement::all() {
        let plan = generic_plan(&client, statement).await.unwrap();
        for scan in scans_of(&plan, &tables) {
            scans += 1;
            assert!(scan.contains("tenant_id = $1"), "{} reads another tenant's rows: {scan}", statement.name);
        }
        if let Some(written) = statement.text.strip_prefix("insert into ") {
            let binds_first = written.contains("(tenant_id, ")
                && (written.contains("\n        select $1, ") || written.contains("values ($1, "));
            assert!(binds_first, "{} writes another tenant's rows", statement.name);
        }
    }
    assert!(scans >= 40, "{scans} scans were recognised");
}

/// The check above finds what it is there for: of two tables in one statement, one that is read without its tenant.
#[tokio::test]
async fn a_scan_without_the_tenant_is_found() {
    let database = database().await;
    let client = planner(&database.url().parse().unwrap()).await;
    let tables = tenant_tables(&client).await;
    let text = "select i.quantity from orders o join order_items i on i.order_id = o.id where o.tenant_id = $1::bigint";
    let plan = generic_plan(&client, &Statement { name: "FORGETFUL", text }).await.unwrap();
    let scans = scans_of(&plan, &tables);
    assert_eq!(scans.len(), 2, "{plan}");
    let forgetful: Vec<_> = scans.iter().filter(|scan| !scan.contains("tenant_id = $1")).collect();
    assert!(matches!(forgetful[..], [scan] if scan.contains(" on order_items ")), "{plan}");
}

pub(crate) async fn tenant_tables(client: &Client) -> Vec<String> {
    let rows = client
        .query("select table_name::text from information_schema.columns where table_schema = 'public' and column_name = 'tenant_id'", &[])
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The plan's nodes that read one of the tables, each with its conditions.
pub(crate) fn scans_of<'a>(plan: &'a str, tables: &[String]) -> Vec<&'a str> {
    let reads = |node: &&str| {
        let head = node.lines().next().unwrap_or_default();
        let is_scan = head.split(" on ").next().is_some_and(|kind| kind.contains("Scan"));
        is_scan && tables.iter().any(|table| head.contains(&format!(" on {table} ")))
    };
    plan.split("->").filter(reads).collect()
}

/// An export's page is a walk along the primary key, so that the whole is not read and sorted for each page.
#[tokio::test]
async fn no_page_of_an_export_is_sorted() {
    let database = database().await;
    let client = planner(&app_config(&database)).await;
    client.batch_execute("set enable_sort = off; set enable_seqscan = off; set enable_bitmapscan = off").await.unwrap();
    let mut seen = 0;
    for statement in kv_store::statement::all().filter(|statement| statement.name.starts_with("EXPORT_")) {
        seen += 1;
        let plan = generic_plan(&client, statement).await.unwrap();
        assert!(!plan.contains("Sort"), "{} sorts: {plan}", statement.name);
    }
    assert_eq!(seen, 6);
}

/// What is done with one job finds it by its key, whatever PostgreSQL knows of the table: along the relay's index it would read all
/// that waits, so that the longer the queue the slower each job.
#[tokio::test]
async fn a_job_is_found_by_its_key() {
    let database = database().await;
    let client = planner(&app_config(&database)).await;
    client.batch_execute("set enable_seqscan = off").await.unwrap();
    let names = ["GET_WORK", "END_JOB", "CONFIRM_ORDER", "NOTE_FAILURE", "BURY_JOB"];
    let asked: Vec<_> = kv_store::statement::all().filter(|statement| names.contains(&statement.name)).collect();
    assert_eq!(asked.len(), names.len());
    for statement in asked {
        let plan = generic_plan(&client, statement).await.unwrap();
        let is_by_key = plan.contains("jobs_pkey") && !plan.contains("jobs_due") && !plan.contains("jobs_unique");
        assert!(is_by_key, "{}: {plan}", statement.name);
    }
}
