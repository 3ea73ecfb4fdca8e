//! `HAProxy` instead of the balancer of the house, where the file asks for it.

use sandbox::testing::eventually;
use serde_json::Value;

use super::place::{Place, all, is_alive};
use super::{LONG, remarked, said, stampede};

#[tokio::test]
async fn haproxy_stands_before_the_replicas_where_it_is_asked_for() {
    let place = Place::with_haproxy();
    let url = format!("{}/readyz", place.status()["url"].as_str().unwrap());
    let answered = |what: &str| {
        let output = stampede(&["load", &url, "-c", "8", "-n", "200", "--threshold", "errors<=0%", "--no-tui"]);
        assert!(output.status.success(), "{what}: {}{}", said(&output), remarked(&output));
    };
    answered("two replicas");
    let log = std::fs::read_to_string(place.run().join("log/haproxy-gw.log")).unwrap();
    assert!(log.contains("Loading success"), "it is not HAProxy that answers: {log}");
    let connections = |status: &Value, name: &str| {
        let links = all(&status["links"]).iter().filter(|link| link["name"] == name);
        links.map(|link| link["listening"] == true).collect::<Vec<_>>()
    };
    for name in ["client-gw", "client-gw-1", "client-gw-2"] {
        assert_eq!(connections(&place.status(), name), [true], "{name}: {:#}", place.status()["links"]);
    }
    // Replicas come and go; whoever left is not asked any more.
    for replicas in ["gw=3", "gw=1", "gw=2"] {
        let output = place.say(&["cluster", "scale", replicas]);
        assert!(output.status.success(), "{replicas}: {}", remarked(&output));
        answered(replicas);
    }
    // A replica that dies, and one whose way is cut, are found out by its own checks, and what could not be sent goes to another.
    let output = place.say(&["chaos", "kill", "--on", "gw-1"]);
    assert!(output.status.success(), "{}", remarked(&output));
    answered("after a kill");
    let mut cutting = place.command(&["chaos", "cut", "--on", "client-gw-1", "--for", "60s"]).spawn().unwrap();
    eventually(LONG, async || place.entries("injected") == 2).await;
    answered("with a way cut");
    cutting.kill().unwrap();
    cutting.wait().unwrap();
    eventually(LONG, async || place.troubles().is_empty()).await;
    let processes = place.processes();
    assert!(place.say(&["cluster", "down"]).status.success());
    eventually(LONG, async || processes.iter().all(|one| !is_alive(*one))).await;
}
