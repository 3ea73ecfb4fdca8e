//! Free TCP ports on 127.0.0.1. A port is free only at the moment of asking, so callers that let the system choose try again.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// How often a server is started anew when somebody took its port between the choice and the bind.
pub(crate) const ATTEMPTS: u32 = 5;

/// A port of 127.0.0.1 that nobody listens on right now.
pub fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Whether somebody listens on the port, or holds it otherwise.
pub(crate) fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}
