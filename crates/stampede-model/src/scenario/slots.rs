//! Texts with slots, taken apart: `{name}`, `{feed.column}`, `{random 1..6}`, `${env:NAME}`; `{{` and `}}` are braces.
//!
//! Invariant: every piece knows which bytes of the text it came from, so that a mistake can be shown where it stands.
//! Absent on purpose: what a name means; that is the compiler's business.

use std::ops::Range;

/// A part of a text, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    /// What stands between the braces, trimmed.
    Slot {
        name: String,
        at: Range<usize>,
    },
    /// A name in the environment.
    Env {
        name: String,
        at: Range<usize>,
    },
}

/// A text that cannot be taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadText {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

const BRACE: &str = "write {{ and }} for braces themselves";

/// Takes `text` apart.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, BadText> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            literal.push(letter);
            at += 2;
        } else if letter == '{' || rest.starts_with("${env:") {
            let open = at + usize::from(letter == '$');
            let Some(length) = text[open..].find('}') else {
                return Err(BadText { at: at..text.len(), message: "this brace is never closed".into(), hint: BRACE });
            };
            let whole = at..open + length + 1;
            let inside = text[open + 1..open + length].trim();
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            at = whole.end;
            pieces.push(slot(inside, letter, whole)?);
        } else if letter == '}' {
            return Err(BadText { at: at..at + 1, message: "this brace closes nothing".into(), hint: BRACE });
        } else {
            literal.push(letter);
            at += letter.len_utf8();
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn slot(inside: &str, letter: char, at: Range<usize>) -> Result<Piece, BadText> {
    if let Some(name) = inside.strip_prefix("env:").filter(|_| letter == '$') {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(legal) {
            let message = format!("`{name}` is no name of a variable of the environment");
            return Err(BadText { at, message, hint: "letters, digits and _, such as ${env:ERP_URL}" });
        }
        return Ok(Piece::Env { name: name.to_owned(), at });
    }
    if inside.starts_with("env:") || inside.starts_with("env.") {
        return Err(BadText {
            at,
            message: "the environment is written with a dollar sign".into(),
            hint: "write ${env:NAME}",
        });
    }
    let is_name = inside.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && inside.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c));
    if !is_name {
        let message = format!("`{{{inside}}}` is no slot");
        let hint = "a slot is {name}, {feed.column} or {random 1..100}; write {{ and }} for braces themselves";
        return Err(BadText { at, message, hint });
    }
    Ok(Piece::Slot { name: inside.to_owned(), at })
}

/// The bounds of `random 1..100`; `None` when the text asks for something else.
pub(super) fn random_bounds(name: &str) -> Option<Result<(i64, i64), &'static str>> {
    let bounds = name.strip_prefix("random")?;
    if !bounds.is_empty() && !bounds.starts_with(' ') {
        return None;
    }
    let both = bounds.trim().split_once("..").and_then(|(from, to)| {
        Some((from.trim().parse::<i64>().ok()?, to.trim().trim_start_matches('=').parse::<i64>().ok()?))
    });
    Some(match both {
        Some((from, to)) if from <= to => Ok((from, to)),
        Some(_) => Err("the first number is not above the second"),
        None => Err("write two whole numbers, as in {random 1..100}; both may come out"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_comes_apart() {
        let name = |name: &str, at| Piece::Slot { name: name.into(), at };
        assert_eq!(
            pieces("/p/{id}?a={{b}}${env:KEY}{random 1..6}$").unwrap(),
            [
                Piece::Literal("/p/".into()),
                name("id", 3..7),
                Piece::Literal("?a={b}".into()),
                Piece::Env { name: "KEY".into(), at: 15..25 },
                name("random 1..6", 25..38),
                Piece::Literal("$".into()),
            ]
        );
        assert_eq!(pieces("${id}").unwrap(), [Piece::Literal("$".into()), name("id", 1..5)]);
        assert_eq!(pieces("").unwrap(), []);
    }

    #[test]
    fn mistakes_are_placed() {
        for (text, at, word) in [
            ("ab{c", 2..4, "never closed"),
            ("ab}c", 2..3, "closes nothing"),
            ("a{}", 1..3, "is no slot"),
            ("{1a}", 0..4, "is no slot"),
            ("{a:b}", 0..5, "is no slot"),
            ("${env:}", 0..7, "environment"),
            ("{env:KEY}", 0..9, "dollar sign"),
        ] {
            let bad = pieces(text).unwrap_err();
            assert_eq!(bad.at, at, "{text}");
            assert!(bad.message.contains(word), "{text}: {}", bad.message);
        }
    }

    #[test]
    fn bounds_are_read() {
        assert_eq!(random_bounds("random 1..6"), Some(Ok((1, 6))));
        assert_eq!(random_bounds("random -5 .. 5"), Some(Ok((-5, 5))));
        assert!(random_bounds("random 6..1").unwrap().is_err());
        assert!(random_bounds("random").unwrap().is_err());
        assert_eq!(random_bounds("randomly"), None);
    }

    proptest! {
        #[test]
        fn escaped_text_is_itself(text in ".{0,40}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            let back: String = pieces(&escaped).unwrap().into_iter().map(|piece| match piece {
                Piece::Literal(literal) => literal,
                other => panic!("{other:?} in an escaped text"),
            }).collect();
            prop_assert_eq!(back, text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[{}$a-c :.é]{0,30}") {
            if let Err(bad) = pieces(&text) {
                prop_assert!(text.get(bad.at).is_some(), "the place is a part of the text");
            }
        }
    }
}
