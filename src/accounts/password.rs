//! Passwords: argon2id, at most two at a time, the same time for nobody's.

use std::sync::{LazyLock, OnceLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// Longer ones are refused unread: hashing them would be somebody's lever.
pub const MAX_BYTES: usize = 512;

/// Each hash takes 19 MiB and a core; what comes at once waits its turn.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Why a password cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has at least {0} characters")]
    TooShort(usize),
    #[error("a password has at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("the password could not be hashed: {0}")]
    Hashing(String),
}

/// Hashes a new password of at least `least` characters.
///
/// # Errors
/// When it is too short or too long.
pub async fn hash(password: String, least: usize) -> Result<String, PasswordError> {
    if password.chars().count() < least {
        return Err(PasswordError::TooShort(least));
    }
    if password.len() > MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    let hashed = in_turn(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()));
    match hashed.await {
        Some(Ok(hash)) => Ok(hash),
        Some(Err(error)) => Err(PasswordError::Hashing(error.to_string())),
        None => Err(PasswordError::Hashing("the task was stopped".to_owned())),
    }
}

/// Whether `password` is the one with this hash; without a hash it is not, in the
/// same time.
pub async fn verify(password: String, hash: Option<String>) -> bool {
    if password.len() > MAX_BYTES {
        return false;
    }
    let verified = in_turn(move || {
        let is_known = hash.is_some();
        let hash = hash.as_deref().unwrap_or_else(|| nobodys());
        let Ok(parsed) = PasswordHash::new(hash) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && is_known
    });
    verified.await == Some(true)
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let _turn = TURNS.acquire().await.ok()?;
    tokio::task::spawn_blocking(work).await.ok()
}

/// A hash that no password has, made once with the parameters of the others.
fn nobodys() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    static SECRET: LazyLock<[u8; 32]> = LazyLock::new(rand::random);
    HASH.get_or_init(|| Argon2::default().hash_password(&*SECRET).map(|hash| hash.to_string()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let hashed = hash("correct horse".to_owned(), 8).await.unwrap();
        assert!(hashed.starts_with("$argon2id$"), "{hashed}");
        assert!(verify("correct horse".to_owned(), Some(hashed.clone())).await);
        for wrong in ["correct horse ", "Correct horse", "", &"x".repeat(MAX_BYTES + 1)] {
            assert!(!verify(wrong.to_owned(), Some(hashed.clone())).await, "{wrong}");
        }
        assert!(!verify("correct horse".to_owned(), None).await, "nobody's password");
        assert!(!verify(String::new(), Some("not a hash".to_owned())).await);
        assert_eq!(hash("1234567".to_owned(), 8).await, Err(PasswordError::TooShort(8)));
        assert_eq!(hash("x".repeat(MAX_BYTES + 1), 8).await, Err(PasswordError::TooLong));
    }
}
