//! Signatures as Standard Webhooks has them: `v1,` and the HMAC-SHA256 over id, time and body in base64.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a new secret.
const BYTES: usize = 32;

/// What deliveries to an endpoint are signed with. It does not print itself.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A new one.
    pub fn generate() -> Self {
        Self(rand::random::<[u8; BYTES]>().to_vec())
    }

    /// One that is stored.
    pub const fn of(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// To be stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As its owner is shown it.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The value of `webhook-signature` for a message that is sent at that time, in seconds since 1970.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp_s}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_is_the_one_of_the_specification() {
        let secret = Secret::of(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        assert_eq!(secret.reveal(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_does_not_print_itself_and_no_two_are_alike() {
        let secret = Secret::generate();
        assert!(!format!("{secret:?}").contains(&secret.reveal()[PREFIX.len()..]));
        assert_ne!(secret.reveal(), Secret::generate().reveal());
    }
}
