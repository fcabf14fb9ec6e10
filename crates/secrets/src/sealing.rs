//! Seals the keys with which providers sign, so that the database (and a copy of
//! it) does not hold them in the clear.
//!
//! A sealed value is a version byte, a random nonce of 24 bytes and the
//! XChaCha20-Poly1305 text. What the value belongs to (`context`) is
//! authenticated with it: a value moved to another row does not open.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::Rng;

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// The generated key, in the data directory.
pub const KEY_FILE: &str = "secret.key";

/// The key that seals and opens. Never printed.
#[derive(Clone)]
pub struct SealingKey(XChaCha20Poly1305);

/// Why a key cannot be had, or a value not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// `secrets.key` or the key file is not 64 hex digits.
    #[error("{0} must hold 32 bytes in hex (64 digits)")]
    BadKey(String),
    /// The key file can be read by others than its owner.
    #[error("{} may be read by others; run chmod 600 on it", .0.display())]
    Exposed(PathBuf),
    /// The key file cannot be read or made.
    #[error("cannot use the key file {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The value was sealed with another key, for something else, or is damaged.
    #[error("a stored key cannot be opened: it was sealed with another secrets.key, or is damaged")]
    NotOpened,
    /// The value is too long to be sealed.
    #[error("the value cannot be sealed")]
    NotSealed,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

impl SealingKey {
    /// A key of 32 bytes.
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self(XChaCha20Poly1305::new(&key.into()))
    }

    /// `configured` (64 hex digits); if that is empty, the key in `secret.key` under
    /// `data_dir`, which is made, readable by its owner only, when it is missing.
    ///
    /// # Errors
    /// When the key is malformed, or the file is readable by others or cannot be
    /// read or written.
    pub fn from_config(configured: &str, data_dir: &Path) -> Result<Self, SealingError> {
        if configured.is_empty() {
            Self::from_file(&data_dir.join(KEY_FILE))
        } else {
            parse(configured).map(Self::new).ok_or_else(|| SealingError::BadKey("secrets.key".to_owned()))
        }
    }

    fn from_file(path: &Path) -> Result<Self, SealingError> {
        let failed = |source| SealingError::File { path: path.to_path_buf(), source };
        let text = match read_private(path) {
            Err(SealingError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(path).map_err(failed)?;
                // Read back: another process may have been the first.
                read_private(path)?
            }
            other => other?,
        };
        parse(text.trim()).map(Self::new).ok_or_else(|| SealingError::BadKey(path.display().to_string()))
    }

    /// Seals `secret` for the thing that `context` names.
    ///
    /// # Errors
    /// When the secret is too long for the cipher (256 GiB).
    pub fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SealingError> {
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload { msg: secret, aad: context.as_bytes() };
        let text = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealingError::NotSealed)?;
        Ok([&[VERSION], nonce.as_slice(), &text].concat())
    }

    /// Opens what [`SealingKey::seal`] made for the same `context`.
    ///
    /// # Errors
    /// When the key or the context is another one, or the value is damaged.
    pub fn unseal(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, SealingError> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(SealingError::NotOpened)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealingError::NotOpened)?;
        let payload = Payload { msg: text, aad: context.as_bytes() };
        self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealingError::NotOpened)
    }
}

fn parse(text: &str) -> Option<[u8; KEY_BYTES]> {
    hex::decode(text).ok()?.try_into().ok()
}

fn read_private(path: &Path) -> Result<String, SealingError> {
    let failed = |source| SealingError::File { path: path.to_path_buf(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(SealingError::Exposed(path.to_path_buf()));
    }
    fs::read_to_string(path).map_err(failed)
}

/// Writes a new key under a name of its own and links it into place, so that two
/// processes that start at once agree and nobody reads half a file.
fn create(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut key = [0; KEY_BYTES];
    rand::rng().fill_bytes(&mut key);
    let draft = path.with_extension(format!("{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = writeln!(file, "{}", hex::encode(key)).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    fs::remove_file(&draft)?;
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let key = SealingKey::new([7; 32]);
        let sealed = key.seal("endpoint-a", b"token").unwrap();
        assert_eq!(key.unseal("endpoint-a", &sealed).unwrap(), b"token");
        assert!(!sealed.windows(5).any(|window| window == b"token"));
        assert_ne!(sealed, key.seal("endpoint-a", b"token").unwrap(), "a nonce is used once");

        assert!(key.unseal("endpoint-b", &sealed).is_err());
        assert!(SealingKey::new([8; 32]).unseal("endpoint-a", &sealed).is_err());
        for position in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[position] ^= 1;
            assert!(key.unseal("endpoint-a", &damaged).is_err(), "byte {position}");
            assert!(key.unseal("endpoint-a", &sealed[..position]).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn makes_a_private_key_file_once_and_finds_it_again() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let from = |key: &str| SealingKey::from_config(key, &data_dir);
        let sealed = from("").unwrap().seal("x", b"token").unwrap();
        assert_eq!(from("").unwrap().unseal("x", &sealed).unwrap(), b"token");
        let mode = fs::metadata(data_dir.join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1, "no draft is left behind");

        assert!(from(&"ab".repeat(32)).unwrap().unseal("x", &sealed).is_err(), "the configuration wins");
        for bad in ["ab", "zz", &"ab".repeat(33)] {
            assert!(matches!(from(bad), Err(SealingError::BadKey(_))), "{bad}");
        }
        fs::set_permissions(data_dir.join(KEY_FILE), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(from(""), Err(SealingError::Exposed(_))));
    }

    #[test]
    fn is_never_printed() {
        assert_eq!(format!("{:?}", SealingKey::new([7; 32])), "SealingKey(..)");
    }
}
