//! Which warehouse gives what. Pure: from the board and the lines to takes, or to every line that is short.

use std::collections::BTreeMap;

use kv_types::stock::ReserveLine;
use kv_types::{ProductId, WarehouseId};

use super::board::{Board, LevelKey};
use super::refusal::{Reference, Refusal, Shortage, UnknownReference};

/// The sum of some lines, and the first of them.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    units: i64,
    line: usize,
}

/// Units to take from each level, in the global order of levels.
pub(crate) type Takes = BTreeMap<LevelKey, i64>;

/// Lines summed by what they mean: two lines of the same stock are one wish, or each alone would pass the check.
struct Wishes {
    pinned: BTreeMap<LevelKey, Wanted>,
    free: BTreeMap<ProductId, Wanted>,
}

fn sum_lines(lines: &[ReserveLine]) -> Wishes {
    let mut wishes = Wishes { pinned: BTreeMap::new(), free: BTreeMap::new() };
    for (line, wish) in lines.iter().enumerate() {
        let wanted = match wish.warehouse {
            Some(warehouse) => wishes.pinned.entry((wish.product, warehouse)).or_insert(Wanted { units: 0, line }),
            None => wishes.free.entry(wish.product).or_insert(Wanted { units: 0, line }),
        };
        wanted.units += wish.quantity.units();
    }
    wishes
}

/// What to do when there is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appetite {
    /// Refuse.
    Whole,
    /// Take what there is, if it is anything at all.
    Any,
}

/// Decides where each line's units come from: all lines, or a refusal that names every line at fault.
///
/// A line without a warehouse is served whole by the first warehouse, in order of priority, that can; otherwise it is split
/// over them in that order.
pub(crate) fn allocate(board: &Board, lines: &[ReserveLine], appetite: Appetite) -> Result<Takes, Refusal> {
    check_references(board, lines)?;
    let wishes = sum_lines(lines);
    let mut takes = Takes::new();
    let mut short = Vec::new();
    for (&(product, warehouse), wanted) in &wishes.pinned {
        let available = board.available((product, warehouse));
        if available < wanted.units {
            short.push(shortage(*wanted, product, Some(warehouse), available));
            if appetite == Appetite::Any && available > 0 {
                takes.insert((product, warehouse), available);
            }
        } else {
            takes.insert((product, warehouse), wanted.units);
        }
    }
    for (&product, wanted) in &wishes.free {
        if let Err(available) = take_anywhere(board, product, wanted.units, &mut takes) {
            short.push(shortage(*wanted, product, None, available));
            if appetite == Appetite::Any && available > 0 {
                take_anywhere(board, product, available, &mut takes).ok();
            }
        }
    }
    if short.is_empty() || (appetite == Appetite::Any && !takes.is_empty()) {
        return Ok(takes);
    }
    short.sort_unstable_by_key(|shortage| shortage.line);
    Err(Refusal::Short(short))
}

fn shortage(wanted: Wanted, product: ProductId, warehouse: Option<WarehouseId>, available: i64) -> Shortage {
    Shortage { line: wanted.line, product, warehouse, requested: wanted.units, available }
}

/// Takes `units` of a product from wherever they are; `Err` with what there is when that is not enough. What is on a shelf goes
/// before what is only promised.
fn take_anywhere(board: &Board, product: ProductId, units: i64, takes: &mut Takes) -> Result<(), i64> {
    let given = |warehouse: WarehouseId, takes: &Takes| takes.get(&(product, warehouse)).copied().unwrap_or(0);
    let there =
        |warehouse: WarehouseId, takes: &Takes| (board.quantity((product, warehouse)) - given(warehouse, takes)).max(0);
    let promised =
        |warehouse: WarehouseId, takes: &Takes| board.available((product, warehouse)) - given(warehouse, takes);
    let sources = board.sources(product);
    let available: i64 = sources.iter().map(|&warehouse| promised(warehouse, takes)).sum();
    if available < units {
        return Err(available);
    }
    let whole = sources.iter().copied().find(|&warehouse| there(warehouse, takes) >= units);
    let mut missing = units;
    let mut take = |warehouse: WarehouseId, rest: &dyn Fn(WarehouseId, &Takes) -> i64| {
        let share = rest(warehouse, takes).min(missing);
        if share > 0 {
            *takes.entry((product, warehouse)).or_insert(0) += share;
            missing -= share;
        }
    };
    for warehouse in whole.into_iter().chain(sources.iter().copied()) {
        take(warehouse, &there);
    }
    for &warehouse in &sources {
        take(warehouse, &promised);
    }
    assert_eq!(missing, 0, "an allocation that was counted before is complete");
    Ok(())
}

/// Every line's ids must name something of this tenant that is switched on.
fn check_references(board: &Board, lines: &[ReserveLine]) -> Result<(), Refusal> {
    let mut unknown = Vec::new();
    let mut inactive = Vec::new();
    for (line, wish) in lines.iter().enumerate() {
        let product = board.products.get(&wish.product).map(|facts| facts.active);
        sort_out(product, line, Reference::Product, (&mut unknown, &mut inactive));
        if let Some(warehouse) = wish.warehouse {
            let warehouse = board.warehouses.get(&warehouse).map(|facts| facts.active);
            sort_out(warehouse, line, Reference::Warehouse, (&mut unknown, &mut inactive));
        }
    }
    if !unknown.is_empty() {
        return Err(Refusal::Unknown(unknown));
    }
    if inactive.is_empty() { Ok(()) } else { Err(Refusal::Inactive(inactive)) }
}

fn sort_out(
    found_active: Option<bool>,
    line: usize,
    field: Reference,
    (unknown, inactive): (&mut Vec<UnknownReference>, &mut Vec<UnknownReference>),
) {
    let reference = UnknownReference { line: Some(line), field };
    match found_active {
        None => unknown.push(reference),
        Some(false) => inactive.push(reference),
        Some(true) => {}
    }
}
