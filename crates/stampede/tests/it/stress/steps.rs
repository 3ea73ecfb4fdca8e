//! Rising rates against a service that holds, and one that does not.

use super::{read, result_file};
use crate::server::Server;
use crate::{remarked, said, stampede};

/// Limits far above anything: a busy machine's lag is then no doubt.
const WIDE: [&str; 4] = ["--threshold", "p99<60s", "--threshold", "errors<1%"];

#[test]
fn a_service_that_holds_has_no_bend() {
    let server = Server::answering(200);
    let (_folder, file) = result_file();
    let url = server.url();
    let words = ["stress", "http", &url, "--steps", "20,40", "--step", "500ms", "--json", file.to_str().unwrap()];
    let output = stampede(&[&words[..], &WIDE].concat());
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text} {}", remarked(&output));
    assert!(text.contains("highest rate held: 40/s"), "{text}");
    let run = read(&file);
    assert_eq!(run["steps"]["bend"]["bend"], "nowhere");
    assert_eq!(run["steps"]["steps"].as_array().unwrap().len(), 2);
    assert_eq!(server.requests(), 10 + 20);
}

#[test]
fn the_first_broken_step_is_the_bend_and_the_last() {
    let server = Server::answering(500);
    let url = server.url();
    let words = ["stress", "http", &url, "--from", "20", "--to", "80", "--step", "500ms"];
    let output = stampede(&[&words[..], &WIDE].concat());
    let text = said(&output);
    assert_eq!(output.status.code(), Some(99), "{text} {}", remarked(&output));
    assert!(text.contains("FAIL  it bends at 20/s: errors < 1%: 100.00 %"), "{text}");
    assert!(text.contains("no rate was held"), "{text}");
    assert_eq!(server.requests(), 10, "nothing beyond the bend");
    let output = stampede(&[&words[..], &WIDE, &["--beyond"]].concat());
    assert_eq!(output.status.code(), Some(99));
    assert_eq!(server.requests(), 10 + 10 + 20 + 40, "{}", said(&output));
}
