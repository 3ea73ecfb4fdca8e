//! Bulk inserts side by side.

use std::time::Duration;

use kv_store::statement::Statement;
use kv_types::TenantId;
use sandbox::testing::eventually;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::support::{House, app_config};

fn statement(name: &str) -> &'static Statement {
    kv_store::statement::all().find(|statement| statement.name == name).unwrap()
}

/// A session of the service's role in a transaction of the tenant.
async fn begun(house: &House, tenant: TenantId) -> Client {
    let client = kv_store::admin::connect(&app_config(&house.database)).await.unwrap();
    client.batch_execute("begin").await.unwrap();
    client.batch_execute(&format!("set local app.tenant_id = '{tenant}'")).await.unwrap();
    client
}

/// Inserts the codes in the order given, with the statement alone: the store would run a deadlock's victim once more, unseen.
async fn insert(client: &Client, name: &str, tenant: TenantId, codes: &[&str]) -> Result<usize, tokio_postgres::Error> {
    let tenant = tenant.get();
    let ids: Vec<Uuid> = codes.iter().map(|_| Uuid::now_v7()).collect();
    let codes: Vec<&str> = codes.to_vec();
    let nothing: Vec<Option<&str>> = vec![None; codes.len()];
    let (units, currencies) = (vec!["unit"; codes.len()], vec!["EUR"; codes.len()]);
    let (prices, actives) = (vec![1_i64; codes.len()], vec![true; codes.len()]);
    let customers: [&(dyn ToSql + Sync); 6] = [&tenant, &ids, &codes, &codes, &nothing, &nothing];
    let products: [&(dyn ToSql + Sync); 9] =
        [&tenant, &ids, &codes, &codes, &nothing, &units, &prices, &currencies, &actives];
    let params: &[&(dyn ToSql + Sync)] = if name == "INSERT_CUSTOMERS" { &customers } else { &products };
    let made = client.query(statement(name).text, params).await?.len();
    client.batch_execute("commit").await?;
    Ok(made)
}

/// A third transaction holds the code in the middle, so that both statements have begun before either can end. Were each to go in
/// the order it was given, one would then hold `a` and want `z` and the other the reverse.
#[tokio::test]
async fn two_bulk_inserts_in_opposite_order_do_not_deadlock() {
    let house = House::new().await;
    let tenant = house.one.tenant;
    let watcher = house.database.connect().await.unwrap();
    for name in ["INSERT_CUSTOMERS", "INSERT_PRODUCTS"] {
        let (holder, up, down) =
            (begun(&house, tenant).await, begun(&house, tenant).await, begun(&house, tenant).await);
        let table = if name == "INSERT_CUSTOMERS" { "customers" } else { "products" };
        let held = match table {
            "customers" => "insert into customers (tenant_id, id, code, name) values ($1, gen_random_uuid(), 'm', 'm')",
            _ => {
                "insert into products (tenant_id, id, sku, name, uom, price_minor, currency, active)
                  values ($1, gen_random_uuid(), 'm', 'm', 'unit', 1, 'EUR', true)"
            }
        };
        holder.execute(held, &[&tenant.get()]).await.unwrap();
        let let_go = async {
            let waiting = "select count(*) = 2 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
            eventually(Duration::from_secs(20), async || {
                watcher.query_one(waiting, &[]).await.unwrap().get::<_, bool>(0)
            })
            .await;
            holder.batch_execute("commit").await.unwrap();
        };
        let (one, other, ()) = tokio::join!(
            insert(&up, name, tenant, &["a", "m", "z"]),
            insert(&down, name, tenant, &["z", "m", "a"]),
            let_go,
        );
        assert_eq!(one.unwrap() + other.unwrap(), 2, "`a` and `z` of {table} once each");
    }
}
