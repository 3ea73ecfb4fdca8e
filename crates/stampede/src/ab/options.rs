//! The flags ab has, which of them take a value, and which are understood here.
//!
//! Invariant: a flag of ab's is either honoured or refused with its reason; none is silently ignored.
use crate::print::Append;

/// What a flag of ab's means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// Honoured, without a value.
    Plain,
    /// Honoured, with a value.
    Valued,
    /// Part of ab, but not of this tool.
    Refused(&'static str),
}

/// Every flag of ab 2.3, with its line of help.
const FLAGS: [(char, Flag, &str); 34] = [
    ('n', Flag::Valued, "requests to send"),
    ('c', Flag::Valued, "requests at a time"),
    ('t', Flag::Valued, "seconds to spend at most; implies -n 50000"),
    ('s', Flag::Valued, "seconds to wait for each answer (30)"),
    ('p', Flag::Valued, "file with data to POST"),
    ('u', Flag::Valued, "file with data to PUT"),
    ('T', Flag::Valued, "content type of that data (text/plain)"),
    ('H', Flag::Valued, "header line, such as 'Accept: text/html'; may be repeated"),
    ('C', Flag::Valued, "cookie, such as 'a=1'; may be repeated"),
    ('A', Flag::Valued, "user:password for basic authentication"),
    ('m', Flag::Valued, "method"),
    ('g', Flag::Valued, "write every request to a file for gnuplot"),
    ('e', Flag::Valued, "write the percentages to a CSV file"),
    ('v', Flag::Valued, "verbosity; from 2 on one request is shown before the run"),
    ('k', Flag::Plain, "keep connections alive"),
    ('i', Flag::Plain, "HEAD instead of GET"),
    ('d', Flag::Plain, "no table of percentages"),
    ('S', Flag::Plain, "no deviations, medians and warnings"),
    ('q', Flag::Plain, "no progress"),
    ('l', Flag::Plain, "answers may differ in length"),
    ('r', Flag::Plain, "go on after socket errors (always so here)"),
    ('V', Flag::Plain, "print the version"),
    ('h', Flag::Plain, "print this"),
    ('w', Flag::Refused("tables in HTML are not printed"), ""),
    ('x', Flag::Refused("tables in HTML are not printed"), ""),
    ('y', Flag::Refused("tables in HTML are not printed"), ""),
    ('z', Flag::Refused("tables in HTML are not printed"), ""),
    ('X', Flag::Refused("proxies are not supported"), ""),
    ('P', Flag::Refused("proxies are not supported"), ""),
    ('b', Flag::Refused("the socket's window is left to the system"), ""),
    ('B', Flag::Refused("the local address is left to the system"), ""),
    ('I', Flag::Refused("the choices of TLS are left to this program"), ""),
    ('Z', Flag::Refused("the choices of TLS are left to this program"), ""),
    ('f', Flag::Refused("the choices of TLS are left to this program"), ""),
];

/// What `flag` means; `None` when ab has no such flag.
pub(super) fn meaning(flag: char) -> Option<Flag> {
    if flag == 'E' {
        return Some(Flag::Refused("the choices of TLS are left to this program"));
    }
    FLAGS.iter().find(|(name, ..)| *name == flag).map(|(_, meaning, _)| *meaning)
}

/// The help text.
pub(super) fn help() -> String {
    let mut text = "Usage: stampede ab [options] http://hostname[:port]/path\nOptions are ApacheBench's:\n".to_owned();
    for (name, meaning, help) in FLAGS {
        match meaning {
            Flag::Plain => text.append(format_args!("    -{name}        {help}\n")),
            Flag::Valued => text.append(format_args!("    -{name} VALUE  {help}\n")),
            Flag::Refused(_) => {}
        }
    }
    text.push_str("Exit code 0 as ab's, whatever the answers; 1 nothing measured, 2 bad arguments, 130 interrupted.\n");
    text
}
