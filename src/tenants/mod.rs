//! Tenants, their endpoints and their agents: what the command line and the
//! API change by hand, as opposed to what webhooks bring.

mod agents;
mod create;
mod endpoints;
mod error;
mod follow_ups;
mod list;
mod timezone;

pub use agents::{AgentRow, add_agent, list_agents};
pub use create::{CreatedTenant, NewTenant, create_tenant};
pub use endpoints::{CreatedEndpoint, EndpointRow, TwilioAccount, list_endpoints, rotate_secret, set_allowed_ips};
pub use error::TenantError;
pub use follow_ups::{FollowUpChange, FollowUpRow, NewFollowUp, add_follow_up, change_follow_up, list_follow_ups};
pub use list::{TenantRow, list_tenants, set_active, tenant_by_email};
pub use timezone::set_timezone;
