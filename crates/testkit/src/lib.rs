//! What tests share: a database for each test, bounded waiting, the schema dump, and the
//! providers' APIs as real HTTP servers with their quirks.
//!
//! A test asks for [`TestDb::new`] and gets a migrated database of its own,
//! cloned from a template. The server is the one of `DATABASE_URL`, else one
//! test server per target directory that starts by itself and stops by itself
//! a minute after the last test process has ended.
#![expect(clippy::panic, reason = "a helper of tests fails the test that called it")]

pub mod bolna;
mod database;
mod database_name;
pub mod front;
pub mod histories;
mod message_proxy;
pub mod mutate;
pub mod openai;
pub mod otlp;
mod proxy;
pub mod schema_dump;
mod server;
mod statements;
mod template;
pub mod twilio;
mod url;
mod wait;
pub mod webhook_sink;

pub use database::TestDb;
pub use message_proxy::MessageProxy;
pub use proxy::Proxy;
pub use wait::wait_until;
