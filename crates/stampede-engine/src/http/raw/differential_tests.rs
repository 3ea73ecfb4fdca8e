//! Valid answers, read by this parser and by hyper: both must tell the same.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::answer::{AnswerHead, Lines};
use super::parser::Asked;
use super::trace::{End, trace};

#[derive(Clone, Debug)]
enum Framing {
    Length,
    Chunks(Vec<usize>),
    UntilClose,
}

/// A valid answer and what was asked for it.
fn answers() -> impl Strategy<Value = (Vec<u8>, Asked)> {
    let framing = prop_oneof![
        Just(Framing::Length),
        vec(1..50_usize, 1..5).prop_map(Framing::Chunks),
        Just(Framing::UntilClose),
    ];
    let status = prop_oneof![4 => Just(200_u16), 1 => Just(204), 1 => Just(304), 2 => 200..600_u16];
    let headers = vec(("x-[a-z]{1,9}", "[!-~]([ -~]{0,20}[!-~])?"), 0..6);
    let body = vec(any::<u8>(), 0..200);
    (status, headers, framing, body, 0..3_usize, any::<bool>()).prop_map(
        |(status, headers, framing, body, interim, head)| {
            let asked = if head { Asked::HeadOnly } else { Asked::Whole };
            let mut bytes = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(interim);
            bytes.extend(format!("HTTP/1.1 {status} Said\r\n").into_bytes());
            for (name, value) in headers {
                bytes.extend(format!("{name}: {value}\r\n").into_bytes());
            }
            let bodiless = head || status == 204 || status == 304;
            match framing {
                Framing::Length => bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes()),
                Framing::Chunks(_) => bytes.extend(b"transfer-encoding: chunked\r\n\r\n"),
                Framing::UntilClose => bytes.extend(b"\r\n"),
            }
            match framing {
                _ if bodiless => {}
                Framing::Length | Framing::UntilClose => bytes.extend(body),
                Framing::Chunks(sizes) => {
                    let mut rest = body.as_slice();
                    for size in sizes.iter().cycle() {
                        let (chunk, after) = rest.split_at(rest.len().min(*size));
                        bytes.extend(format!("{:x};n=1\r\n", chunk.len()).into_bytes());
                        if chunk.is_empty() {
                            break;
                        }
                        bytes.extend([chunk, b"\r\n"].concat());
                        rest = after;
                    }
                    bytes.extend(b"x-sum: 1\r\n\r\n");
                }
            }
            (bytes, asked)
        },
    )
}

/// Status, header lines and body as hyper reads them from a server that sends `bytes` and closes.
async fn by_hyper(bytes: Vec<u8>, asked: Asked) -> (u16, http::HeaderMap, Vec<u8>) {
    let (client, mut server) = tokio::io::duplex(1 << 16);
    let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await.unwrap();
    let serve = async move {
        // The request has no body: an empty line ends it.
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert_ne!(server.read_buf(&mut request).await.unwrap(), 0);
        }
        server.write_all(&bytes).await.unwrap();
    };
    let method = if asked == Asked::HeadOnly { "HEAD" } else { "GET" };
    let request = http::Request::builder().method(method).uri("/").body(Full::<Bytes>::default()).unwrap();
    let ask = async move {
        let response = sender.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        (head.status.as_u16(), head.headers, body.collect().await.unwrap().to_bytes().to_vec())
    };
    let (answer, _, ()) = tokio::join!(ask, connection, serve);
    answer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn both_read_the_same((bytes, asked) in answers(), cuts in vec(1..60_usize, 1..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (status, headers, body) = runtime.block_on(by_hyper(bytes.clone(), asked));
        let ours = trace(&bytes, &cuts, asked);
        let (our_status, head) = ours.head.unwrap();
        prop_assert_eq!(our_status, status);
        prop_assert_eq!(ours.body, body);
        let head = AnswerHead { version: http::Version::HTTP_11, lines: Lines::Bytes(&head) };
        prop_assert_eq!(head.headers(), headers);
        match ours.end {
            End::Complete { used, .. } => prop_assert_eq!(used, bytes.len()),
            end => prop_assert_eq!(end, End::Open(Ok(()))),
        }
    }
}
