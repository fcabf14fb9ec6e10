//! Rewrites a database URL as text, so that every other part of it stays as
//! given and other programs than ours understand it too.

use anyhow::{Context, ensure};

/// The parts of `postgres://user:password@host:port/database?parameters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl {
    scheme: String,
    user_info: String,
    host: String,
    /// With its question mark, or empty.
    parameters: String,
}

impl DatabaseUrl {
    pub(crate) fn parse(url: &str) -> anyhow::Result<Self> {
        let (scheme, rest) = url.split_once("://").context("a database URL begins with postgres://")?;
        ensure!(matches!(scheme, "postgres" | "postgresql"), "a database URL begins with postgres://");
        let (before, parameters) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
        let authority = before.split_once('/').map_or(before, |(authority, _)| authority);
        let (user_info, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        Ok(Self {
            scheme: scheme.into(),
            user_info: user_info.into(),
            host: host.into(),
            parameters: parameters.into(),
        })
    }

    pub(crate) fn with_database(&self, database: &str) -> String {
        let at = if self.user_info.is_empty() { "" } else { "@" };
        format!("{}://{}{at}{}/{database}{}", self.scheme, self.user_info, self.host, self.parameters)
    }

    /// `user` and `password` need no escaping.
    pub(crate) fn with_login(&self, user: &str, password: &str) -> Self {
        Self { user_info: format!("{user}:{password}"), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_user_and_database_stays() {
        let url = DatabaseUrl::parse("postgresql://me:p%40ss@db.example:5433/old?sslmode=require").unwrap();
        assert_eq!(url.with_database("new"), "postgresql://me:p%40ss@db.example:5433/new?sslmode=require");
        assert_eq!(
            url.with_login("you", "word").with_database("new"),
            "postgresql://you:word@db.example:5433/new?sslmode=require"
        );
    }

    #[test]
    fn parts_may_be_missing() {
        for url in ["postgres://localhost", "postgres://localhost/", "postgres://localhost/old"] {
            assert_eq!(DatabaseUrl::parse(url).unwrap().with_database("new"), "postgres://localhost/new");
        }
        let socket = DatabaseUrl::parse("postgres:///old?host=/run/postgresql").unwrap();
        assert_eq!(socket.with_database("new"), "postgres:///new?host=/run/postgresql");
        assert!(DatabaseUrl::parse("host=localhost").is_err());
    }
}
