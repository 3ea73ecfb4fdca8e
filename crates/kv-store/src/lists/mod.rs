//! Lists that may be filtered and sorted: which there are, and what may be asked of each.
//!
//! A list is data ([`List`]): its filters, its sorts, and the fragments of SQL that stand for them. [`compose`] puts a statement
//! together from these fragments alone; what comes from outside is a parameter with a type, never text. [`known`] holds the lists,
//! [`read`] runs them, [`search`] finds candidates for `q`.
//!
//! Invariants: every statement names the tenant as `$1` and runs under row-level security; every sort ends with columns that no two
//! rows share and has none that may be null, so that a walk by its keys meets each row exactly once.
//!
//! What asks for nothing special goes the plain way of the list's own prepared statement ([`Ask::is_plain`]).

pub mod compose;
pub mod known;
pub mod read;
pub mod search;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// What a filter's value, or a sort's key, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One line of text with at most so many characters.
    Text(usize),
    /// Text to look for anywhere in a row's words, at most so many characters.
    Search(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// ISO 4217.
    Currency,
    /// An id.
    Id,
    /// True or false.
    Boolean,
    /// A whole number from the one to the other.
    Whole(i64, i64),
    /// An instant, to the microsecond.
    Instant,
}

/// A value of some [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of text, a search, a word or a currency.
    Text(String),
    /// An id.
    Id(Uuid),
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Whole(i64),
    /// An instant.
    Instant(Timestamp),
    /// Some ids; no filter's value, but what a search found.
    Ids(Vec<Uuid>),
}

/// Where a page ends: the values of the sort's keys in its last row.
pub type Position = Vec<Value>;

/// A filter that a list knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Filter {
    /// The parameter's name.
    pub name: &'static str,
    /// What it means, for the description.
    pub about: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Whether the list cannot be asked for without it.
    pub is_required: bool,
    /// The condition; `?` stands for the value.
    sql: &'static str,
}

/// A column by which rows are ordered.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    column: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// Which way a sort goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The smallest first.
    Up,
    /// The largest first.
    Down,
}

/// An order of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Sort {
    /// The parameter's value; that of the order without one is empty.
    pub name: &'static str,
    /// The columns, all in one direction; together no two rows have the same.
    pub keys: &'static [Key],
    direction: Direction,
}

/// What belongs to the rows of a list and stands in another table.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    columns: &'static str,
    /// The table, joined to the page's rows `h`.
    join: &'static str,
    order: &'static str,
}

/// A list.
#[derive(Debug)]
pub struct List {
    /// Its name, as in its address.
    pub name: &'static str,
    table: &'static str,
    columns: &'static str,
    /// What holds of each of its rows, besides the tenant.
    always: Option<&'static str>,
    parts: &'static [Part],
    /// The function that finds candidates for a search.
    search: Option<&'static crate::statement::Statement>,
    /// Its filters.
    pub filters: &'static [Filter],
    /// Its order when none is asked for.
    pub default: &'static Sort,
    /// The orders that may be asked for.
    pub sorts: &'static [Sort],
    /// The filters that its plain statement knows.
    plain: &'static [&'static str],
}

impl List {
    /// The order of this name.
    pub fn sort(&self, name: &str) -> Option<&'static Sort> {
        self.sorts.iter().find(|sort| sort.name == name)
    }
}

/// Whether the rows that the filters leave are to be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// They are not.
    #[default]
    None,
    /// All of them, whatever page is shown.
    Exact,
}

/// What is asked of a list.
#[derive(Clone, Debug)]
pub struct Ask {
    list: &'static List,
    filters: Vec<(&'static Filter, Value)>,
    sort: &'static Sort,
    after: Option<Position>,
    limit: i64,
    count: Count,
}

impl Ask {
    /// The first rows of a list in its own order, at most [`crate::catalogue::MAX_PAGE`].
    pub fn of(list: &'static List, limit: i64) -> Self {
        let limit = crate::catalogue::page_limit(limit);
        Self { list, filters: Vec::new(), sort: list.default, after: None, limit, count: Count::None }
    }

    /// Only rows that a filter of the list leaves.
    #[must_use]
    pub fn filtered(mut self, filter: &'static Filter, value: Value) -> Self {
        self.filters.push((filter, value));
        self
    }

    /// In another order of the list.
    #[must_use]
    pub fn sorted(mut self, sort: &'static Sort) -> Self {
        self.sort = sort;
        self
    }

    /// Behind a position of the same order.
    #[must_use]
    pub fn after(mut self, position: Option<Position>) -> Self {
        self.after = position;
        self
    }

    /// With or without a count.
    #[must_use]
    pub fn counted(mut self, count: Count) -> Self {
        self.count = count;
        self
    }

    /// The order asked for.
    pub fn sort(&self) -> &'static Sort {
        self.sort
    }

    /// Which rows in which order: a hash that another list, another filter, another value and another order change, but not another
    /// page.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        part(self.list.name.as_bytes());
        part(self.sort.name.as_bytes());
        for (filter, value) in &self.filters {
            part(filter.name.as_bytes());
            part(&value.bytes());
        }
        digest.finalize().into()
    }

    /// Whether the list's own statement gives it.
    pub(crate) fn is_plain(&self) -> bool {
        self.sort == self.list.default
            && self.count == Count::None
            && self.filters.iter().all(|(filter, _)| self.list.plain.contains(&filter.name))
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.filters.iter().find(|(filter, _)| filter.name == name).map(|(_, value)| value)
    }

    /// The id that a filter of this name asks for.
    pub(crate) fn id(&self, name: &str) -> Option<Uuid> {
        self.value(name).and_then(Value::id)
    }

    /// The number that a filter of this name asks for.
    pub(crate) fn whole(&self, name: &str) -> Option<i64> {
        self.value(name).and_then(Value::whole)
    }

    /// The ids of the position behind which the page begins; nil where there is none.
    pub(crate) fn after_ids<const N: usize>(&self) -> Option<[Uuid; N]> {
        let position = self.after.as_ref()?;
        let ids: Vec<Uuid> = position.iter().filter_map(Value::id).collect();
        ids.try_into().ok()
    }
}

impl Value {
    fn id(&self) -> Option<Uuid> {
        if let Self::Id(id) = self { Some(*id) } else { None }
    }

    fn whole(&self) -> Option<i64> {
        if let Self::Whole(number) = self { Some(*number) } else { None }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Id(id) => id.as_bytes().to_vec(),
            Self::Boolean(is) => vec![u8::from(*is)],
            Self::Whole(number) => number.to_be_bytes().to_vec(),
            Self::Instant(instant) => instant.as_nanosecond().to_be_bytes().to_vec(),
            Self::Ids(ids) => ids.iter().flat_map(|id| id.as_bytes().to_vec()).collect(),
        }
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Where it ends; `None` when no rows follow.
    pub next: Option<Position>,
    /// How many rows there are on all pages, if that was asked for.
    pub total: Option<i64>,
}

impl<T> Listing<T> {
    /// Makes the listing of a plain page.
    pub(crate) fn plain(page: crate::Page<T>, position: impl Fn(&T) -> Position) -> Self {
        let next = page.rows.last().filter(|_| page.has_more).map(position);
        Self { rows: page.rows, next, total: None }
    }
}
