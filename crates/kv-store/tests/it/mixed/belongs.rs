//! Whose something is, told from any column: an id by the tables, a word by its tag, a number of units or of money by the prime that
//! divides all of its tenant's.

use std::collections::HashMap;
use std::fmt::Debug;

use kv_types::TenantId;
use tokio_postgres::Client;
use uuid::Uuid;

/// All units and prices of the tenant with the number of the place, plus one, are multiples of this.
pub(super) const PRIMES: [i64; 3] = [101, 103, 107];

/// What every word of a tenant begins with.
pub(super) fn tag(tenant: TenantId) -> String {
    format!("~{tenant}~")
}

pub(super) fn prime(tenant: TenantId) -> i64 {
    PRIMES[usize::try_from(tenant.get() - 1).unwrap()]
}

/// Columns that hold units or money, by their names in the answers.
fn is_tagged(field: &str) -> bool {
    let is_units = field.ends_with("quantity") || field.starts_with("d_") || field.ends_with("_after");
    is_units || field.ends_with("_minor") || ["delta", "backorder_limit", "available", "promised"].contains(&field)
}

/// Every id that was ever in a table, and whose it is.
#[derive(Default)]
pub(super) struct Owners(HashMap<Uuid, i64>);

impl Owners {
    /// Reads the tables as they are.
    pub(super) async fn learn(&mut self, superuser: &Client) {
        let columns =
            "select c.relname::text, a.attname::text from pg_class c join pg_attribute a on a.attrelid = c.oid
             where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.atttypid = 'uuid'::regtype
               and exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id')";
        for row in superuser.query(columns, &[]).await.unwrap() {
            let (table, column): (String, String) = (row.get(0), row.get(1));
            let ids = format!("select distinct {column}, tenant_id from {table} where {column} is not null");
            for row in superuser.query(&ids, &[]).await.unwrap() {
                let (id, tenant): (Uuid, i64) = (row.get(0), row.get(1));
                let before = self.0.insert(id, tenant);
                assert!(before.is_none_or(|before| before == tenant), "{table}.{column} {id} is of two tenants");
            }
        }
    }

    /// Nothing in the text is another tenant's, and every id in it is one that lasted.
    pub(super) fn assert_own(&self, tenant: TenantId, text: &str, step: impl Debug) {
        for (place, other) in (1..).zip(PRIMES) {
            let is_foreign = place != tenant.get() && text.contains(&format!("~{place}~"));
            assert!(!is_foreign, "{step:?} as {tenant} was told a word of {place} ({other}): {text}");
        }
        for at in 0..text.len() {
            let Some(id) = text.get(at..).and_then(crate::wire::id_at) else { continue };
            assert_eq!(self.0.get(&id), Some(&tenant.get()), "{step:?} as {tenant} was told of {id}: {text}");
        }
        for (field, number) in numbers(text).filter(|(field, _)| is_tagged(field)) {
            assert_eq!(number % prime(tenant), 0, "{step:?} as {tenant} was told {field} {number}: {text}");
        }
    }
}

/// The numbers in a text of the form `field: number`.
fn numbers(text: &str) -> impl Iterator<Item = (&str, i64)> {
    text.match_indices(": ").filter_map(|(at, found)| {
        let field = text[..at].rsplit(|last: char| !last.is_ascii_alphanumeric() && last != '_').next()?;
        let value = text[at + found.len()..].trim_start_matches("Quantity(").trim_start_matches("MinorUnits(");
        let end = value.find(|next: char| !next.is_ascii_digit() && next != '-').unwrap_or(value.len());
        Some((field, value[..end].parse().ok()?))
    })
}

#[test]
fn numbers_are_read_with_their_fields() {
    let text = "StockLevel { quantity: -202, price: MinorUnits(7), kind: \"x\", d_shipped: 3 }";
    assert_eq!(numbers(text).collect::<Vec<_>>(), [("quantity", -202), ("price", 7), ("d_shipped", 3)]);
}

/// The check finds what it is there for, whatever column it stands in.
#[test]
fn what_is_another_tenants_is_recognised() {
    let (one, mine, other, lost) =
        (TenantId::new(1).unwrap(), Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let owners = Owners(HashMap::from([(mine, 1), (other, 2)]));
    let is_own = |text: &str| std::panic::catch_unwind(|| owners.assert_own(one, text, "a step")).is_ok();
    assert!(is_own(&format!("Level {{ id: {mine}, name: \"~1~x\", quantity: 202, version: 7 }}")));
    for foreign in [format!("id: {other}"), format!("id: {lost}"), "\"~2~x\"".to_owned(), "quantity: 103".to_owned()] {
        assert!(!is_own(&foreign), "{foreign}");
    }
}
