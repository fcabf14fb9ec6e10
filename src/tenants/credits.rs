//! Entries of a tenant's ledger that are made by hand: purchases, bonuses, adjustments.

use chrono::{DateTime, Utc};
use sqlx::{Acquire, PgConnection};
use uuid::Uuid;

use super::TenantError;

/// What an entry is for, and what names it, so that the same request made again
/// is not a second entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Paid for; amounts above zero.
    Purchase {
        /// The payment's id at the payment provider.
        payment_id: String,
    },
    /// Given; amounts above zero.
    Bonus {
        /// The caller's own name of the request.
        key: Option<String>,
    },
    /// Put right by an administrator; not zero.
    Adjustment {
        /// The caller's own name of the request.
        key: Option<String>,
    },
}

impl Reason {
    fn kind(&self) -> &'static str {
        match self {
            Reason::Purchase { .. } => "purchase",
            Reason::Bonus { .. } => "bonus",
            Reason::Adjustment { .. } => "admin_adjustment",
        }
    }

    fn payment_id(&self) -> Option<&str> {
        match self {
            Reason::Purchase { payment_id } => Some(payment_id),
            _ => None,
        }
    }

    fn key(&self) -> Option<&str> {
        match self {
            Reason::Bonus { key } | Reason::Adjustment { key } => key.as_deref(),
            Reason::Purchase { .. } => None,
        }
    }
}

/// An entry of the ledger.
#[derive(Debug, Clone)]
pub struct LedgerEntry {
    pub id: Uuid,
    /// Grows from entry to entry of a tenant.
    pub entry_no: i64,
    /// purchase, usage, bonus, admin_adjustment or refund.
    pub kind: String,
    /// Millionths of a credit; below zero: taken.
    pub amount_micros: i64,
    /// Balance after it, in millionths of a credit.
    pub balance_after_micros: i64,
    pub description: String,
    pub payment_id: Option<String>,
    pub call_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub entry: LedgerEntry,
    /// False: the entry was there, from the same request made earlier.
    pub is_new: bool,
}

/// Enters `amount_micros` into the tenant's ledger and balance, in one transaction
/// (a savepoint inside the caller's) that holds the tenant's row, as charges of
/// calls do: entries follow one another without a gap.
///
/// # Errors
/// When there is no such tenant, the amount does not fit the reason, or the
/// payment or key names an entry of another kind or amount.
pub async fn enter(
    conn: &mut PgConnection,
    user_id: Uuid,
    reason: &Reason,
    amount_micros: i64,
    description: &str,
) -> Result<Recorded, TenantError> {
    check(reason, amount_micros, description)?;
    let mut tx = conn.begin().await?;
    // As strong as the update below and no stronger: calls of the tenant hold its row, too.
    sqlx::query_scalar!("SELECT id FROM public.users WHERE id = $1 FOR NO KEY UPDATE", user_id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(TenantError::UnknownTenant)?;
    let (payment_id, key) = (reason.payment_id(), reason.key());
    let known = sqlx::query_file_as!(LedgerEntry, "sql/tenants/named_entry.sql", user_id, payment_id, key)
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(entry) = known {
        tx.rollback().await?;
        if entry.kind != reason.kind() || entry.amount_micros != amount_micros {
            return Err(TenantError::OtherEntry(payment_id.or(key).unwrap_or_default().to_owned()));
        }
        return Ok(Recorded { entry, is_new: false });
    }
    let entry = sqlx::query_file_as!(
        LedgerEntry,
        "sql/tenants/enter_credits.sql",
        user_id,
        reason.kind(),
        amount_micros,
        description,
        payment_id,
        key
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Recorded { entry, is_new: true })
}

/// What the database would refuse, said in words.
fn check(reason: &Reason, amount_micros: i64, description: &str) -> Result<(), TenantError> {
    let is_adjustment = matches!(reason, Reason::Adjustment { .. });
    let named = [reason.payment_id(), reason.key()];
    let wrong_name = |name: &str| name.is_empty() || name.chars().count() > 255;
    if amount_micros == 0 || (amount_micros < 0 && !is_adjustment) {
        return Err(TenantError::Invalid("purchases and bonuses are above zero, adjustments not zero"));
    }
    if description.trim().is_empty() {
        return Err(TenantError::Invalid("an entry needs a description"));
    }
    if named.into_iter().flatten().any(wrong_name) {
        return Err(TenantError::Invalid("a payment id or key has 1 to 255 characters"));
    }
    Ok(())
}

/// The newest entries of a tenant, newest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(conn: &mut PgConnection, user_id: Uuid, limit: i64) -> Result<Vec<LedgerEntry>, TenantError> {
    Ok(sqlx::query_file_as!(LedgerEntry, "sql/tenants/list_entries.sql", user_id, limit).fetch_all(conn).await?)
}
