//! The parameters of a list: `limit`, `cursor`, `sort`, `count` and the list's filters. An unknown parameter is a fault, never
//! ignored: a filter with a typing error would otherwise answer with everything.

use std::fmt::Write as _;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query as AxumQuery};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::Timestamp;
use kv_store::lists::{Ask, Count, Filter, Kind, List, Sort, Value};
use kv_types::TenantId;
use uuid::Uuid;

use super::answers::BASE;
use super::cursor::{Seal, has_form};
use super::fields::{Faults, Refused, shown};
use super::listing::Asked;
use super::problem::{FieldFault, Problem};
use super::values::{currency, line};
use crate::app::App;

/// Rows of a page when nothing is said.
pub const DEFAULT_LIMIT: i64 = 20;
/// Most rows of a page.
pub const MAX_LIMIT: i64 = kv_store::catalogue::MAX_PAGE;

/// What a cursor that was not given for what is asked is told.
const INVALID_CURSOR: (&str, &str) =
    ("invalid_cursor", "is no next_cursor of this list with these filters and this sort; begin again without it");

/// The query string's pairs, not yet read, and where they came.
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
    raw: String,
    path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let path = parts.uri.path().to_owned();
        let Some(raw) = parts.uri.query().filter(|raw| !raw.is_empty()) else {
            return Ok(Self { pairs: Vec::new(), raw: String::new(), path });
        };
        // Percent-coding that is no UTF-8 is replaced by its reader, and then fails as a value.
        let AxumQuery(pairs) = AxumQuery::try_from_uri(&parts.uri)
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "invalid_query", "The query string is not readable."))?;
        Ok(Self { pairs, raw: raw.to_owned(), path })
    }
}

impl Query {
    /// Reads parameters that are no list's. `read` takes those it knows; whatever is left then is unknown.
    ///
    /// # Errors
    /// 422 `validation_failed` with every fault.
    pub fn read<T>(self, read: impl FnOnce(&mut Parameters) -> Option<T>) -> Result<T, Problem> {
        let mut parameters = Parameters { pairs: self.pairs, faults: Faults::default() };
        let parsed = read(&mut parameters);
        parameters.finish().finish(parsed)
    }

    /// What is asked of a list.
    ///
    /// # Errors
    /// 422 `validation_failed` with every fault, 422 `invalid_cursor` when nothing but the cursor is wrong, or the store's when
    /// the cursors' secret is not known yet.
    pub async fn ask(self, app: &App, tenant: TenantId, list: &'static List) -> Result<Asked, Problem> {
        let secret = app.store().cursor_secret().await?;
        let address = self.address();
        let mut parameters = Parameters { pairs: self.pairs, faults: Faults::default() };
        let (ask, cursor) = parameters.read(list);
        let mut faults = parameters.finish();
        if !faults.is_empty() {
            if cursor.is_some_and(|cursor| !has_form(&cursor)) {
                faults.add("cursor".to_owned(), (INVALID_CURSOR.0, INVALID_CURSOR.1.to_owned()));
            }
            return faults.finish(None);
        }
        let position = match cursor {
            None => None,
            Some(cursor) => {
                let seal = Seal::of(secret, tenant, &ask);
                Some(seal.open(&cursor, ask.sort().keys).ok_or_else(invalid_cursor)?)
            }
        };
        Ok(Asked { ask: ask.after(position), secret: secret.clone(), tenant, address })
    }

    /// The address with everything but the cursor, and the place for another one behind it.
    fn address(&self) -> String {
        let mut address = format!("{BASE}{}?", self.path);
        // The reader of the pairs leaves out empty ones too.
        let given = self.raw.split('&').filter(|part| !part.is_empty()).zip(&self.pairs);
        for (part, _) in given.filter(|(_, (name, _))| name != "cursor") {
            // A header takes no other bytes; what is not ASCII was to be percent-coded in the first place.
            for byte in part.bytes() {
                match byte {
                    b'!'..=b'~' => address.push(char::from(byte)),
                    other => drop(write!(address, "%{other:02X}")),
                }
            }
            address.push('&');
        }
        address.push_str("cursor=");
        address
    }
}

fn invalid_cursor() -> Problem {
    let (code, detail) = INVALID_CURSOR;
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, format!("cursor {detail}."))
        .with_errors(vec![FieldFault::new("cursor", code, detail)])
}

/// A query that is being read. A parameter is taken out when it is asked for.
#[derive(Debug)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    faults: Faults,
}

impl Parameters {
    /// Reads what a list may be asked, and the cursor as it came.
    fn read(&mut self, list: &'static List) -> (Ask, Option<String>) {
        let filters: Vec<(&'static Filter, Value)> = list
            .filters
            .iter()
            .filter_map(|filter| {
                let read = |raw: &str| value(filter.kind, raw);
                let given = if filter.is_required {
                    self.required(filter.name, read)
                } else {
                    self.optional(filter.name, read)
                };
                Some((filter, given?))
            })
            .collect();
        let limit = self.optional("limit", |raw| whole(raw, 1, MAX_LIMIT)).unwrap_or(DEFAULT_LIMIT);
        let sort = if list.sorts.is_empty() { None } else { self.optional("sort", |raw| sort(list, raw)) };
        let count = self.optional("count", |raw| match raw {
            "exact" => Ok(Count::Exact),
            _ => Err(("invalid_format", "must be exact, or left out".to_owned())),
        });
        let cursor = self.optional("cursor", |raw| Ok(raw.to_owned()));
        let mut ask = Ask::of(list, limit).counted(count.unwrap_or_default());
        for (filter, value) in filters {
            ask = ask.filtered(filter, value);
        }
        (sort.map_or(ask.clone(), |sort| ask.sorted(sort)), cursor)
    }

    /// The faults that were found, and what nobody asked for.
    fn finish(self) -> Faults {
        let Self { pairs, mut faults } = self;
        for (name, _) in &pairs {
            faults.add(shown(name), ("unknown_parameter", "is no parameter of this request".to_owned()));
        }
        faults
    }

    /// A parameter that may be left out.
    pub fn optional<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, Refused>) -> Option<T> {
        let found = self.pairs.iter().position(|(given, _)| given == name)?;
        let (_, value) = self.pairs.swap_remove(found);
        let before = self.pairs.len();
        self.pairs.retain(|(given, _)| given != name);
        if self.pairs.len() < before {
            return self.refuse(name, ("repeated", "is given more than once".to_owned()));
        }
        match read(&value) {
            Ok(value) => Some(value),
            Err(refused) => self.refuse(name, refused),
        }
    }

    /// A parameter that must be there.
    fn required<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, Refused>) -> Option<T> {
        if self.pairs.iter().all(|(given, _)| given != name) {
            return self.refuse(name, ("required", "is missing".to_owned()));
        }
        self.optional(name, read)
    }

    fn refuse<T>(&mut self, name: &str, refused: Refused) -> Option<T> {
        self.faults.add(name.to_owned(), refused);
        None
    }
}

/// A value of a kind.
fn value(kind: Kind, raw: &str) -> Result<Value, Refused> {
    match kind {
        Kind::Text(max) | Kind::Search(max) => line(max)(raw.into()).map(Value::Text),
        Kind::Word(words) if words.contains(&raw) => Ok(Value::Text(raw.to_owned())),
        Kind::Word(words) => Err(("invalid_format", format!("must be one of {}", words.join(", ")))),
        Kind::Currency => currency(raw.into()).map(|currency| Value::Text(currency.as_str().to_owned())),
        Kind::Id => id(raw).map(Value::Id),
        Kind::Boolean => match raw {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err(("invalid_format", "must be true or false".to_owned())),
        },
        Kind::Whole(min, max) => whole(raw, min, max).map(Value::Whole),
        Kind::Instant => instant(raw).map(Value::Instant),
    }
}

fn sort(list: &'static List, raw: &str) -> Result<&'static Sort, Refused> {
    list.sort(raw).ok_or_else(|| {
        let names: Vec<_> = list.sorts.iter().map(|sort| sort.name).collect();
        ("invalid_format", format!("must be one of {}", names.join(", ")))
    })
}

/// A whole number from `min` to `max`.
pub fn whole(raw: &str, min: i64, max: i64) -> Result<i64, Refused> {
    raw.parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| ("out_of_range", format!("must be a whole number from {min} to {max}")))
}

/// The id to filter by.
fn id(raw: &str) -> Result<Uuid, Refused> {
    Uuid::from_str(raw).map_err(|_| ("invalid_format", "must be a UUID".to_owned()))
}

/// A bound of a time, which PostgreSQL keeps to the microsecond: what lies between two of them bounds the same rows as the later one.
fn instant(raw: &str) -> Result<Timestamp, Refused> {
    let fault = || {
        let example = "2026-01-31T00:00:00Z or 2026-01-31T01:00:00%2B01:00";
        ("invalid_format", format!("must be a time as RFC 3339 writes it, of the years 1 to 9999, such as {example}"))
    };
    let instant: Timestamp = raw.parse().map_err(|_| fault())?;
    let micros = instant.as_microsecond();
    let is_between = i128::from(micros) * 1_000 < instant.as_nanosecond();
    let rounded = Timestamp::from_microsecond(micros + i64::from(is_between)).map_err(|_| fault())?;
    // Its year 0 and those before it are other ones than PostgreSQL's.
    if raw.starts_with(|first: char| first.is_ascii_digit()) && !raw.starts_with("0000") {
        Ok(rounded)
    } else {
        Err(fault())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_time_are_of_whole_microseconds_and_of_one_form() {
        let read = |raw: &str| instant(raw).map(|instant| instant.to_string());
        assert_eq!(read("2026-01-31T00:00:00Z").unwrap(), "2026-01-31T00:00:00Z");
        assert_eq!(read("2026-01-31T00:00:00+01:00").unwrap(), "2026-01-30T23:00:00Z");
        assert_eq!(read("2026-01-31T00:00:00.0000001Z").unwrap(), "2026-01-31T00:00:00.000001Z");
        assert_eq!(read("2026-01-31T00:00:00.000001Z").unwrap(), "2026-01-31T00:00:00.000001Z");
        for bad in
            ["", "2026-01-31", "yesterday", "2026-01-31T00:00:00", "-002026-01-31T00:00:00Z", "0000-01-01T00:00:00Z"]
        {
            assert_eq!(instant(bad).unwrap_err().0, "invalid_format", "{bad}");
        }
    }
}
