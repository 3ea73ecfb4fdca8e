//! A statement put together from a list's fragments. Pure.

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::{Ask, Count, Direction, Kind, List, Value};

/// A statement and its parameters, but for the tenant, which is `$1`.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The text, all of it fragments of this program.
    pub text: String,
    values: Vec<Value>,
}

impl Composed {
    /// The parameters behind the tenant, with their types.
    pub fn params(&self) -> impl Iterator<Item = (&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(Value::param)
    }

    /// How many parameters there are, with the tenant.
    pub fn width(&self) -> usize {
        1 + self.values.len()
    }

    /// Adds a fragment with a value.
    fn bind(&mut self, fragment: &str, value: &Value) {
        let place = self.place(value.clone());
        self.text.push_str(&fragment.replace('?', &place));
    }

    fn place(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", 1 + self.values.len())
    }
}

impl Ask {
    /// The page's statements: its rows with one more than asked for, what belongs to them, and their count if it is asked for. In
    /// the row each key of the order stands behind the list's own columns. `candidates` are the ids that a search found.
    pub fn compose(&self, candidates: Option<&[Uuid]>) -> Vec<Composed> {
        let list = self.list;
        let keys: Vec<String> = self.sort.keys.iter().map(super::Key::expression).collect();
        let columns = format!("{}, {}", list.columns, keys.join(", "));
        let mut statements = vec![self.page(&columns, candidates)];
        for part in list.parts {
            let mut heads = self.page("id", candidates);
            heads.text =
                format!("select {} from ({}) h join {} order by {}", part.columns, heads.text, part.join, part.order);
            statements.push(heads);
        }
        if self.count == Count::Exact {
            let count = self.rows("count(*)", candidates);
            statements.push(count);
        }
        statements
    }

    /// All rows that the filters leave.
    fn rows(&self, columns: &str, candidates: Option<&[Uuid]>) -> Composed {
        let List { table, always, .. } = self.list;
        let text = format!("select {columns} from {table} where tenant_id = $1");
        let mut composed = Composed { text, values: Vec::new() };
        if let Some(always) = always {
            composed.text.push_str(" and ");
            composed.text.push_str(always);
        }
        for (filter, value) in &self.filters {
            composed.text.push_str(" and ");
            let value = if let (Kind::Search(_), Value::Text(text)) = (filter.kind, value) {
                Value::Text(super::search::pattern(text))
            } else {
                value.clone()
            };
            composed.bind(filter.sql, &value);
        }
        if let Some(ids) = candidates {
            composed.bind(" and id = any(?)", &Value::Ids(ids.to_vec()));
        }
        composed
    }

    /// The rows of the page and one more.
    fn page(&self, columns: &str, candidates: Option<&[Uuid]>) -> Composed {
        let mut composed = self.rows(columns, candidates);
        let names: Vec<&str> = self.sort.keys.iter().map(|key| key.column).collect();
        if let Some(position) = &self.after {
            let places: Vec<String> = position.iter().map(|value| composed.place(value.clone())).collect();
            let sign = if self.sort.direction == Direction::Up { '>' } else { '<' };
            let behind = format!(" and ({}) {sign} ({})", names.join(", "), places.join(", "));
            composed.text.push_str(&behind);
        }
        let word = if self.sort.direction == Direction::Up { "" } else { " desc" };
        // With its table, a name means the column and not the key that is shown beside it in another type.
        let table = self.list.table;
        let order: Vec<String> = names.iter().map(|name| format!("{table}.{name}{word}")).collect();
        composed.text.push_str(" order by ");
        composed.text.push_str(&order.join(", "));
        composed.bind(" limit ?", &Value::Whole(self.limit + 1));
        composed
    }
}

impl super::Key {
    /// The column as a key is read: of a type that a [`Value`] has.
    fn expression(&self) -> String {
        let kind = match self.kind {
            Kind::Text(_) | Kind::Search(_) | Kind::Word(_) | Kind::Currency => "text",
            Kind::Id => "uuid",
            Kind::Boolean => "boolean",
            Kind::Whole(..) => "bigint",
            Kind::Instant => "timestamptz",
        };
        format!("{}::{kind}", self.column)
    }
}

impl Value {
    fn param(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(text) => (text, Type::TEXT),
            Self::Id(id) => (id, Type::UUID),
            Self::Boolean(is) => (is, Type::BOOL),
            Self::Whole(number) => (number, Type::INT8),
            Self::Instant(instant) => (instant, Type::TIMESTAMPTZ),
            Self::Ids(ids) => (ids, Type::UUID_ARRAY),
        }
    }
}
