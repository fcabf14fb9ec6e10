//! A receiver whose refusals are counted, and what the tests of the rows ask of it.

use reqwest::RequestBuilder;
use tallyline::config::Config;
use tallyline::tenants::{CreatedTenant, NewTenant, TwilioAccount, add_agent, create_tenant};
use tallyline_model::Provider;
use tallyline_secrets::signature::twilio;

use crate::receiver::support::{Counters, FORM, Left, Running, answer, config, endpoint, execution, key, new_tenant};

pub const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// A receiver whose refusals are counted.
pub struct Watched {
    pub it: Running,
    pub counters: Counters,
}

impl Watched {
    pub async fn start() -> Self {
        Self::start_with(config()).await
    }

    pub async fn start_with(config: Config) -> Self {
        let counters = Counters::start();
        Self { it: Running::start_with(config).await, counters }
    }

    /// The request is refused without a word, and counted once under `reason`.
    pub async fn refuses(&self, name: &str, request: RequestBuilder, status: u16, reason: &str) {
        let before = (self.counters.refused(reason), self.counters.all_refused());
        assert_eq!(answer(request).await, (status, String::new()), "{name}");
        let after = (self.counters.refused(reason), self.counters.all_refused());
        assert_eq!(after, (before.0 + 1, before.1 + 1), "{name} is counted as {reason}");
    }

    /// An authentic body of which no event can be made: told so, kept, counted.
    pub async fn rejects(&self, name: &str, request: RequestBuilder, reason: &str) {
        let before = self.counters.refused(reason);
        assert_eq!(answer(request).await, (400, format!(r#"{{"error":"{reason}"}}"#)), "{name}");
        assert_eq!(self.counters.refused(reason), before + 1, "{name}");
        assert_eq!(self.it.left().await.quarantine.last().map(String::as_str), Some(reason), "{name}");
    }

    pub async fn accepts(&self, name: &str, request: RequestBuilder) {
        let before = self.counters.all_refused();
        assert_eq!(answer(request).await.0, 200, "{name}");
        assert_eq!(self.counters.all_refused(), before, "{name}");
    }

    pub async fn ends_with(self, left: Left) {
        assert_eq!(self.it.left().await, left);
        self.it.stop().await;
    }

    /// A Bolna request with the given `Authorization`.
    pub fn bearing(&self, authorization: &str) -> RequestBuilder {
        self.it.post(&self.it.path(Provider::Bolna), execution("e-1")).header("authorization", authorization)
    }

    pub fn form(&self, path: &str, body: &str, signature: impl AsRef<[u8]>) -> RequestBuilder {
        self.it.post(path, body).header("content-type", FORM_TYPE).header("x-twilio-signature", signature.as_ref())
    }

    pub fn token(&self) -> String {
        endpoint(&self.it.tenant, Provider::Twilio).secret
    }

    pub fn sign(&self, url: &str, body: &str) -> String {
        twilio::sign(self.token().as_bytes(), url, twilio::Content::Form(body.as_bytes()))
    }
}

/// Another tenant with a Twilio account of its own.
pub async fn another(it: &Running) -> CreatedTenant {
    let twilio = TwilioAccount {
        auth_token: Some("another_token_0123456789abcdef01".to_owned()),
        account_sid: Some("AC00000000000000000000000000000002".to_owned()),
    };
    let tenant = NewTenant { twilio, ..new_tenant("b@example.test") };
    create_tenant(&mut it.db.pool.acquire().await.unwrap(), &key(), tenant).await.unwrap()
}

/// The tenant has an agent, and a call that Twilio reports under the sid of [`FORM`].
pub async fn with_a_call(watched: &Watched) -> Vec<String> {
    let it = &watched.it;
    add_agent(&mut it.db.pool.acquire().await.unwrap(), it.tenant.user_id, "agent-1", "Asha").await.unwrap();
    let body = r#"{"id":"e-1","agent_id":"agent-1","status":"in-progress",
        "telephony_data":{"provider_call_id":"CA00000000000000000000000000000001"}}"#;
    watched.accepts("the execution", it.bolna(body)).await;
    watched.accepts("its status", it.twilio(FORM)).await;
    assert_eq!(it.left().await, Left::new(2, &[], 1));
    calls(it).await
}

/// Every call with all that is known of it, but for when the row was last looked
/// at and how many events told of it.
pub async fn calls(it: &Running) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT (to_jsonb(c) - 'updated_at' #- '{bolna_metadata,event_count}')::text FROM calls c ORDER BY id",
    )
    .fetch_all(&it.db.admin)
    .await
    .unwrap()
}
