//! What a writer asks after a commit whose answer was lost. The service asks only after what it has written itself, so these are sent
//! by hand; the rows that they name are the second tenant's.

use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::repertoire::Told;
use crate::isolation::FENCED;

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Told<'_> {
    pub(super) async fn prove(&mut self) {
        let client = kv_store::admin::connect(&self.wire.config().into()).await.unwrap();
        client.batch_execute(&format!("begin; set local app.tenant_id = '{}'", self.me.tenant)).await.unwrap();
        let superuser = &self.twins.superuser;
        let theirs = async |sql: &str| superuser.query_one(sql, &[]).await.unwrap();
        let (me, key) = (self.me.tenant.get(), self.twins.foreign.key);
        let (product, warehouse) = (key.0.uuid(), key.1.uuid());
        let (order, held) = (self.twins.foreign.order.id.uuid(), self.twins.foreign_held.id.uuid());
        let movement = format!(
            "select version, hash from kept.stock_movements
              where tenant_id = 2 and product_id = '{product}' and warehouse_id = '{warehouse}' order by version limit 1"
        );
        let movement = theirs(&movement).await;
        let (version, hash): (i64, Vec<u8>) = (movement.get(0), movement.get(1));
        let changed = async |table: &str, which: &str| -> Timestamp {
            theirs(&format!("select updated_at from kept.{table} where tenant_id = 2 and {which}")).await.get(0)
        };
        let ordered_at = changed("orders", &format!("id = '{order}'")).await;
        let held_at = changed("reservations", &format!("id = '{held}'")).await;
        let level = format!("product_id = '{product}' and warehouse_id = '{warehouse}'");
        let limited_at = changed("stock_levels", &level).await;
        let fingerprint: Vec<u8> = theirs("select sha256('foreign')").await.get(0);
        let kept_at: Timestamp =
            theirs("select created_at from kept.idempotency_keys where tenant_id = 2 and key = 'k-b'").await.get(0);
        // The second tenant's fence is higher by a thousand.
        let asked: [(&str, Params<'_>); 7] = [
            ("READ_ORDER_NUMBERS", &[&me, &vec![order]]),
            ("PROVE_MOVEMENT", &[&me, &product, &warehouse, &version, &hash]),
            ("PROVE_ORDER", &[&me, &order, &1_i64, &ordered_at]),
            ("PROVE_RESERVATION", &[&me, &held, &held_at]),
            ("PROVE_LIMIT", &[&me, &product, &warehouse, &limited_at]),
            ("PROVE_KEY", &[&me, &"k-b", &fingerprint, &kept_at]),
            ("PROVE_FENCE", &[&me, &FENCED.0, &(FENCED.1 + 1000)]),
        ];
        for (name, params) in asked {
            let statement = kv_store::statement::all().find(|statement| statement.name == name).unwrap();
            let prepared = client.prepare(statement.text).await.unwrap();
            let rows = client.query(&prepared, params).await.unwrap();
            let is_there: Option<bool> = match name {
                "READ_ORDER_NUMBERS" => Some(!rows.is_empty()),
                _ => rows.first().and_then(|row| row.get(0)),
            };
            self.note(name, is_there);
        }
        client.batch_execute("commit").await.unwrap();
    }
}
