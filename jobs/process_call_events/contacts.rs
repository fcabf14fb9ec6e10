//! Whose calls these are: contacts by number, else by e-mail address.
//!
//! A number in E.164 has one contact, made where there is none. A call without
//! such a number, as from the web, makes none: it is linked to the contact that
//! has the e-mail address which the call was made with or its analysis found, if
//! just one has it.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use sqlx::types::Json;
use tallyline_model::{LeadAnalysis, usable_email};
use uuid::Uuid;

use super::analyses;
use super::calls::Folded;
use super::rows::{ANONYMOUS, ContactRow, cut};

/// Longest name, company and address kept, in characters.
const TEXT_CHARS: usize = 255;

/// Contacts of the batch's calls.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    by_number: HashMap<(Uuid, String), Uuid>,
    by_email: HashMap<(Uuid, String), Uuid>,
}

impl Contacts {
    /// The call's contact: its number's, else its address's. A call of which
    /// nobody knows either keeps the one that it has.
    pub(super) fn of(&self, call: &Folded, number: Option<&str>) -> Option<Uuid> {
        let found = match number {
            Some(number) => self.by_number.get(&(call.user_id, number.to_owned())),
            None => email_of(call).and_then(|email| self.by_email.get(&(call.user_id, email.to_lowercase()))),
        };
        found.copied().or_else(|| call.before.as_ref().and_then(|before| before.contact_id))
    }
}

/// The contacts of all calls, given the calls' numbers in E.164.
pub(super) async fn find_or_make(
    tx: &mut PgConnection,
    folded: &[Folded],
    numbers: &[Option<String>],
) -> Result<Contacts, sqlx::Error> {
    let mut rows: HashMap<(Uuid, String), ContactRow> = HashMap::new();
    let mut emails = BTreeSet::new();
    for (call, number) in folded.iter().zip(numbers) {
        let Some(number) = number else {
            emails.extend(email_of(call).map(|email| (call.user_id, email.to_lowercase())));
            continue;
        };
        let said = contact_row(call, number);
        let key = (call.user_id, number.clone());
        match rows.get_mut(&key) {
            None => {
                rows.insert(key, said);
            }
            Some(known) => fill(known, said),
        }
    }
    let mut rows: Vec<ContactRow> = rows.into_values().collect();
    rows.sort_by(|a, b| (a.user_id, &a.phone_e164).cmp(&(b.user_id, &b.phone_e164)));
    let mut contacts = Contacts::default();
    if !rows.is_empty() {
        sqlx::query_file!("../sql/process/insert_contacts.sql", Json(&rows) as _).execute(&mut *tx).await?;
        let found = sqlx::query_file!("../sql/process/fill_contacts.sql", Json(&rows) as _).fetch_all(&mut *tx).await?;
        contacts.by_number = found.into_iter().map(|row| ((row.user_id, row.phone_e164), row.id)).collect();
    }
    if !emails.is_empty() {
        // After the contacts of numbers, which may have got the address just now.
        let (user_ids, emails): (Vec<Uuid>, Vec<String>) = emails.into_iter().unzip();
        let found = sqlx::query_file!("../sql/process/contacts_by_email.sql", &user_ids, &emails).fetch_all(tx).await?;
        contacts.by_email = found.into_iter().map(|row| ((row.user_id, row.email), row.id)).collect();
    }
    Ok(contacts)
}

/// What the analysis says; of a call that nobody answered it says nothing.
fn lead_of(call: &Folded) -> Option<&LeadAnalysis> {
    call.state.analysis.as_ref().filter(|_| !analyses::is_unanswered(&call.state))
}

/// The caller's address as the call was made with, else as the analysis found it;
/// placeholders are none.
fn email_of(call: &Folded) -> Option<&str> {
    let given = call.state.customer_email.as_deref().and_then(usable_email);
    given.or_else(|| usable_email(lead_of(call)?.extracted_email.as_deref()?))
}

fn contact_row(call: &Folded, number: &str) -> ContactRow {
    let lead = lead_of(call);
    let name = call
        .state
        .customer_name
        .as_deref()
        .or_else(|| lead.and_then(|l| l.extracted_name.as_deref()))
        .unwrap_or(ANONYMOUS);
    ContactRow {
        user_id: call.user_id,
        phone_e164: number.to_owned(),
        name: cut(name, TEXT_CHARS),
        email: email_of(call).map(|e| cut(e, TEXT_CHARS)),
        company: lead.and_then(|l| l.company_name.as_deref()).map(|c| cut(c, TEXT_CHARS)),
        call_id: call.id,
        last_call_at: call.state.started_at,
    }
}

/// Takes from `said` what `known` does not have yet.
fn fill(known: &mut ContactRow, said: ContactRow) {
    if known.name == ANONYMOUS {
        known.name = said.name;
    }
    known.email = known.email.take().or(said.email);
    known.company = known.company.take().or(said.company);
    known.last_call_at = known.last_call_at.max(said.last_call_at);
}
