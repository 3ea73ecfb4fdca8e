//! Any bytes as an answer: nothing may panic, no cut may change what is told, and the accounts must add up.
//!
//! The first bytes of an input choose what was asked and how the rest is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stampede_engine::http::fuzzing::{After, Asked, End, trace};

fuzz_target!(|input: &[u8]| {
    let [asked, first, second, answer @ ..] = input else { return };
    let asked = if asked % 4 == 0 { Asked::HeadOnly } else { Asked::Whole };
    let whole = trace(answer, &[], asked);
    let cuts = [usize::from(*first), usize::from(*second)];
    for cuts in [&cuts[..], &cuts[..1], &[1]] {
        assert_eq!(trace(answer, cuts, asked), whole, "cut by {cuts:?}");
    }
    let head_bytes = whole.head.as_ref().map_or(0, |(_, head)| head.len());
    if asked == Asked::HeadOnly {
        assert!(whole.body.is_empty(), "a body after HEAD");
    }
    match whole.end {
        End::Complete { used, after } => {
            let (status, head) = whole.head.as_ref().expect("an answer without a head");
            assert!(used <= answer.len() && head_bytes + whole.body.len() <= used, "more told than taken");
            assert!(!matches!(status, 204 | 304) || whole.body.is_empty(), "a body that cannot be");
            // What was taken is the answer, all of it and no more.
            assert_eq!(trace(&answer[..used], &[], asked), whole);
            assert!(!matches!(trace(&answer[..used - 1], &[], asked).end, End::Complete { .. }));
            if let Some(length) = content_length(head)
                && asked == Asked::Whole
                && !matches!(status, 204 | 304)
            {
                assert_eq!(whole.body.len() as u64, length, "a body of another length than announced");
            }
            if after == After::Reusable {
                let keeps = head.starts_with(b"HTTP/1.1") || contains(head, b"keep-alive");
                assert!(keeps, "kept alive against HTTP/1.0");
            }
        }
        End::Open(Ok(())) => {
            // Only a body that ends with its connection may end anywhere: all of it was told.
            let head = whole.head.as_ref().expect("a body without a head").1.as_slice();
            assert_eq!(content_length(head), None);
            assert!(answer.ends_with(&whole.body), "not all was told");
        }
        End::Open(Err(_)) | End::Refused(_) => {}
    }
});

/// The announced length, read in the simplest way there is.
fn content_length(head: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let line = text.split('\n').skip(1).find_map(|line| line.strip_prefix("content-length:"))?;
    line.trim().parse().ok()
}

fn contains(head: &[u8], word: &[u8]) -> bool {
    head.to_ascii_lowercase().windows(word.len()).any(|window| window == word)
}
