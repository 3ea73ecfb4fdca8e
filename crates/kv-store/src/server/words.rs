//! The words on encryption, taken out of a connection string: the library knows two of their values only.

use tokio_postgres::config::SslMode;

use super::BadServer;
use super::tls::{Files, Tls, Trust};

/// A connection string in two parts.
#[derive(Debug)]
pub(super) struct Words {
    /// Without the words on encryption.
    pub(super) others: String,
    /// Those words.
    pub(super) ssl: Ssl,
}

/// What is said of encryption.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ssl {
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Ssl {
    /// The place of a word's value; `None` for a word that is about something else.
    fn place(&mut self, word: &str) -> Option<&mut Option<String>> {
        match word {
            "sslmode" => Some(&mut self.mode),
            "sslrootcert" => Some(&mut self.root),
            "sslcert" => Some(&mut self.certificate),
            "sslkey" => Some(&mut self.key),
            _ => None,
        }
    }

    /// What is asked of the server, and with which certificates.
    pub(super) fn read(&self) -> Result<(SslMode, Tls), BadServer> {
        let Self { mode, root, certificate, key } = self;
        let files = Files { root: root.as_deref(), certificate: certificate.as_deref(), key: key.as_deref() };
        // Whoever names an authority wants it believed, as with libpq.
        let by_file = if root.is_some() { Trust::Authority } else { Trust::Anybody };
        let (mode, trust) = match mode.as_deref() {
            None => {
                let idle = [("sslrootcert", root), ("sslcert", certificate), ("sslkey", key)];
                return match idle.into_iter().find(|(_, value)| value.is_some()) {
                    Some((word, _)) => Err(BadServer::Idle { word }),
                    None => Ok((SslMode::Disable, Tls::OFF)),
                };
            }
            Some("disable") => return Ok((SslMode::Disable, Tls::OFF)),
            Some("prefer") => (SslMode::Prefer, by_file),
            Some("require") => (SslMode::Require, by_file),
            Some("verify-ca") => (SslMode::Require, Trust::Authority),
            Some("verify-full") => (SslMode::Require, Trust::AuthorityAndName),
            Some(given) => return Err(BadServer::Mode { given: given.to_owned() }),
        };
        // Anybody can have a certificate of those for some name of their own.
        if trust == Trust::Authority && root.as_deref().is_none_or(|root| root == "system") {
            return Err(BadServer::AnyName);
        }
        Ok((mode, Tls::on(trust, &files)?))
    }
}

/// Takes the words on encryption out; `None` when the string cannot be read.
pub(super) fn split(raw: &str) -> Option<Words> {
    let is_url = raw.starts_with("postgresql://") || raw.starts_with("postgres://");
    if is_url { split_url(raw) } else { split_words(raw) }
}

fn split_url(raw: &str) -> Option<Words> {
    let mut ssl = Ssl::default();
    // What stands before the first @ is a login, whose password may have the sign in it.
    let behind_login = raw.find('@').unwrap_or(0);
    let Some(query_at) = raw[behind_login..].find('?').map(|at| behind_login + at) else {
        return Some(Words { others: raw.to_owned(), ssl });
    };
    let mut others = Vec::new();
    for pair in raw[query_at + 1..].split('&') {
        let (word, value) = pair.split_once('=').unwrap_or((pair, ""));
        match ssl.place(word) {
            Some(place) => *place = Some(decoded(value)?),
            None => others.push(pair),
        }
    }
    let mark = if others.is_empty() { "" } else { "?" };
    Some(Words { others: format!("{}{mark}{}", &raw[..query_at], others.join("&")), ssl })
}

/// A value without its percent-encoding.
fn decoded(value: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(value.len()), value.as_bytes());
    while let [first, behind @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = behind;
            continue;
        }
        let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &behind[2..];
    }
    String::from_utf8(bytes).ok()
}

/// `key = value` words, a value with spaces in single quotes; a backslash takes the next sign as it is.
fn split_words(raw: &str) -> Option<Words> {
    let (mut ssl, mut others) = (Ssl::default(), String::new());
    let mut rest = raw.trim_start();
    while !rest.is_empty() {
        let (word, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let (value, length) = value_of(behind)?;
        if let Some(place) = ssl.place(word.trim()) {
            *place = Some(value);
        } else {
            others.push_str(word.trim());
            others.push('=');
            others.push_str(&behind[..length]);
            others.push(' ');
        }
        rest = behind[length..].trim_start();
    }
    Some(Words { others, ssl })
}

/// The value that a text begins with, and how many bytes of the text it takes.
fn value_of(text: &str) -> Option<(String, usize)> {
    let is_quoted = text.starts_with('\'');
    let (mut value, mut signs) = (String::new(), text.char_indices().skip(usize::from(is_quoted)));
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => value.push(signs.next()?.1),
            '\'' if is_quoted => return Some((value, at + 1)),
            sign if !is_quoted && sign.is_whitespace() => return Some((value, at)),
            sign => value.push(sign),
        }
    }
    (!is_quoted).then_some((value, text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssl(mode: &str, root: &str) -> Ssl {
        Ssl { mode: Some(mode.to_owned()), root: Some(root.to_owned()), ..Ssl::default() }
    }

    #[test]
    fn the_words_are_taken_out_of_both_forms() {
        for (raw, others) in [
            ("postgresql://u:p?a@h/d?a=1&sslmode=verify-ca&b=2&sslrootcert=%2Fa%20b", "postgresql://u:p?a@h/d?a=1&b=2"),
            ("postgres://h/d?sslrootcert=/a b&sslmode=verify-ca", "postgres://h/d"),
            (
                "host=h sslmode = verify-ca password='a\\' b' sslrootcert='/a b' dbname=d",
                "host=h password='a\\' b' dbname=d ",
            ),
            ("sslmode='verify-ca' sslrootcert=/a\\ b", ""),
        ] {
            let words = split(raw).unwrap();
            assert_eq!((words.others.as_str(), words.ssl), (others, ssl("verify-ca", "/a b")), "{raw}");
        }
        assert_eq!(split("postgresql://u:p@h/d").unwrap().others, "postgresql://u:p@h/d");
    }

    #[test]
    fn an_authority_that_vouches_for_everybody_needs_the_name() {
        let of = |mode: &str, root: Option<&str>| Ssl { root: root.map(str::to_owned), ..ssl(mode, "") }.read();
        for (mode, root) in [("verify-ca", None), ("verify-ca", Some("system")), ("require", Some("system"))] {
            let refused = of(mode, root).unwrap_err();
            assert!(matches!(refused, BadServer::AnyName), "{mode} {root:?}: {refused}");
        }
        assert!(
            of("verify-full", Some("system")).is_ok() && of("verify-full", None).is_ok() && of("require", None).is_ok()
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in ["host", "host='h", "host=h \\", "postgresql://h/d?sslmode=%2", "postgresql://h/d?sslmode=%zz"] {
            assert!(split(bad).is_none(), "{bad}");
        }
    }
}
