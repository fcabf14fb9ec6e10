//! Where a database comes from: the embedded server, roles, migrations, pools.
//!
//! Statements here ask system catalogues, so they are checked by the tests of
//! this crate and not at compile time; the crate therefore builds before any
//! database exists, and `./dev prepare` can use it to make one.

pub mod apply;
pub mod embedded;
pub mod migrate;
pub mod pool;
mod required;
pub mod roles;

pub use embedded::{EmbeddedError, EmbeddedOptions, EmbeddedServer, EmbeddedStatus};
pub use migrate::{MIGRATOR, MigrateError};
pub use pool::{PoolError, PoolOptions};
