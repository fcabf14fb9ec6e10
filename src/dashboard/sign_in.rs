//! Signing in and out, setting a password by a link, the first account.

use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use maud::{Markup, html};
use serde::Deserialize;

use super::{answer_with, layout};
use crate::accounts::guard::{self, CookieNames, Gate, clear_cookies, cookie, set_cookies};
use crate::accounts::{self, FirstRun, LinkError, Role, SignInError, Source, Via};

/// The routes that nobody has to be signed in for.
pub fn router(gate: &Arc<Gate>, first_run: FirstRun) -> Router {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-out", axum::routing::post(sign_out))
        .route("/password/{link}", get(show_link).post(use_link))
        .route("/first-run/{secret}", get(show_first_run).post(make_first))
        .layer(Extension(first_run))
        .with_state(Arc::clone(gate))
}

#[derive(Debug, Deserialize)]
struct Back {
    next: Option<String>,
}

#[derive(Deserialize)]
struct SignIn {
    email: String,
    password: String,
    next: Option<String>,
}

#[derive(Deserialize)]
struct NewPassword {
    password: String,
    again: String,
}

#[derive(Deserialize)]
struct First {
    email: String,
    name: String,
    password: String,
    again: String,
}

/// Only paths of this site: a link may not lead a visitor elsewhere.
fn way_back(next: Option<&str>) -> &str {
    match next {
        Some(next) if next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r']) => next,
        _ => "/",
    }
}

async fn show(Query(back): Query<Back>) -> Response {
    answer_with(StatusCode::OK, form(way_back(back.next.as_deref()), "", None))
}

fn form(next: &str, email: &str, problem: Option<&str>) -> Markup {
    layout::plain(
        "Sign in",
        &html! {
            h1 { "Sign in" }
            (said(problem))
            form .account method="post" action="/sign-in" {
                label for="email" { "E-mail" }
                input #email name="email" type="email" autocomplete="username" required value=(email) autofocus[email.is_empty()];
                label for="password" { "Password" }
                input #password name="password" type="password" autocomplete="current-password" required autofocus[!email.is_empty()];
                input type="hidden" name="next" value=(next);
                button type="submit" { "Sign in" }
            }
            p .hint { "No password, or a forgotten one? Whoever runs this installation makes you a link that sets a new one." }
        },
    )
}

fn said(problem: Option<&str>) -> Markup {
    html! { @if let Some(problem) = problem { p .problem role="alert" { (problem) } } }
}

async fn sign_in(
    State(gate): State<Arc<Gate>>,
    source: Source,
    headers: HeaderMap,
    Form(asked): Form<SignIn>,
) -> Response {
    // Signing a visitor in to somebody else's account is an attack as well.
    if guard::is_cross_origin(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let next = way_back(asked.next.as_deref());
    let settings = gate.settings.current();
    match accounts::sign_in(&gate.pool, &settings, &asked.email, asked.password, &source).await {
        Ok((_, opened)) => {
            let mut response = (StatusCode::SEE_OTHER, [(LOCATION, next)]).into_response();
            set_cookies(response.headers_mut(), &opened, gate.is_https);
            response
        }
        Err(error) => {
            let status = match &error {
                SignInError::Refused => StatusCode::UNAUTHORIZED,
                SignInError::Locked(_) => StatusCode::TOO_MANY_REQUESTS,
                SignInError::Database(error) => {
                    tracing::error!(%error, "nobody can sign in");
                    return database_away();
                }
            };
            answer_with(status, form(next, &asked.email, Some(&error.to_string())))
        }
    }
}

fn database_away() -> Response {
    let text = html! { h1 { "Not now" } p { "The database does not answer; try again in a moment." } };
    answer_with(StatusCode::SERVICE_UNAVAILABLE, layout::plain("Not now", &text))
}

async fn sign_out(State(gate): State<Arc<Gate>>, headers: HeaderMap) -> Response {
    if guard::is_cross_origin(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if let Some(token) = cookie(&headers, CookieNames::of(gate.is_https).session)
        && let Err(error) = end_session(&gate, token).await
    {
        tracing::error!(%error, "a session could not be ended");
        return database_away();
    }
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, "/sign-in")]).into_response();
    clear_cookies(response.headers_mut(), gate.is_https);
    response
}

async fn end_session(gate: &Gate, token: &str) -> Result<(), sqlx::Error> {
    let Some(principal) = accounts::find_session(&gate.pool, token).await? else { return Ok(()) };
    if let Via::Session(id) = principal.via {
        accounts::close(&mut *gate.pool.acquire().await?, principal.account.user_id, id).await?;
    }
    Ok(())
}

async fn show_link(Path(_): Path<String>) -> Response {
    answer_with(StatusCode::OK, password_form(None))
}

fn password_form(problem: Option<&str>) -> Markup {
    layout::plain(
        "Set a password",
        &html! {
            h1 { "Set a password" }
            (said(problem))
            form .account method="post" {
                (password_fields())
                button type="submit" { "Set the password" }
            }
            p .hint { "Everybody who is signed in to this account is signed out." }
        },
    )
}

fn password_fields() -> Markup {
    html! {
        label for="password" { "New password" }
        input #password name="password" type="password" autocomplete="new-password" required;
        label for="again" { "Once more" }
        input #again name="again" type="password" autocomplete="new-password" required;
    }
}

async fn use_link(
    State(gate): State<Arc<Gate>>,
    source: Source,
    Path(link): Path<String>,
    Form(asked): Form<NewPassword>,
) -> Response {
    if asked.password != asked.again {
        return answer_with(StatusCode::UNPROCESSABLE_ENTITY, password_form(Some("The two are not the same.")));
    }
    match accounts::use_link(&gate.pool, &gate.settings.current(), &link, asked.password, &source).await {
        Ok(_) => (StatusCode::SEE_OTHER, [(LOCATION, "/sign-in")]).into_response(),
        Err(LinkError::Database(error)) => {
            tracing::error!(%error, "a password could not be set");
            database_away()
        }
        Err(error) => {
            let status = match &error {
                LinkError::NotGood => StatusCode::NOT_FOUND,
                LinkError::TooMany => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            answer_with(status, password_form(Some(&error.to_string())))
        }
    }
}

async fn show_first_run(Extension(first_run): Extension<FirstRun>, Path(secret): Path<String>) -> Response {
    if first_run.is(&secret) {
        answer_with(StatusCode::OK, first_form("", "", None))
    } else {
        let text = html! {
            h1 { "This link is no longer good" }
            p { "Somebody can sign in already, or the daemon was started again and printed another." }
        };
        answer_with(StatusCode::NOT_FOUND, layout::plain("No longer good", &text))
    }
}

fn first_form(email: &str, name: &str, problem: Option<&str>) -> Markup {
    layout::plain(
        "The first account",
        &html! {
            h1 { "The first account" }
            p { "It may do everything: see every tenant, run the pipeline, make other accounts." }
            (said(problem))
            form .account method="post" {
                label for="email" { "E-mail" }
                input #email name="email" type="email" autocomplete="username" required value=(email);
                label for="name" { "Name" }
                input #name name="name" autocomplete="name" required value=(name);
                (password_fields())
                button type="submit" { "Make the account" }
            }
        },
    )
}

async fn make_first(
    State(gate): State<Arc<Gate>>,
    Extension(first_run): Extension<FirstRun>,
    source: Source,
    Path(secret): Path<String>,
    Form(asked): Form<First>,
) -> Response {
    if asked.password != asked.again {
        let page = first_form(&asked.email, &asked.name, Some("The two passwords are not the same."));
        return answer_with(StatusCode::UNPROCESSABLE_ENTITY, page);
    }
    let (who, settings) = ((asked.email.as_str(), asked.name.as_str()), gate.settings.current());
    let made = first_run.make_account(&gate.pool, &settings, &secret, who, asked.password, &source).await;
    match made {
        Ok(user_id) => {
            tracing::info!(%user_id, role = Role::SuperAdmin.as_str(), "the first account was made");
            (StatusCode::SEE_OTHER, [(LOCATION, "/sign-in")]).into_response()
        }
        Err(error) => {
            let page = first_form(&asked.email, &asked.name, Some(&error.to_string()));
            answer_with(StatusCode::UNPROCESSABLE_ENTITY, page)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_stays_on_this_site() {
        assert_eq!(way_back(Some("/calls?x=1")), "/calls?x=1");
        for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\r\nb"] {
            assert_eq!(way_back(Some(elsewhere)), "/", "{elsewhere}");
        }
        assert_eq!(way_back(None), "/");
    }
}
