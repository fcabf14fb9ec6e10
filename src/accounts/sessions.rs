//! Sessions: a token for minutes, and a refresh token that is exchanged for new
//! ones and may be used once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tallyline_jobs::settings::Settings;
use uuid::Uuid;

use super::{Account, Principal, Source, Via, role_of, token};

/// Life of a token; the refresh token brings the next.
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

/// Requests of one browser may bring the same refresh token at the same moment.
const TWINS_WITHIN: Duration = Duration::from_secs(30);

/// Prefixes, by which scanners find what should not lie about.
const TOKEN: &str = "tls_";
const REFRESH: &str = "tlr_";

/// What a browser or program is given.
#[derive(Debug, Clone)]
pub struct Opened {
    pub token: String,
    pub token_seconds: u64,
    pub refresh_token: String,
    pub refresh_seconds: u64,
}

/// What became of a refresh token.
#[derive(Debug)]
pub enum Refreshed {
    /// New tokens, and who holds them.
    New(Opened, Principal),
    /// It was exchanged a moment ago: this request may pass, the tokens are on their way.
    Twin(Principal),
    /// It is no longer good.
    No,
}

/// A session that can be used.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SessionRow {
    pub id: Uuid,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub ends_at: DateTime<Utc>,
}

pub(super) async fn open(
    conn: &mut PgConnection,
    settings: &Settings,
    user_id: Uuid,
    source: &Source,
) -> Result<Opened, sqlx::Error> {
    let id = Uuid::new_v4();
    let (token, token_hash) = token::make(TOKEN, user_id, id);
    let (refresh_token, refresh_hash) = token::make(REFRESH, user_id, id);
    let refresh_seconds = u64::from(settings.session_duration_hours.unsigned_abs()) * 3600;
    sqlx::query_file!(
        "sql/accounts/open_session.sql",
        user_id,
        id,
        token_hash,
        TOKEN_LIFE.as_secs_f64(),
        refresh_hash,
        refresh_seconds as f64,
        source.address_text(),
        source.agent_text(),
    )
    .execute(conn)
    .await?;
    Ok(Opened { token, token_seconds: TOKEN_LIFE.as_secs(), refresh_token, refresh_seconds })
}

/// Who holds this token, if it is good.
///
/// # Errors
/// When the database cannot be asked; likewise below.
pub async fn find(pool: &PgPool, text: &str) -> Result<Option<Principal>, sqlx::Error> {
    let Some(claimed) = token::read(TOKEN, text) else { return Ok(None) };
    let found = sqlx::query_file!("sql/accounts/session.sql", claimed.user_id, claimed.id, claimed.hash)
        .fetch_optional(pool)
        .await?;
    let Some(row) = found else { return Ok(None) };
    if row.is_idle {
        sqlx::query!(
            "UPDATE public.user_sessions SET last_used_at = now() WHERE user_id = $1 AND id = $2",
            claimed.user_id,
            claimed.id
        )
        .execute(pool)
        .await?;
    }
    let account = Account { user_id: row.user_id, email: row.email, name: row.name, role: role_of(&row.role) };
    Ok(Some(Principal { account, via: Via::Session(claimed.id) }))
}

/// Exchanges a refresh token. One that was exchanged before ends its session:
/// somebody has copied it.
///
/// # Errors
/// As above.
pub async fn refresh(pool: &PgPool, text: &str) -> Result<Refreshed, sqlx::Error> {
    let Some(old) = token::read(REFRESH, text) else { return Ok(Refreshed::No) };
    let (token, token_hash) = token::make(TOKEN, old.user_id, old.id);
    let (refresh_token, refresh_hash) = token::make(REFRESH, old.user_id, old.id);
    let left = sqlx::query_file_scalar!(
        "sql/accounts/rotate_session.sql",
        old.user_id,
        old.id,
        old.hash,
        token_hash,
        TOKEN_LIFE.as_secs_f64(),
        refresh_hash,
    )
    .fetch_optional(pool)
    .await?;
    if let Some(left) = left {
        let opened =
            Opened { token, token_seconds: TOKEN_LIFE.as_secs(), refresh_token, refresh_seconds: left.max(0.0) as u64 };
        return Ok(match find(pool, &opened.token).await? {
            Some(principal) => Refreshed::New(opened, principal),
            None => Refreshed::No,
        });
    }
    let refused = sqlx::query_file!(
        "sql/accounts/refused_refresh.sql",
        old.user_id,
        old.id,
        old.hash,
        TWINS_WITHIN.as_secs_f64()
    )
    .fetch_optional(pool)
    .await?;
    Ok(match refused {
        Some(row) if row.is_twin => {
            let account = Account { user_id: row.user_id, email: row.email, name: row.name, role: role_of(&row.role) };
            Refreshed::Twin(Principal { account, via: Via::Session(old.id) })
        }
        Some(_) => {
            tracing::warn!(user_id = %old.user_id, session_id = %old.id, "an old refresh token was used: its session was ended");
            metrics::counter!("tallyline_sign_ins_total", "outcome" => "stolen").increment(1);
            Refreshed::No
        }
        None => Refreshed::No,
    })
}

/// Ends a session of this account.
///
/// # Errors
/// As above.
pub async fn close(db: &mut PgConnection, user_id: Uuid, id: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE public.user_sessions SET is_active = false WHERE user_id = $1 AND id = $2 AND is_active",
        user_id,
        id
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends every session of this account.
///
/// # Errors
/// As above.
pub async fn close_all(db: &mut PgConnection, user_id: Uuid) -> Result<u64, sqlx::Error> {
    let done =
        sqlx::query!("UPDATE public.user_sessions SET is_active = false WHERE user_id = $1 AND is_active", user_id)
            .execute(db)
            .await?;
    Ok(done.rows_affected())
}

/// Ends every session of this account but one.
///
/// # Errors
/// As above.
pub async fn close_others(db: &mut PgConnection, user_id: Uuid, kept: Uuid) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE public.user_sessions SET is_active = false WHERE user_id = $1 AND id <> $2 AND is_active",
        user_id,
        kept
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// The sessions of this account that can be used.
///
/// # Errors
/// As above.
pub async fn list(pool: &PgPool, user_id: Uuid) -> Result<Vec<SessionRow>, sqlx::Error> {
    sqlx::query_file_as!(SessionRow, "sql/accounts/sessions.sql", user_id).fetch_all(pool).await
}
