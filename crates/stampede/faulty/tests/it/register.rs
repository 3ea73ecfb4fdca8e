//! Tries to see the bugs of registers and counters. Each try has a name of its own, a product's id.

use serde_json::{Value, json};

use crate::client::{Client, count, together};

const A: &str = "ann@a";

async fn name(url: &str) -> (Client, String) {
    let mut ann = Client::open(url, A).await;
    let name = ann.product(0).await;
    (ann, name)
}

pub(crate) async fn increments_vanish(url: &str) -> bool {
    let (mut ann, name) = name(url).await;
    let path = &format!("/counters/{name}");
    let raise = |_, mut client: Client| async move { client.post(path, json!({"by": 2})).await };
    assert_eq!(count(&together(Client::several(url, A, 8).await, raise).await, 200), 8);
    let end = ann.get(path).await;
    end.int("value") != 16 || end.int("version") != 8
}

pub(crate) async fn two_set_the_same_value(url: &str) -> bool {
    let (_, name) = name(url).await;
    let path = &format!("/registers/{name}/cas");
    let set =
        |index: usize, mut client: Client| async move { client.post(path, json!({"from": null, "to": index})).await };
    count(&together(Client::several(url, A, 8).await, set).await, 200) > 1
}

pub(crate) async fn a_value_read_before_is_read_again(url: &str) -> bool {
    let (mut ann, name) = name(url).await;
    let path = format!("/registers/{name}");
    assert_eq!(ann.get(&path).await.body, json!({"value": null, "version": 0}));
    assert_eq!(ann.ask("PUT", &path, json!({"value": "new"})).await.int("version"), 1);
    ann.get(&path).await.body["value"] == Value::Null
}

pub(crate) async fn a_write_is_not_read(url: &str) -> bool {
    a_value_read_before_is_read_again(url).await
}
