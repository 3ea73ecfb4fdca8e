//! Transactions: two objects changed together, named in either order.

use std::io::Write;

use rand::RngExt as _;
use serde_json::{Value, json};
use stampede_model::history::Fields;
use stampede_model::target::Scope;

use super::super::WorkloadError;
use super::super::client::{Client, Intent};
use super::super::look::Look;

/// Nothing to remember.
#[derive(Debug, Default)]
pub(in super::super) struct Transacting;

impl Transacting {
    pub(super) async fn act<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let role = client.choose(|_| true);
        let (a, b) = pair(client);
        let (key_a, key_b) = (client.shared.objects[a].key.clone(), client.shared.objects[b].key.clone());
        if role == Some("snapshot") {
            let input = Fields::new().with("keys", json!([key_a]));
            let look = Look::Lines(vec![(key_a, Value::Null)]);
            client
                .perform(Intent {
                    role: "snapshot",
                    object: a,
                    key: Some(String::new()),
                    input,
                    look,
                    ..Intent::default()
                })
                .await?;
            return Ok(());
        }
        let name = |object: usize| client.shared.objects[object].scope.get("id").cloned().unwrap_or(Value::Null);
        let slots = Scope::default().with("key_a", name(a)).with("key_b", name(b)).with("units", 1);
        let (role, input) = if role == Some("snapshot-of-two") {
            ("snapshot-of-two", Fields::new().with("keys", json!([key_a, key_b])))
        } else {
            let lines = json!([{"key": key_a, "units": 1}, {"key": key_b, "units": 1}]);
            ("order", Fields::new().with("lines", lines))
        };
        let look = Look::Lines(vec![(key_a, name(a)), (key_b, name(b))]);
        let intent = Intent { role, object: a, key: Some(String::new()), input, slots, look, ..Intent::default() };
        client.perform(intent).await?;
        Ok(())
    }
}

/// Two different objects, in any order.
fn pair<W: Write>(client: &mut Client<'_, '_, W>) -> (usize, usize) {
    let count = client.shared.objects.len();
    let a = client.rng.random_range(0..count);
    let b = (a + client.rng.random_range(1..count)) % count;
    (a, b)
}
