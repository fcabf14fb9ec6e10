//! What proves who sent something, and what keeps keys unreadable at rest.
//!
//! [`signature`] verifies and makes the signatures of webhooks, [`SealingKey`]
//! seals the keys that they are made with. Pure but for the key file and the
//! random nonce; knows nothing of tables.

pub mod sealing;
pub mod signature;

pub use sealing::{SealingError, SealingKey};
