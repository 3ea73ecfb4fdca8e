//! Every policy counts: taken away, opened or circumvented on any one table, the check that the sound schema passes fails.
//!
//! The check looks at policies alone: as if every grant had been given by mistake, and with foreign keys and triggers off, so that
//! nothing else refuses what a policy lets through. All of it happens in transactions that are rolled back.

use tokio_postgres::Client;

use crate::isolation::fill;
use crate::support::House;

/// A table with tenants' rows.
#[derive(Debug)]
struct Table {
    name: String,
    column: &'static str,
    /// Rows of tenants 1 and 2.
    own: [i64; 2],
}

impl Table {
    /// What changes every row that may be changed and leaves the tenant's own as they are; nothing is read, so that no policy for
    /// SELECT helps the one for UPDATE.
    fn update(&self, tenant: usize) -> String {
        match self.column {
            "id" => format!("update {} set name = 'x'", self.name),
            column => format!("update {} set {column} = {tenant}", self.name),
        }
    }
}

/// A database in which everything is granted, and its tables, none of them empty.
async fn house() -> (House, Client, Vec<Table>) {
    let house = House::new().await;
    fill(&house, house.one, "a").await;
    for sku in ["b", "c"] {
        fill(&house, house.two, sku).await;
    }
    let client = kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap();
    client
        // What has not expired is kept from its own tenant too, and would hide what else is.
        .batch_execute(
            "grant select, insert, update, delete on all tables in schema public to kv_app;
             update idempotency_keys set expires_at = now()",
        )
        .await
        .unwrap();
    let names = client
        .query(
            "select distinct c.relname::text from pg_class c
               join pg_attribute a on a.attrelid = c.oid and (a.attname = 'tenant_id' or c.relname = 'tenants')
              where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1",
            &[],
        )
        .await
        .unwrap();
    let mut tables = Vec::new();
    for row in names {
        let name: String = row.get(0);
        let column = if name == "tenants" { "id" } else { "tenant_id" };
        let count =
            format!("select count(*) filter (where {column} = 1), count(*) filter (where {column} = 2) from {name}");
        let row = client.query_one(&count, &[]).await.unwrap();
        let own = [row.get(0), row.get(1)];
        assert!(own[0] > 0 && own[1] > 0, "{name} is empty, so nothing is shown of it");
        tables.push(Table { name, column, own });
    }
    assert!(tables.len() >= 18, "{tables:?}");
    (house, client, tables)
}

/// Does something as a role and a tenant, takes it back, and says how many rows it saw or changed.
async fn act(client: &Client, role: &str, tenant: &str, statement: &str) -> Result<i64, String> {
    let begin = format!("savepoint act; set local role {role}; set local app.tenant_id = '{tenant}'");
    client.batch_execute(&begin).await.unwrap();
    let done = client.execute(statement, &[]).await;
    client.batch_execute("rollback to act").await.unwrap();
    done.map(u64::cast_signed)
        .map_err(|error| error.as_db_error().map_or_else(|| error.to_string(), |it| it.message().to_owned()))
}

/// What a role that the policies bind can do to a table and should not; `None` when they hold. Within a transaction.
async fn fault(client: &Client, table: &Table, role: &str) -> Option<String> {
    let Table { name, column, own } = table;
    let seen = act(client, role, "", &format!("select from {name}")).await;
    if seen != Ok(0) {
        return Some(format!("{role} without a tenant sees {seen:?} rows of {name}"));
    }
    for (tenant, other, own) in [(1, 2, own[0]), (2, 1, own[1])] {
        let id = tenant.to_string();
        let seen = act(client, role, &id, &format!("select from {name}")).await;
        if seen != Ok(own) {
            return Some(format!("{role} as {tenant} sees {seen:?} rows of {name}, not {own}"));
        }
        // What reads nothing is not bound by a policy for SELECT.
        let changed = act(client, role, &id, &table.update(tenant)).await;
        if changed != Ok(own) {
            return Some(format!("{role} as {tenant} changes {changed:?} rows of {name}, not {own}"));
        }
        let deleted = act(client, role, &id, &format!("delete from {name}")).await;
        if deleted != Ok(own) {
            return Some(format!("{role} as {tenant} deletes {deleted:?} rows of {name}, not {own}"));
        }
        let made = format!(
            "insert into {name} overriding system value
             select (jsonb_populate_record(own, '{{\"{column}\": {other}}}')).* from {name} own limit 1"
        );
        match act(client, role, &id, &made).await {
            Err(refusal) if refusal.contains("row-level security policy") => {}
            done => return Some(format!("{role} as {tenant} puts a row of {other} into {name}: {done:?}")),
        }
    }
    None
}

/// Tables of which the owner may see every row: to manage tenants, as a member of `kv_auth`, to forget expired keys, and for the
/// functions of the relay, which give events their places and bring jobs to the queue.
const OPEN_TO_OWNER: [&str; 8] =
    ["api_tokens", "events", "idempotency_keys", "jobs", "tenants", "users", "webhook_deliveries", "webhook_endpoints"];

/// What binds the service binds the tables' owner too, so that nobody who acts as it meets another tenant by mistake.
async fn first_fault(client: &Client, table: &Table) -> Option<String> {
    let forced = "select relrowsecurity and relforcerowsecurity from pg_class where oid = $1::text::regclass";
    if !client.query_one(forced, &[&table.name]).await.unwrap().get::<_, bool>(0) {
        return Some(format!("security of {} is not forced", table.name));
    }
    let is_open = OPEN_TO_OWNER.contains(&table.name.as_str());
    for role in if is_open { &["kv_app"][..] } else { &["kv_app", "kv_owner"] } {
        if let Some(fault) = fault(client, table, role).await {
            return Some(fault);
        }
    }
    None
}

const BEGIN: &str = "begin; set local session_replication_role = replica";

#[tokio::test]
async fn the_policies_alone_keep_tenants_apart() {
    let (_house, client, tables) = house().await;
    for table in &tables {
        client.batch_execute(BEGIN).await.unwrap();
        assert_eq!(first_fault(&client, table).await, None);
        client.batch_execute("rollback").await.unwrap();
    }
}

/// Ways to take a table's security away; `{}` is the table.
const HOLES: [(&str, &str); 8] = [
    ("no policy", "drop policy tenant on {}"),
    ("switched off", "alter table {} disable row level security"),
    ("not forced", "alter table {} no force row level security"),
    ("open for SELECT", "create policy hole on {} for select to kv_app using (true)"),
    ("open for UPDATE", "create policy hole on {} for update to kv_app using (true)"),
    ("open for DELETE", "create policy hole on {} for delete to kv_app using (true)"),
    ("open for INSERT", "create policy hole on {} for insert to kv_app with check (true)"),
    ("checks nothing", "create policy hole on {} to kv_app using (false) with check (true)"),
];

#[tokio::test]
async fn any_hole_in_any_policy_is_found() {
    let (_house, client, tables) = house().await;
    for table in &tables {
        for (hole, script) in HOLES {
            let script = script.replace("{}", &table.name);
            client.batch_execute(&format!("{BEGIN}; {script}")).await.unwrap();
            let found = first_fault(&client, table).await;
            client.batch_execute("rollback").await.unwrap();
            assert!(found.is_some(), "{}, {hole}: nobody noticed", table.name);
        }
    }
}

/// A role that has all the service has and is not bound.
#[tokio::test]
async fn a_role_that_bypasses_security_is_found_on_every_table() {
    let (house, client, tables) = house().await;
    let role = format!("\"bypasses_{}\"", house.database.name());
    for table in &tables {
        client.batch_execute(&format!("{BEGIN}; create role {role} bypassrls in role kv_app")).await.unwrap();
        assert!(fault(&client, table, &role).await.is_some(), "{}: nobody noticed", table.name);
        client.batch_execute("rollback").await.unwrap();
    }
}
