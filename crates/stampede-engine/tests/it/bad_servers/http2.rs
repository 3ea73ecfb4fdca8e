//! HTTP/2 by hand: frames written as bytes, so that they can be wrong.

use std::io;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stampede_engine::http::{Transport, Wire};
use stampede_engine::load::{LoadPlan, Reuse};
use stampede_model::failure::FailureKind;

use super::peer::{Peer, Server};
use super::{HASTY, PATIENT, REQUESTS, all_fail_as, all_succeed, carried_out, get, plan};

const PREFACE: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200`, by its number in the static table.
const STATUS_200: u8 = 0x88;
const MAX_CONCURRENT_STREAMS: u8 = 3;
/// A server that waits for what never comes gives up, so that the test can say what was wrong.
const GRACE: Duration = Duration::from_secs(5);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn answer(stream: u32) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, stream, &[STATUS_200]), frame(DATA, END_STREAM, stream, b"hello")].concat()
}

/// Speaks HTTP/2 and answers each request by what `answer` makes of its stream's number.
fn speak(
    peer: &mut Peer,
    streams_max: u32,
    mut answer: impl FnMut(&mut Peer, u32) -> io::Result<()>,
) -> io::Result<()> {
    if peer.read_exactly(PREFACE)?.is_none() {
        return Ok(());
    }
    let mut setting = vec![0, MAX_CONCURRENT_STREAMS];
    setting.extend(streams_max.to_be_bytes());
    peer.send(&frame(SETTINGS, 0, 0, &setting))?;
    while let Some(head) = peer.read_exactly(9)? {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags, stream) = (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        let Some(payload) = peer.read_exactly(length)? else { break };
        match (kind, flags & ACK) {
            (SETTINGS, 0) => peer.send(&frame(SETTINGS, ACK, 0, &[]))?,
            (PING, 0) => peer.send(&frame(PING, ACK, 0, &payload))?,
            (HEADERS, _) => {
                peer.count_request();
                answer(peer, stream)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A good server.
pub(super) fn serve(peer: &mut Peer) -> io::Result<()> {
    speak(peer, 100, |peer, stream| peer.send(&answer(stream)))
}

fn load(server: &Server, slots: u32) -> LoadPlan {
    plan(get(&server.url(), Transport::H2), slots, PATIENT)
}

#[test]
fn slots_share_one_connection() {
    let server = Server::start(serve);
    let result = all_succeed(&load(&server, 6));
    assert_eq!((server.connections(), result.traffic.connections), (1, 1));
    assert_eq!(server.requests(), REQUESTS);
    assert_eq!(result.traffic.body_bytes, 5 * REQUESTS);
    assert!(result.traffic.received_bytes > 5 * REQUESTS && result.traffic.sent_bytes > 0);
}

#[test]
fn the_servers_and_the_plans_limit_of_streams_are_kept() {
    for (by_server, by_plan, connections) in [(2, 100, 3), (100, 3, 2), (100, 1, 6)] {
        let server = Server::start(move |peer| speak(peer, by_server, |peer, stream| peer.send(&answer(stream))));
        let streams_per_connection = NonZeroU32::new(by_plan).unwrap();
        let wire = Wire { transport: Some(Transport::H2), streams_per_connection, ..Wire::default() };
        let mut plan = load(&server, 6);
        plan.requests = vec![plan.requests[0].clone().over(wire)];
        let result = all_succeed(&plan);
        assert_eq!((server.connections(), result.traffic.connections), (connections, connections));
    }
}

#[test]
fn a_connection_of_one_stream_is_opened_anew_for_each_request() {
    let server = Server::start(serve);
    let wire = Wire { transport: Some(Transport::H2), streams_per_connection: NonZeroU32::MIN, ..Wire::default() };
    let mut plan = load(&server, 2);
    plan.requests = vec![plan.requests[0].clone().over(wire)];
    plan.reuse = Reuse::PerRequest;
    all_succeed(&plan);
    assert_eq!(server.connections(), REQUESTS);
}

#[test]
fn a_goaway_in_the_middle_fails_what_it_names_and_nothing_else() {
    let connection = AtomicU64::new(0);
    let server = Server::start(move |peer| {
        // The probe before the run says nothing and is not counted.
        let mut mine = None;
        speak(peer, 100, |peer, stream| {
            let number = *mine.get_or_insert_with(|| connection.fetch_add(1, Ordering::SeqCst));
            if number == 0 && stream >= 5 {
                // The last stream that was worked on, and no error.
                return peer.send(&frame(GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]));
            }
            peer.send(&answer(stream))
        })
    });
    let result = carried_out(&load(&server, 1));
    assert_eq!(result.failures_of(FailureKind::H2GoAway), 1, "{:?}", result.failures);
    assert_eq!((result.counts.succeeded, server.requests()), (REQUESTS - 1, REQUESTS), "nothing was sent again");
    assert_eq!(server.connections(), 2);
}

#[test]
fn after_a_goaway_new_requests_take_a_new_connection_while_old_ones_are_still_answered() {
    let (connection, elsewhere) = (AtomicU64::new(0), AtomicU64::new(0));
    let server = Server::start(move |peer| {
        let mut mine = None;
        speak(peer, 100, |peer, stream| {
            let number = *mine.get_or_insert_with(|| connection.fetch_add(1, Ordering::SeqCst));
            match (number, stream) {
                (0, 1) => Ok(()),
                (0, 3) => {
                    // Both streams are still answered, the first one late.
                    peer.send(&[frame(GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]), answer(3)].concat())?;
                    let until = Instant::now() + GRACE;
                    while elsewhere.load(Ordering::SeqCst) == 0 && Instant::now() < until {
                        std::thread::yield_now();
                    }
                    peer.send(&answer(1))
                }
                _ => {
                    elsewhere.fetch_add(1, Ordering::SeqCst);
                    peer.send(&answer(stream))
                }
            }
        })
    });
    let mut plan = load(&server, 2);
    plan.threads = NonZeroU32::MIN;
    all_succeed(&plan);
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_reset_stream_leaves_the_others_alone() {
    let server = Server::start(|peer| {
        speak(peer, 100, |peer, stream| {
            let every_third = (stream / 2) % 3 == 2;
            // CANCEL.
            let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
            peer.send(&if every_third { reset } else { answer(stream) })
        })
    });
    let result = carried_out(&load(&server, 3));
    assert_eq!(result.failures_of(FailureKind::H2StreamReset), 2, "{:?}", result.failures);
    assert_eq!((result.counts.succeeded, server.connections()), (REQUESTS - 2, 1));
}

#[test]
fn broken_frames_and_other_protocols() {
    let habits: [fn(&mut Peer, u32) -> io::Result<()>; 3] = [
        // Data before its headers.
        |peer, stream| peer.send(&frame(DATA, END_STREAM, stream, b"hello")),
        // A frame on a stream that nobody opened.
        |peer, _| peer.send(&frame(HEADERS, END_HEADERS, 99, &[STATUS_200])),
        // Less data than the head announces: content-length by its number in the static table, then "9".
        |peer, stream| {
            let head = frame(HEADERS, END_HEADERS, stream, &[STATUS_200, 0x0f, 0x0d, 1, b'9']);
            peer.send(&[head, frame(DATA, END_STREAM, stream, b"hello")].concat())
        },
    ];
    for habit in habits {
        let server = Server::start(move |peer| speak(peer, 100, habit));
        all_fail_as(&load(&server, 2), FailureKind::H2Protocol);
    }
    let server = Server::start(|peer| {
        if peer.read_request()? {
            peer.send_and_close(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        } else {
            Ok(())
        }
    });
    all_fail_as(&load(&server, 2), FailureKind::H2Protocol);
}

#[test]
fn a_connection_that_ends_without_goodbye_was_closed_early() {
    let server = Server::start(|peer| speak(peer, 100, |peer, stream| peer.send_and_close(&answer(stream)[..10])));
    all_fail_as(&load(&server, 1), FailureKind::ClosedEarly);
}

#[test]
fn a_silent_stream_times_out() {
    let server = Server::start(|peer| speak(peer, 100, |_, _| Ok(())));
    let mut plan = load(&server, 2);
    plan.timeout = HASTY;
    let result = carried_out(&plan);
    assert_eq!(result.failures_of(FailureKind::Timeout), REQUESTS, "{:?}", result.failures);
}
