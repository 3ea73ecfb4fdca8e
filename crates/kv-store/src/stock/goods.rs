//! Decisions on goods: receipts, adjustments, transfers. Pure.
//!
//! Invariant: as in [`super::decide`], every check stands before the first booking.

use std::collections::BTreeMap;

use kv_types::stock::{
    Adjust, AdjustLine, AdjustTo, Adjustment, AdjustmentItem, MovementKind, Receipt, ReceiptItem, Receive, StockLevel,
    Transfer, TransferItem, TransferStock,
};
use kv_types::{AdjustmentId, ProductId, ReceiptId, TransferId, UserId, WarehouseId};

use super::board::{Board, LevelKey, MAX_UNITS};
use super::entry::{Cause, Document, NewDocument};
use super::refusal::{Mismatch, Reference, Refusal, Shortage, Thing, UnknownReference};

/// Takes goods in.
pub(super) fn receive(board: &mut Board, actor: UserId, id: ReceiptId, receive: &Receive) -> Result<Receipt, Refusal> {
    check_known(board, receive.lines.iter().map(|line| (line.product, line.warehouse)))?;
    let mut sums: BTreeMap<LevelKey, i64> = BTreeMap::new();
    for line in &receive.lines {
        *sums.entry((line.product, line.warehouse)).or_default() += line.quantity.units();
    }
    check_range(board, &sums)?;
    check_made(board, sums.keys().copied())?;
    let (cause, document) = (Cause::by(actor), Document::Receipt(id));
    let items = receive
        .lines
        .iter()
        .zip(1..)
        .map(|(wish, line)| {
            let (key, units) = ((wish.product, wish.warehouse), wish.quantity.units());
            let (version, quantity_after) = board.book(key, MovementKind::Received, units, cause.on(document, line));
            ReceiptItem { product_id: key.0, warehouse_id: key.1, quantity: wish.quantity, quantity_after, version }
        })
        .collect();
    let reference = receive.reference.clone();
    board.effects.documents.push(NewDocument {
        document,
        reference: reference.clone(),
        actor,
        reason: None,
        between: None,
    });
    Ok(Receipt { id, reference, items, created_at: board.now })
}

/// Sets levels right, line by line.
pub(super) fn adjust(
    board: &mut Board,
    actor: UserId,
    id: AdjustmentId,
    adjust: &Adjust,
) -> Result<Adjustment, Refusal> {
    check_known(board, adjust.lines.iter().map(|line| (line.product, line.warehouse)))?;
    let deltas = plan_deltas(board, &adjust.lines)?;
    check_made(board, adjust.lines.iter().map(|line| (line.product, line.warehouse)))?;
    let (cause, document) =
        (Cause { reason: Some(adjust.reason.as_str().into()), ..Cause::by(actor) }, Document::Adjustment(id));
    let items = adjust
        .lines
        .iter()
        .zip(deltas)
        .zip(1..)
        .map(|((wish, delta), line)| {
            let key = (wish.product, wish.warehouse);
            let (version, quantity_after) = board.book(key, MovementKind::Adjusted, delta, cause.on(document, line));
            AdjustmentItem { product_id: key.0, warehouse_id: key.1, delta, quantity_after, version }
        })
        .collect();
    let reference = adjust.reference.clone();
    board.effects.documents.push(NewDocument {
        document,
        reference: reference.clone(),
        actor,
        reason: cause.reason,
        between: None,
    });
    Ok(Adjustment { id, reason: adjust.reason.clone(), reference, items, created_at: board.now })
}

/// What each line changes, each after those before it.
///
/// What a count takes away may be promised already, as far as the level may promise beyond what is there; it may not be more than
/// is on the shelf.
fn plan_deltas(board: &Board, lines: &[AdjustLine]) -> Result<Vec<i64>, Refusal> {
    let (mut mismatched, mut short) = (Vec::new(), Vec::new());
    let mut deltas = Vec::with_capacity(lines.len());
    let mut sums: BTreeMap<LevelKey, i64> = BTreeMap::new();
    for (line, &AdjustLine { product, warehouse, to }) in lines.iter().enumerate() {
        let sum = sums.entry((product, warehouse)).or_default();
        let available = board.quantity((product, warehouse)) + *sum;
        let delta = match to {
            AdjustTo::Delta(delta) => delta,
            AdjustTo::Set { to, expected } if expected == available => to - available,
            AdjustTo::Set { expected, .. } => {
                mismatched.push(Mismatch { line, product, warehouse, expected, available });
                continue;
            }
        };
        let key = (product, warehouse);
        let removable = (board.available(key) + *sum).min(board.on_hand(key) + *sum);
        if delta < 0 && removable < -delta {
            let warehouse = Some(warehouse);
            short.push(Shortage { line, product, warehouse, requested: -delta, available: removable });
        }
        *sum += delta;
        deltas.push(delta);
    }
    if !mismatched.is_empty() {
        return Err(Refusal::Mismatched(mismatched));
    }
    if !short.is_empty() {
        return Err(Refusal::BelowZero(short));
    }
    check_range(board, &sums)?;
    Ok(deltas)
}

/// Moves goods from one warehouse to another; only what is available moves.
pub(super) fn transfer(
    board: &mut Board,
    actor: UserId,
    id: TransferId,
    transfer: &TransferStock,
) -> Result<Transfer, Refusal> {
    let (from, to) = (transfer.from, transfer.to);
    check_transfer_known(board, transfer)?;
    let mut sums: BTreeMap<ProductId, (i64, usize)> = BTreeMap::new();
    for (line, wish) in transfer.lines.iter().enumerate() {
        sums.entry(wish.product).or_insert((0, line)).0 += wish.quantity.units();
    }
    let mut short: Vec<Shortage> = Vec::new();
    for (&product, &(requested, line)) in &sums {
        let available = board.quantity((product, from));
        if available < requested {
            short.push(Shortage { line, product, warehouse: Some(from), requested, available });
        }
    }
    if !short.is_empty() {
        short.sort_unstable_by_key(|shortage| shortage.line);
        return Err(Refusal::Short(short));
    }
    check_range(board, &sums.iter().map(|(&product, &(units, _))| ((product, to), units)).collect())?;
    check_made(board, sums.keys().map(|&product| (product, to)))?;
    let (cause, document) = (Cause::by(actor), Document::Transfer(id));
    let items = sums
        .into_iter()
        .zip(1..)
        .map(|((product, (quantity, _)), line)| {
            let mut move_units = |warehouse: WarehouseId, kind: MovementKind| {
                board.book((product, warehouse), kind, quantity, cause.on(document, line))
            };
            let (from_version, from_quantity_after) = move_units(from, MovementKind::TransferredOut);
            let (to_version, to_quantity_after) = move_units(to, MovementKind::TransferredIn);
            TransferItem {
                product_id: product,
                quantity,
                from_quantity_after,
                from_version,
                to_quantity_after,
                to_version,
            }
        })
        .collect();
    let reference = transfer.reference.clone();
    board.effects.documents.push(NewDocument {
        document,
        reference: reference.clone(),
        actor,
        reason: None,
        between: Some((from, to)),
    });
    Ok(Transfer { id, from_warehouse_id: from, to_warehouse_id: to, reference, items, created_at: board.now })
}

/// Says how many units a level may promise beyond those that are there.
pub(super) fn limit_backorders(board: &mut Board, key: LevelKey, limit: i64) -> Result<StockLevel, Refusal> {
    let now = board.now;
    if !board.products.contains_key(&key.0) {
        return Err(Refusal::NotFound(Thing::Product));
    }
    if !board.warehouses.contains_key(&key.1) {
        return Err(Refusal::NotFound(Thing::Warehouse));
    }
    check_made(board, [key].into_iter())?;
    let level = board.levels.get_mut(&key).ok_or(Refusal::NotFound(Thing::Level))?;
    if level.quantity < -limit {
        return Err(Refusal::Promised { promised: -level.quantity });
    }
    level.backorder_limit = limit;
    level.has_new_limit = true;
    let level = *level;
    board.touches += 1;
    Ok(StockLevel {
        product_id: key.0,
        warehouse_id: key.1,
        quantity: level.quantity,
        reserved_quantity: level.reserved,
        on_hand_quantity: level.on_hand(),
        shipped_quantity: level.shipped,
        received_quantity: level.received,
        backorder_limit: limit,
        version: level.version,
        updated_at: now,
    })
}

/// Every line's ids must name something of this tenant.
fn check_known(board: &Board, lines: impl Iterator<Item = LevelKey>) -> Result<(), Refusal> {
    let mut unknown = Vec::new();
    for (line, (product, warehouse)) in lines.enumerate() {
        if !board.products.contains_key(&product) {
            unknown.push(UnknownReference { line: Some(line), field: Reference::Product });
        }
        if !board.warehouses.contains_key(&warehouse) {
            unknown.push(UnknownReference { line: Some(line), field: Reference::Warehouse });
        }
    }
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::Unknown(unknown)) }
}

/// The levels must have been made for this batch, or have been there. Where one is not, the batch is begun anew.
fn check_made(board: &mut Board, keys: impl Iterator<Item = LevelKey>) -> Result<(), Refusal> {
    for key in keys {
        if !board.levels.contains_key(&key) {
            board.needs_levels = true;
            return Err(Refusal::NotFound(Thing::Level));
        }
    }
    Ok(())
}

fn check_transfer_known(board: &Board, transfer: &TransferStock) -> Result<(), Refusal> {
    let ends = [(transfer.from, Reference::FromWarehouse), (transfer.to, Reference::ToWarehouse)];
    let warehouses = ends.into_iter().filter(|(warehouse, _)| !board.warehouses.contains_key(warehouse));
    let products = transfer.lines.iter().enumerate().filter(|(_, line)| !board.products.contains_key(&line.product));
    let unknown: Vec<_> = warehouses
        .map(|(_, field)| UnknownReference { line: None, field })
        .chain(products.map(|(line, _)| UnknownReference { line: Some(line), field: Reference::Product }))
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::Unknown(unknown)) }
}

/// No sum may leave the range of the ledger.
fn check_range(board: &Board, sums: &BTreeMap<LevelKey, i64>) -> Result<(), Refusal> {
    let leaves = |(key, sum): (&LevelKey, &i64)| {
        let received = board.levels.get(key).map_or(0, |level| level.received);
        received + sum > MAX_UNITS
    };
    if sums.iter().any(leaves) { Err(Refusal::Overflow) } else { Ok(()) }
}
