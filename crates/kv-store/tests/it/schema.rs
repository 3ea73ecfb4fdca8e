//! What the schema is to give beside its constraints: foreign keys that are cheap to look behind, levels that are cheap to change.

use tokio_postgres::types::ToSql;

use crate::support::House;

/// A DELETE asks every foreign key that may point at the row. Without an index it reads the whole other table to learn so.
#[tokio::test]
async fn what_may_be_deleted_is_looked_for_by_index() {
    let database = crate::support::database().await;
    let superuser = database.connect().await.unwrap();
    let keys = superuser
        .query(
            "select c.conname::text, exists (
                    select from pg_index i where i.indrelid = c.conrelid and i.indpred is null
                       and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)
               from pg_constraint c where c.contype = 'f' and has_table_privilege('kv_app', c.confrelid, 'delete')
              order by 1",
            &[],
        )
        .await
        .unwrap();
    let keys: Vec<(&str, bool)> = keys.iter().map(|row| (row.get(0), row.get(1))).collect();
    let names = [
        "export_files_file",
        "order_items_product",
        "orders_customer",
        "stock_levels_product",
        "stock_levels_warehouse",
        "stored_file_pieces_file",
        "webhook_deliveries_endpoint",
    ];
    assert_eq!(keys, names.map(|name| (name, true)));
}

/// No index has a column that a movement changes, so an update of a level stays on its page and touches no index.
#[tokio::test]
async fn updates_of_a_level_are_hot() {
    let house = House::new().await;
    let (product, warehouse) = house.stocked(house.one, "a", 5).await;
    let superuser = house.database.connect().await.unwrap();
    superuser.batch_execute("begin").await.unwrap();
    let update = "update stock_levels set quantity = quantity - 1, reserved_quantity = reserved_quantity + 1,
            version = version + 1, updated_at = now() where tenant_id = $1 and product_id = $2 and warehouse_id = $3";
    let key: [&(dyn ToSql + Sync); 3] = [&house.one.tenant.get(), &product.uuid(), &warehouse.uuid()];
    for _ in 0..3 {
        assert_eq!(superuser.execute(update, &key).await.unwrap(), 1);
    }
    // The transaction's own counters, which no collector delays.
    let row = superuser
        .query_one(
            "select pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid)
               from (select 'stock_levels'::regclass::oid) t",
            &[],
        )
        .await
        .unwrap();
    superuser.batch_execute("rollback").await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (3, 3));
}
