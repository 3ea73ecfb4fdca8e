//! The server's side of a command in a pod: RFC 6455's handshake, and the status on channel 3 as Kubernetes sends it.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha1::{Digest, Sha1};

/// RFC 6455's own.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Takes the connection over and tells how the command ended.
pub(super) fn answer(mut stream: &TcpStream, (key, protocol): (&str, Option<&str>), fails: bool) {
    let accept = STANDARD.encode(Sha1::digest(format!("{key}{GUID}")));
    // The newest that the client offers.
    let protocol = protocol.and_then(|all| all.split(", ").next()).unwrap_or("v4.channel.k8s.io");
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {accept}\r\nsec-websocket-protocol: {protocol}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let status = if fails {
        json!({"metadata": {}, "status": "Failure", "message": "command terminated with exit code 3", "reason": "NonZeroExitCode"})
    } else {
        json!({"metadata": {}, "status": "Success"})
    };
    send(stream, 2, b"no such cluster\n");
    send(stream, 3, status.to_string().as_bytes());
    // Close, code 1000; then wait until the other side has hung up.
    stream.write_all(&[0x88, 2, 0x03, 0xe8]).unwrap();
    drop(stream.read_to_end(&mut Vec::new()));
}

/// One binary frame: the channel, then what is said on it.
fn send(mut stream: &TcpStream, channel: u8, text: &[u8]) {
    let length = text.len() + 1;
    let mut frame = vec![0x82];
    if length < 126 {
        frame.push(u8::try_from(length).unwrap());
    } else {
        frame.push(126);
        frame.extend(u16::try_from(length).unwrap().to_be_bytes());
    }
    frame.push(channel);
    frame.extend(text);
    stream.write_all(&frame).unwrap();
}
