//! Tries to see the bugs between tenants: what is Ann's carries a word that Bob must never read.

use serde_json::json;

use crate::client::{Answer, Client, together};

const CANARY: &str = "cnry-a-1";

async fn anns_product(url: &str) -> (Client, Client, String) {
    let (mut ann, bob) = (Client::open(url, "ann@a").await, Client::open(url, "bob@b").await);
    let answer = ann.post("/products", json!({"sku": "s", "note": CANARY})).await;
    let id = answer.text("id");
    (ann, bob, id)
}

fn told(answer: &Answer) -> bool {
    answer.body.to_string().contains(CANARY)
}

pub(crate) async fn a_search_finds_foreign_rows(url: &str) -> bool {
    let (mut ann, mut bob, _) = anns_product(url).await;
    assert!(told(&ann.get("/search?q=cnry%2Da").await));
    told(&bob.get("/search?q=cnry-a").await)
}

pub(crate) async fn a_foreign_product_is_shown(url: &str) -> bool {
    let (mut ann, mut bob, id) = anns_product(url).await;
    assert!(told(&ann.get(&format!("/products/{id}")).await));
    let answer = bob.get(&format!("/products/{id}")).await;
    assert_eq!(answer.status == 200, told(&answer));
    answer.status == 200
}

pub(crate) async fn an_error_tells_of_a_foreign_row(url: &str) -> bool {
    let (_, mut bob, id) = anns_product(url).await;
    let answer = bob.get(&format!("/products/{id}")).await;
    assert_eq!(answer.status, 404);
    told(&answer)
}

pub(crate) async fn a_list_shows_foreign_rows(url: &str) -> bool {
    anns_product(url).await;
    let mut clients = Vec::new();
    for who in ["ann@a", "ann@a", "bob@b", "bob@b", "ann@a", "ann@a", "bob@b", "bob@b"] {
        clients.push(Client::open(url, who).await);
    }
    let list = |index: usize, mut client: Client| async move {
        let leaked = told(&client.get("/products?limit=100").await);
        leaked && index / 2 % 2 == 1
    };
    together(clients, list).await.contains(&true)
}

pub(crate) async fn a_foreign_product_is_changed(url: &str) -> bool {
    let (mut ann, mut bob, id) = anns_product(url).await;
    let path = format!("/products/{id}");
    let answer = bob.ask("PATCH", &path, json!({"note": "bob was here"})).await;
    assert_eq!(answer.status == 200, !told(&ann.get(&path).await));
    answer.status == 200
}
