//! The body of a batch, read: its mode, and each item or what is wrong with it.

use serde_json::Value;

use super::MAX_ITEMS;
use super::answer;
use crate::app::App;
use crate::http::fields::{Faults, Fields, kind_of};
use crate::http::idempotency::Keyed;
use crate::http::json::JsonBody;
use crate::http::problem::Problem;
use crate::http::shown::Shown;
use kv_store::idempotency::{Answer, Once};

/// How a batch's items belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// All or none.
    Atomic,
    /// Each for itself.
    Independent,
}

/// A batch that was read.
pub(super) enum Batch<T> {
    /// All or none: every item is good.
    Atomic(Vec<T>),
    /// Each for itself.
    Independent(Vec<Item<T>>),
}

/// An item of a batch whose items are each for themselves.
pub(super) struct Item<T> {
    /// What it asks, or what is wrong with it.
    pub(super) asked: Result<T, Problem>,
    /// Its own bytes: the same fields give the same.
    pub(super) bytes: Vec<u8>,
    /// Its own key.
    pub(super) key: Keyed,
}

impl<T> Item<T> {
    /// The right to one effect of this item.
    pub(super) fn once<R: 'static>(
        &self,
        app: &App,
        seal: impl Fn(&R) -> Answer + Send + Sync + 'static,
    ) -> Option<Once<R>> {
        self.key.clone().once_sealed(app, &self.bytes, seal)
    }
}

/// What a kept answer of a single item is made of.
pub(super) fn seal<R>(show: fn(&R) -> Shown) -> impl Fn(&R) -> Answer + Send + Sync + 'static
where
    R: 'static,
{
    move |made| show(made).seal()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
fn mode(value: Value) -> Result<Mode, crate::http::fields::Refused> {
    match value.as_str() {
        Some("atomic") => Ok(Mode::Atomic),
        Some("independent") => Ok(Mode::Independent),
        Some(_) => Err(("unknown_mode", "must be \"atomic\" or \"independent\"".to_owned())),
        None => Err(("wrong_type", format!("must be a string, not {}", kind_of(&value)))),
    }
}

/// Reads a batch with the reader of its items.
///
/// # Errors
/// What is wrong with the batch itself, and of one that is all or none with every item.
pub(super) fn batch<T>(
    body: JsonBody,
    key: &Keyed,
    read: impl Fn(&mut Fields<'_>) -> Option<T>,
) -> Result<Batch<T>, Problem> {
    let (mode, values) = body.read(|fields| {
        let mode = fields.required("mode", mode);
        let items = fields.values("items", MAX_ITEMS);
        Some((mode?, items?))
    })?;
    let read_item = |value: Value| {
        let mut faults = Faults::default();
        let parsed = faults.object(String::new(), value, &read);
        faults.finish(parsed)
    };
    match mode {
        Mode::Atomic => {
            let (mut items, mut faulty) = (Vec::with_capacity(values.len()), Vec::new());
            for (place, value) in values.into_iter().enumerate() {
                match read_item(value) {
                    Ok(item) => items.push(item),
                    Err(problem) => faulty.push((place, problem)),
                }
            }
            if faulty.is_empty() { Ok(Batch::Atomic(items)) } else { Err(answer::invalid(&faulty)) }
        }
        Mode::Independent => {
            let items = values.into_iter().enumerate().map(|(place, value)| {
                let bytes = value.to_string().into_bytes();
                Ok(Item { asked: read_item(value), bytes, key: key.for_item(place)? })
            });
            items.collect::<Result<_, _>>().map(Batch::Independent)
        }
    }
}
