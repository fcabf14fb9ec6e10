//! What every page has around its content: head, choice of tenant, ways to the
//! other pages, who is signed in.

use maud::{DOCTYPE, Markup, html};
use uuid::Uuid;

use super::assets;
use super::data::TenantName;
use crate::accounts::{Principal, Via};

/// Pages of a tenant: where, and what the link says.
pub const TENANT_PAGES: [(&str, &str); 7] = [
    ("", "Overview"),
    ("/calls", "Calls"),
    ("/agents", "Agents"),
    ("/leads", "Leads"),
    ("/customers", "Customers"),
    ("/follow-ups", "Follow-ups"),
    ("/credits", "Credits"),
];

/// Pages of operators.
pub const OPERATOR_PAGES: [(&str, &str); 9] = [
    ("/operate", "Pipeline"),
    ("/operate/jobs", "Jobs"),
    ("/operate/queues", "Queues"),
    ("/operate/schedules", "Schedules"),
    ("/operate/quarantine", "Quarantine"),
    ("/operate/backfills", "Backfills"),
    ("/operate/quality", "Data quality"),
    ("/operate/tenants", "Tenants"),
    ("/operate/audit", "Audit log"),
];

/// Where a page stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A page of this tenant: id, name, and its entry in [`TENANT_PAGES`].
    Tenant(Uuid, &'a str, &'static str),
    /// A page of operators: its entry in [`OPERATOR_PAGES`].
    Operate(&'static str),
    /// Neither.
    Apart,
}

/// A page for a visitor who is known.
pub struct Frame<'a> {
    pub principal: &'a Principal,
    /// To choose from; empty for who sees one only.
    pub tenants: &'a [TenantName],
    pub place: Place<'a>,
    /// What the choice of a tenant keeps, such as `("days", "30")`.
    pub keep: &'a [(&'a str, String)],
    /// Renews itself.
    pub live: bool,
}

impl Frame<'_> {
    /// The whole document. `beside` goes into the head of the page, beside the choice
    /// of tenant.
    pub fn page(&self, title: &str, beside: &Markup, content: &Markup) -> Markup {
        let body = html! {
            a .skip href="#main" { "Skip to the content" }
            header .top {
                (brand())
                (self.picker())
                (beside)
                (self.account())
            }
            (self.ways())
            main id="main" { (content) }
            (footer())
        };
        document(title, self.live, &body)
    }

    fn picker(&self) -> Markup {
        html! {
            @if !self.tenants.is_empty() {
                form .picker method="get" action="/" {
                    label for="tenant" { "Tenant" }
                    select id="tenant" name="tenant" { (self.options()) }
                    @for (name, value) in self.keep { input type="hidden" name=(name) value=(value); }
                    button type="submit" { "Show" }
                }
            }
        }
    }

    fn options(&self) -> Markup {
        let current = match self.place {
            Place::Tenant(id, name, _) => Some((id, name)),
            _ => None,
        };
        html! {
            @if let Some((id, name)) = current.filter(|(id, _)| !self.tenants.iter().any(|t| t.id == *id)) {
                option value=(id) selected { (name) }
            }
            @for tenant in self.tenants {
                option value=(tenant.id) selected[current.is_some_and(|(id, _)| id == tenant.id)] {
                    (tenant.name) @if !tenant.is_active { " (inactive)" }
                }
            }
        }
    }

    /// The ways to the other pages of the same kind, and to the other kind.
    fn ways(&self) -> Markup {
        html! {
            nav .ways aria-label="Pages" {
                @match self.place {
                    Place::Tenant(id, _, here) => @for (path, text) in TENANT_PAGES {
                        a href=(tenant_page(id, path)) aria-current=[(path == here).then_some("page")] { (text) }
                    },
                    Place::Operate(here) => @for (path, text) in OPERATOR_PAGES {
                        a href=(path) aria-current=[(path == here).then_some("page")] { (text) }
                    },
                    Place::Apart => {}
                }
                @if self.principal.is_operator() && !matches!(self.place, Place::Operate(_)) {
                    a .other href="/operate" { "Operate" }
                }
            }
        }
    }

    fn account(&self) -> Markup {
        html! {
            @if let Via::Session(_) = self.principal.via {
                form .account-menu method="post" action="/sign-out" {
                    a href="/account" { (self.principal.account.name) }
                    button type="submit" { "Sign out" }
                }
            }
        }
    }
}

/// The address of a page of a tenant; `path` as in [`TENANT_PAGES`].
pub fn tenant_page(id: Uuid, path: &str) -> String {
    match path {
        "" => format!("/?tenant={id}"),
        _ => format!("/tenants/{id}{path}"),
    }
}

/// A page for somebody who is not signed in: words and a form.
pub fn plain(title: &str, content: &Markup) -> Markup {
    let body = html! {
        header .top { (brand()) }
        main id="main" { section .card .message { (content) } }
        (footer())
    };
    document(&format!("{title} – Tallyline"), false, &body)
}

/// A whole document around `body`.
fn document(title: &str, live: bool, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="icon" type="image/svg+xml" href=(assets::ICON.url());
                link rel="stylesheet" href=(assets::STYLE.url());
                @if live { script defer src=(assets::SCRIPT.url()) {} }
            }
            body { (body) }
        }
    }
}

fn brand() -> Markup {
    html! {
        a .brand href="/" {
            svg .logo width="22" height="22" viewBox="0 0 22 22" aria-hidden="true" focusable="false" {
                path d="M4 4v14M8.7 4v14M13.3 4v14M18 4v14" {}
                path .stroke d="M1.5 15.5l19-9" {}
            }
            span { "Tallyline" }
        }
    }
}

fn footer() -> Markup {
    html! { footer { "Tallyline " (env!("CARGO_PKG_VERSION")) " · " a href="/metrics" { "Metrics" } " · " a href="/readyz" { "Readiness" } } }
}
