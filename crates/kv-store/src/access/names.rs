//! Names of people and addresses as they are compared and kept. Pure.
//!
//! Two texts that look and mean the same may be written with other characters: `é` is one character or two, and a full-width `Ａ` is
//! another one than `A`. An address is compared by its NFKC in lower case; a name is kept as its NFC.

use unicode_normalization::UnicodeNormalization as _;

/// An e-mail address as it is compared: the same for all that a person would take for the same.
pub fn email_key(email: &str) -> String {
    // Lower case may take a text out of its normal form, and the normal form may hold capitals that were other characters before.
    let lower: String = email.nfkc().collect::<String>().to_lowercase();
    lower.nfkc().collect()
}

/// A name in its normal form.
pub fn normal(name: &str) -> String {
    name.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_look_the_same_are_the_same() {
        let same = ["Zoé@Example.com", "zoe\u{301}@example.COM", "ＺＯÉ@example.com"];
        for address in same {
            assert_eq!(email_key(address), "zoé@example.com", "{address}");
        }
        assert_ne!(email_key("zoe@example.com"), email_key("zoé@example.com"));
        assert_eq!(email_key("ΣΟΦΟΣ@x"), email_key(&email_key("ΣΟΦΟΣ@x")));
    }

    #[test]
    fn a_key_is_its_own_key() {
        for address in ["İ@x", "ẞ@x", "ﬁ@x", "Ω@x", "K@x", "plain@example.com"] {
            let key = email_key(address);
            assert_eq!(email_key(&key), key, "{address}");
        }
    }

    #[test]
    fn names_keep_their_letters() {
        assert_eq!(normal("Zoe\u{301}"), "Zo\u{e9}");
        assert_eq!(normal("ﬁ"), "ﬁ");
    }
}
