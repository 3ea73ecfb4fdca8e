//! Text that is looked for anywhere in a row's words, in any case of letters.
//!
//! `LIKE` is not leakproof, so PostgreSQL does not use it with an index on a table under row-level security. A function that looks
//! past the policies does, and gives ids alone; what is shown is then read by these ids as everything else is. It gives up beyond
//! [`MAX_CANDIDATES`]: a text that so many rows have is met soon on the way along the list's order. See decision 0021.

use kv_types::TenantId;
use uuid::Uuid;

use super::{Ask, Kind, Value};
use crate::statement::{Statement, statements};
use crate::{Store, StoreError};

statements! {
    /// Customers with a text.
    FIND_CUSTOMERS = "select app.find_customers($1, $2, $3)";
    /// Products with a text.
    FIND_PRODUCTS = "select app.find_products($1, $2, $3)";
    /// Warehouses with a text.
    FIND_WAREHOUSES = "select app.find_warehouses($1, $2, $3)";
}

/// Most rows that are read by their ids; with more, the list is read in its order instead.
pub const MAX_CANDIDATES: i32 = 1_000;

/// A letter or digit more than this in a row, and the index has something to look for.
const TRIGRAM: usize = 3;

/// The pattern of a text: what means something in a pattern means itself.
pub(super) fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Whether the index knows anything of a text: it holds sequences of three letters or digits.
fn is_indexed(text: &str) -> bool {
    text.split(|character: char| !character.is_alphanumeric()).any(|word| word.chars().count() >= TRIGRAM)
}

impl Ask {
    /// The search that an index can help with.
    fn search(&self) -> Option<(&'static Statement, &str)> {
        let sought = self.filters.iter().find_map(|(filter, value)| match (filter.kind, value) {
            (Kind::Search(_), Value::Text(text)) => Some(text.as_str()),
            _ => None,
        });
        self.list.search.zip(sought.filter(|text| is_indexed(text)))
    }
}

impl Store {
    /// The ids of all rows with the text that is asked for; `None` when nothing is sought, or too many have it.
    pub(super) async fn candidates(&self, tenant: TenantId, ask: &Ask) -> Result<Option<Vec<Uuid>>, StoreError> {
        let Some((statement, text)) = ask.search() else { return Ok(None) };
        // A text that is sought stands in the pattern in small letters, as it does in the index.
        let rows = self.run(tenant, statement, &[&tenant.get(), &pattern(text), &(MAX_CANDIDATES + 1)]).await?;
        let found: Option<Vec<Uuid>> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
        let found = found.unwrap_or_default();
        Ok((i32::try_from(found.len()).is_ok_and(|count| count <= MAX_CANDIDATES)).then_some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_patterns_mean_themselves() {
        assert_eq!(pattern(r"50%_\x"), r"%50\%\_\\x%");
    }

    #[test]
    fn three_letters_in_a_row_are_in_the_index() {
        for (text, is) in
            [("abc", true), ("ab", false), ("a-b c", false), ("a-bcd", true), ("äöü", true), ("%%%", false)]
        {
            assert_eq!(is_indexed(text), is, "{text}");
        }
    }
}
