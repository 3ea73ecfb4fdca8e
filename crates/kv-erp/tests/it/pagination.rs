//! Lists: every row that was there when the walk began comes exactly once, whatever is inserted meanwhile.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::world::{World, faults};

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_walk_meets_every_row_exactly_once_while_others_insert() {
    let world = World::new().await;
    let mut there = Vec::new();
    for number in 0..25 {
        there.push(world.one.customer(&format!("C-{number:02}")).await);
        world.two.customer(&format!("C-{number:02}")).await;
    }
    let inserted = AtomicUsize::new(0);
    let rows = world
        .one
        .walk("/customers?limit=7", async || {
            // Bounded: a walk that inserts more than it reads would never end.
            let number = inserted.fetch_add(1, Ordering::Relaxed);
            if number < 5 {
                world.one.customer(&format!("A-{number}")).await;
            }
        })
        .await;
    let met = ids(&rows);
    assert_eq!(met[..25], there, "in the order of creation");
    assert_eq!(met.iter().collect::<HashSet<_>>().len(), met.len(), "no row twice");
    assert!(inserted.load(Ordering::Relaxed) >= 3, "the walk had several pages");
}

#[tokio::test]
async fn pages_are_as_long_as_asked_and_the_last_one_says_so() {
    let world = World::new().await;
    for number in 0..21 {
        world.one.warehouse(&format!("W-{number}"), number).await;
    }
    for (limit, shown, more) in
        [("", 20, true), ("?limit=1", 1, true), ("?limit=21", 21, false), ("?limit=100", 21, false)]
    {
        let page = world.one.get(&format!("/warehouses{limit}")).await.expect(200);
        assert_eq!(page["data"].as_array().unwrap().len(), shown, "{limit}");
        assert_eq!(page["next_cursor"].is_string(), more, "{limit}");
    }
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let world = World::new().await;
    let product = world.one.product("A").await;
    let cases = [
        ("/customers?limit=0", vec!["limit out_of_range"]),
        ("/customers?limit=101", vec!["limit out_of_range"]),
        ("/customers?limit=ten", vec!["limit out_of_range"]),
        ("/customers?limit=5&limit=6", vec!["limit repeated"]),
        ("/customers?cursor=AAAA&limit=-1", vec!["limit out_of_range", "cursor invalid_cursor"]),
        ("/customers?name=Ada", vec!["name unknown_parameter"]),
        ("/stock-levels?product_id=1&warehouse_id=", vec!["product_id invalid_format", "warehouse_id invalid_format"]),
        ("/stock-movements", vec!["product_id required", "warehouse_id required"]),
        (
            "/stock-movements?product_id=x&after=-1",
            vec!["product_id invalid_format", "warehouse_id required", "after out_of_range"],
        ),
    ];
    for (path, wanted) in cases {
        let problem = world.one.get(path).await.refused(422, "validation_failed");
        assert_eq!(faults(&problem), wanted, "{path}");
    }
    for nonsense in ["%00", "AAAA", "", &"A".repeat(2_000)] {
        let problem = world.one.get(&format!("/customers?cursor={nonsense}")).await.refused(422, "invalid_cursor");
        assert_eq!(faults(&problem), ["cursor invalid_cursor"], "{nonsense}");
    }
    // A stock level's cursor is no customer's.
    let warehouse = world.one.warehouse("W", 1).await;
    world.one.receive(&product, &warehouse, 1).await;
    world.one.receive(&product, &world.one.warehouse("V", 1).await, 1).await;
    let levels = world.one.get("/stock-levels?limit=1").await.expect(200);
    let cursor = levels["next_cursor"].as_str().unwrap();
    world.one.get(&format!("/customers?cursor={cursor}")).await.refused(422, "invalid_cursor");
    assert_eq!(world.one.walk("/stock-levels?limit=1", async || ()).await.len(), 2);
    assert_eq!(world.one.walk(&format!("/stock-levels?warehouse_id={warehouse}"), async || ()).await.len(), 1);
}
