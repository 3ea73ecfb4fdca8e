//! Receipts, adjustments and transfers: what was answered is what is read, and all lines or none.

use kv_store::stock::{FenceClaim, LevelFilter, Refusal, StockError};
use kv_types::stock::{Adjust, AdjustLine, AdjustTo, Receive, ReceiveLine, TransferLine, TransferStock};

use crate::isolation::{counted, moved};
use crate::support::{House, quantity, reserve};

#[tokio::test]
async fn documents_read_as_they_were_answered() {
    let house = House::new().await;
    let (a, b) = (house.stocked(house.one, "a", 10).await, house.stocked(house.one, "b", 5).await);
    let (tenant, user, store) = (house.one.tenant, house.one.user, &house.store);
    // Two lines of one level, and levels against their order, so that the lines' own order is seen.
    let line = |key: (_, _), units| ReceiveLine { product: key.0, warehouse: key.1, quantity: quantity(units) };
    let receive = Receive { lines: vec![line(b, 1), line(a, 2), line(b, 3)], reference: Some("r".to_owned()) };
    let receipt = store.stock().receive(tenant, user, receive, None).await.unwrap();
    assert_eq!(store.receipt(tenant, receipt.id).await.unwrap().as_ref(), Some(&receipt));
    let set =
        |key: (_, _), to, expected| AdjustLine { product: key.0, warehouse: key.1, to: AdjustTo::Set { to, expected } };
    let lines = vec![set(b, 7, 9), set(a, 12, 12), set(b, 8, 7)];
    let adjust = Adjust { lines, reason: "count".to_owned(), reference: None };
    let adjustment = store.stock().adjust(tenant, user, adjust, None).await.unwrap();
    assert_eq!(adjustment.items.iter().map(|item| item.delta).collect::<Vec<_>>(), [-2, 0, 1]);
    assert_eq!(store.adjustment(tenant, adjustment.id).await.unwrap().as_ref(), Some(&adjustment));
    let lines = [(b, 2), (a, 3), (b, 1)].map(|(key, units)| TransferLine { product: key.0, quantity: quantity(units) });
    house.receive(house.one, (b.0, a.1), 4).await;
    let transfer = TransferStock { from: a.1, to: b.1, lines: lines.to_vec(), reference: Some("t".to_owned()) };
    let transfer = store.stock().transfer(tenant, user, transfer, None).await.unwrap();
    assert_eq!(transfer.items.iter().map(|item| item.quantity).sum::<i64>(), 6);
    assert_eq!(store.transfer(tenant, transfer.id).await.unwrap().as_ref(), Some(&transfer));
    let pages = store.receipts(tenant, None, 3).await.unwrap();
    assert_eq!((pages.rows.len(), pages.has_more), (3, true));
    assert_eq!(store.receipts(tenant, Some(pages.rows[2].id), 3).await.unwrap().rows.len(), 1);
    assert_eq!(store.transfers(tenant, None, 3).await.unwrap().rows, [transfer]);
    assert_eq!(store.adjustments(tenant, None, 3).await.unwrap().rows, [adjustment]);
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn what_one_line_refuses_no_line_does() {
    let house = House::new().await;
    let (a, b) = (house.stocked(house.one, "a", 10).await, house.stocked(house.one, "b", 5).await);
    let (tenant, user, stock) = (house.one.tenant, house.one.user, house.store.stock());
    let mut adjust = counted(a, 1);
    adjust.lines.extend(counted(b, -6).lines);
    let error = stock.adjust(tenant, user, adjust, None).await.unwrap_err();
    assert!(matches!(error, StockError::Refused(Refusal::BelowZero(_))), "{error:?}");
    let mut transfer = moved(a, b.1, 1);
    transfer.lines.extend(moved(b, b.1, 1).lines);
    let error = stock.transfer(tenant, user, transfer, None).await.unwrap_err();
    assert!(matches!(error, StockError::Refused(Refusal::Short(_))), "{error:?}");
    for (key, units) in [(a, 10), (b, 5)] {
        let level = house.store.stock_level(tenant, key.0, key.1).await.unwrap().unwrap();
        assert_eq!((level.quantity, level.version), (units, 1));
    }
    house.assert_ledger_holds().await;
}

/// Transfers in both directions at once lock the same levels in the same order.
#[tokio::test(flavor = "multi_thread")]
async fn transfers_against_each_other_do_not_deadlock() {
    let house = House::with(|config| config.stock_writers = 4).await;
    let a = house.stocked(house.one, "a", 100).await;
    let far = house.warehouse(house.one, "far", 1).await;
    house.receive(house.one, (a.0, far), 100).await;
    let (tenant, user) = (house.one.tenant, house.one.user);
    let second =
        kv_store::Store::open(&kv_store::StoreConfig::new(crate::support::app_config(&house.database))).unwrap();
    let tasks = (0..40).map(|number| {
        let store = if number % 2 == 0 { house.store.clone() } else { second.clone() };
        let (from, to) = if number % 4 < 2 { (a.1, far) } else { (far, a.1) };
        tokio::spawn(async move { store.stock().transfer(tenant, user, moved((a.0, from), to, 1), None).await })
    });
    for task in futures_util::future::join_all(tasks).await {
        task.unwrap().unwrap();
    }
    for warehouse in [a.1, far] {
        let level = house.store.stock_level(tenant, a.0, warehouse).await.unwrap().unwrap();
        assert_eq!((level.quantity, level.version), (100, 41));
    }
    house.assert_ledger_holds().await;
}

/// A level is made for goods that arrive, not for an adjustment that is refused, although the batch has something else to write.
#[tokio::test]
async fn what_is_refused_leaves_no_level_behind() {
    let house = House::new().await;
    let a = house.stocked(house.one, "a", 10).await;
    let (fresh, far) = (house.product(house.one, "b").await, house.warehouse(house.one, "far", 1).await);
    let (tenant, user, stock) = (house.one.tenant, house.one.user, house.store.stock());
    let levels = async || house.store.stock_levels(tenant, LevelFilter::default(), None, 10).await.unwrap().rows.len();
    // The fence is raised although its command is refused.
    for (number, key) in [(1, (fresh, far)), (2, (a.0, far))] {
        let fence = Some(FenceClaim::new("count", number));
        let error = stock.adjust(tenant, user, counted(key, -1), fence).await.unwrap_err();
        assert!(matches!(error, StockError::Refused(Refusal::BelowZero(_))), "{error:?}");
        assert_eq!(levels().await, 1);
    }
    let fence = Some(FenceClaim::new("count", 3));
    let error = stock.transfer(tenant, user, moved(a, far, 11), fence).await.unwrap_err();
    assert!(matches!(error, StockError::Refused(Refusal::Short(_))), "{error:?}");
    let stale = stock.reserve(tenant, user, reserve(&[(a, 1)]), Some(FenceClaim::new("count", 2))).await.unwrap_err();
    assert!(matches!(stale, StockError::Refused(Refusal::FenceStale { .. })), "{stale:?}");
    assert_eq!(levels().await, 1);
    assert!(house.store.delete_product(tenant, fresh).await.unwrap().is_some(), "nothing of it was ever stocked");
    stock.adjust(tenant, user, counted((a.0, far), 1), None).await.unwrap();
    assert_eq!(levels().await, 2);
    house.assert_ledger_holds().await;
}

/// In one batch: what is refused makes no level, and what is done beside it is done once.
#[tokio::test]
async fn a_batch_is_run_again_without_the_levels_of_its_refusals() {
    let house = House::with(|config| config.stock_writers = 1).await;
    let a = house.stocked(house.one, "a", 10).await;
    let far = house.warehouse(house.one, "far", 1).await;
    let (tenant, user) = (house.one.tenant, house.one.user);
    let tasks = (0..20).map(|number| {
        let stock = house.store.stock().clone();
        tokio::spawn(async move {
            if number % 2 == 0 {
                stock.adjust(tenant, user, counted((a.0, far), -1), None).await.map(drop)
            } else {
                stock.adjust(tenant, user, counted(a, 1), None).await.map(drop)
            }
        })
    });
    let outcomes = futures_util::future::join_all(tasks).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count(), 10);
    let rows = house.store.stock_levels(tenant, LevelFilter::default(), None, 10).await.unwrap().rows;
    assert_eq!((rows.len(), rows[0].quantity, rows[0].version), (1, 20, 11));
    house.assert_ledger_holds().await;
}
