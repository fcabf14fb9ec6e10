//! Accounts: who may read and change what, and how they prove who they are.
//!
//! ```text
//! password ─▶ session: token (minutes) + refresh token (a day, rotates, used once)
//! program  ─▶ API token (until revoked)
//! ```
//!
//! Tokens are random and stored as hashes; each names its account and its row, so
//! finding it reads one row of one tenant. Passwords are argon2id. An account is a
//! row of `users`, hence a tenant of its own; roles widen what it may see.

pub mod api_tokens;
mod first_run;
pub mod guard;
mod links;
mod network;
mod new_password;
mod password;
pub mod people;
mod sessions;
mod sign_in;
mod token;

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

pub use first_run::FirstRun;
pub use links::{LinkError, make_link, use_link};
pub use new_password::{ChangeError, check_password, set_password};
pub use password::{PasswordError, hash as hash_password};
pub use sessions::{
    Opened, Refreshed, SessionRow, close, close_all, close_others, find as find_session, list as list_sessions, refresh,
};
pub use sign_in::{SignInError, Source, sign_in};

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Its own tenant's figures.
    User,
    /// Every tenant's figures, and running the pipeline.
    Admin,
    /// Accounts and tenants too.
    SuperAdmin,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::User, Role::Admin, Role::SuperAdmin];

    /// The word in `users.role`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Admin => "admin",
            Role::SuperAdmin => "super_admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Debug, thiserror::Error)]
#[error("roles are user, admin and super_admin")]
pub struct NoRole;

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(NoRole)
    }
}

/// An account that may act now.
#[derive(Debug, Clone)]
pub struct Account {
    pub user_id: Uuid,
    pub email: String,
    pub name: String,
    pub role: Role,
}

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Session(Uuid),
    ApiToken {
        id: Uuid,
        may_change: bool,
    },
    /// Nobody has to sign in: login is off, and the peer is this machine.
    ThisMachine,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Principal {
    pub account: Account,
    pub via: Via,
}

impl Principal {
    /// Whoever sits at this machine while login is off.
    pub fn this_machine() -> Self {
        let account = Account {
            user_id: tallyline_jobs::admin_log::COMMAND_LINE,
            email: String::new(),
            name: "this machine".to_owned(),
            role: Role::SuperAdmin,
        };
        Principal { account, via: Via::ThisMachine }
    }

    /// Whether the figures of this tenant are theirs to read.
    pub fn may_read(&self, tenant: Uuid) -> bool {
        self.account.role >= Role::Admin || self.account.user_id == tenant
    }

    /// Whether they may read the pages of operators.
    pub fn is_operator(&self) -> bool {
        self.account.role >= Role::Admin
    }

    /// Whether they may change what a role at least as high may change.
    pub fn may_change(&self, least: Role) -> bool {
        self.account.role >= least && !matches!(self.via, Via::ApiToken { may_change: false, .. })
    }

    /// Whether there is more than one tenant to choose from.
    pub fn sees_all_tenants(&self) -> bool {
        self.is_operator()
    }
}

/// A role as the database has it; what it cannot name may the least.
fn role_of(text: &str) -> Role {
    text.parse().unwrap_or(Role::User)
}
