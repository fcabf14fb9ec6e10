//! Tenants, their endpoints, agents, credits, customers and numbers: what the
//! command line and the API change by hand, as opposed to what webhooks bring.

mod agents;
mod analysis;
mod create;
pub mod credits;
pub mod customers;
pub mod data;
mod endpoints;
mod error;
mod follow_ups;
mod list;
pub mod numbers;
mod timezone;

pub use agents::{AgentRow, add_agent, list_agents};
pub use analysis::{
    AnalysisChange, AnalysisSettings, Qualification, analysis_settings, set_analysis, set_qualification,
};
pub use create::{CreatedTenant, NewTenant, create_tenant};
pub use endpoints::{CreatedEndpoint, EndpointRow, TwilioAccount, list_endpoints, rotate_secret, set_allowed_ips};
pub use error::TenantError;
pub use follow_ups::{FollowUpChange, FollowUpRow, NewFollowUp, add_follow_up, change_follow_up, list_follow_ups};
pub use list::{TenantRow, list_tenants, set_active, tenant_by_email};
pub use timezone::set_timezone;
