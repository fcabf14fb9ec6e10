//! Random tokens that name their row: account, row, and 32 secret bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const SECRET_BYTES: usize = 32;
const BYTES: usize = 16 + 16 + SECRET_BYTES;

/// What a token says before anybody has looked whether it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub user_id: Uuid,
    pub id: Uuid,
    pub hash: String,
}

/// A new token and the hash that is stored of it.
pub fn make(prefix: &str, user_id: Uuid, id: Uuid) -> (String, String) {
    let mut bytes = [0_u8; BYTES];
    bytes[..16].copy_from_slice(user_id.as_bytes());
    bytes[16..32].copy_from_slice(id.as_bytes());
    rand::rng().fill(&mut bytes[32..]);
    let token = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = hash(&token);
    (token, hash)
}

/// Reads a token with this prefix; none when it cannot be one.
pub fn read(prefix: &str, token: &str) -> Option<Claimed> {
    let encoded = token.strip_prefix(prefix)?;
    // Longer ones are not worth decoding.
    if encoded.len() > BYTES * 2 {
        return None;
    }
    let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()?;
    let user_id = Uuid::from_slice(&bytes[..16]).ok()?;
    let id = Uuid::from_slice(&bytes[16..32]).ok()?;
    Some(Claimed { user_id, id, hash: hash(token) })
}

/// SHA-256 in hex: 32 random bytes need no slow hash.
fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_row_and_nothing_else_reads_as_one() {
        let (user_id, id) = (Uuid::new_v4(), Uuid::new_v4());
        let (token, hash) = make("tly_", user_id, id);
        assert_eq!(read("tly_", &token), Some(Claimed { user_id, id, hash: hash.clone() }));
        for wrong in ["", "tly_", &token[4..], &token[..token.len() - 1], &format!("{token}A"), &"A".repeat(10_000)] {
            assert_eq!(read("tly_", wrong), None, "{wrong}");
        }
        let other = make("tly_", user_id, id);
        assert_ne!((other.0, other.1), (token, hash), "random");
    }
}
