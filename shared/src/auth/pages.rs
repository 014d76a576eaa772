//! Where mailed links lead: small pages of the API's own, or pages of a front end.
//!
//! Environment: `APP_URL` (the front end's address, if it has such pages), `API_URL` (the API's, where it is not the one
//! that API Gateway gave it). A link's host is never taken from a request's headers.

use axum::{
    Router,
    middleware::map_response,
    routing::{MethodRouter, get},
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    config,
    http::{
        ClientInfo, Query, Reply,
        page::{page, show_problems},
    },
};

/// A page that a mailed link leads to. It does nothing until its button is pressed, since the scanners of mail servers
/// follow links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// A new account's password, and with it the account.
    CompleteSignUp,
    /// The proof of an address whose account is there already.
    VerifyEmail,
    /// A new password for a forgotten one.
    ResetPassword,
    /// The beginning of a lost factor's reset.
    ResetFactor,
    /// The end of that reset, before it is done.
    KeepFactor,
}

/// What the address of such a page holds.
#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    token: String,
}

/// What a page says and asks.
struct Words {
    title: &'static str,
    lead: &'static str,
    /// What the password field is called, and how a browser is to fill it in.
    password: Option<(&'static str, &'static str)>,
    button: &'static str,
    done: &'static str,
}

impl Page {
    /// The last part of its address; at a front end, all of its path.
    const fn name(self) -> &'static str {
        match self {
            Self::CompleteSignUp => "complete-sign-up",
            Self::VerifyEmail => "verify-email",
            Self::ResetPassword => "reset-password",
            Self::ResetFactor => "reset-factor",
            Self::KeepFactor => "keep-factor",
        }
    }

    const fn words(self) -> Words {
        match self {
            Self::CompleteSignUp => Words {
                title: "Complete your sign-up",
                lead: "Choose the password of your new account. If you did not sign up, close this page.",
                password: Some(("Password", "new-password")),
                button: "Create the account",
                done: "Your account is ready: you can sign in.",
            },
            Self::VerifyEmail => Words {
                title: "Confirm your address",
                lead: "Enter your password to confirm that this address is yours.",
                password: Some(("Password", "current-password")),
                button: "Confirm",
                done: "Your address is confirmed.",
            },
            Self::ResetPassword => Words {
                title: "Choose a new password",
                lead: "Your sign-ins end everywhere, and your API keys are revoked.",
                password: Some(("New password", "new-password")),
                button: "Set the password",
                done: "Your new password is set: you can sign in.",
            },
            Self::ResetFactor => Words {
                title: "Remove your second factor",
                lead: "It is removed 24 hours from now, unless somebody with access to your mail stops it.",
                password: None,
                button: "Remove it in 24 hours",
                done: "Your second factor will be removed in 24 hours. Sign in again then.",
            },
            Self::KeepFactor => Words {
                title: "Keep your second factor",
                lead: "Somebody who knows your password asked for its removal.",
                password: None,
                button: "Keep it",
                done: "Your second factor stays. If it was not you who asked, choose a new password now.",
            },
        }
    }

    /// Adds the page to a function's routes: `submit` is what its button does.
    pub fn add_to<S: Clone + Send + Sync + 'static>(self, routes: Router<S>, submit: MethodRouter<S>) -> Router<S> {
        let show = get(async move |Query(Link { token }): Query<Link>| self.form(&token));
        routes.route(&format!("/account/{}", self.name()), show.merge(submit).layer(map_response(show_problems)))
    }

    /// The page when its button was pressed and all is done.
    pub fn done(self) -> Reply {
        page(self.words().title, &html! { p { (self.words().done) } })
    }

    fn form(self, token: &str) -> Reply {
        let Words { title, lead, password, button, .. } = self.words();
        let field = |(label, autocomplete): (&str, &str)| -> Markup {
            html! {
                // Without a name it is not sent: password managers tell accounts apart by it.
                input type="email" autocomplete="username" hidden;
                label { (label)
                    input type="password" name="password" autocomplete=(autocomplete) required autofocus;
                }
            }
        };
        page(
            title,
            &html! {
                p { (lead) }
                form method="post" action=(self.name()) {
                    input type="hidden" name="token" value=(token);
                    @if let Some(password) = password { (field(password)) }
                    button type="submit" { (button) }
                }
            },
        )
    }
}

/// Makes links.
pub struct Links {
    app_url: Option<String>,
    api_url: Option<String>,
}

impl Links {
    /// Reads the settings.
    pub fn from_env() -> Self {
        let url = |name| config::optional(name).map(|url| url.trim_end_matches('/').to_owned());
        Self { app_url: url("APP_URL"), api_url: url("API_URL") }
    }

    /// A link to `page` with this token, mailed because of a request of `client`'s.
    pub(crate) fn to(&self, page: Page, token: &str, client: &ClientInfo) -> String {
        let name = page.name();
        match (&self.app_url, &self.api_url) {
            (Some(app), _) => format!("{app}/{name}?token={token}"),
            (None, Some(api)) => format!("{api}/account/{name}?token={token}"),
            (None, None) => format!("https://{}/account/{name}?token={token}", client.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http::header;
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn a_link_leads_to_the_front_end_else_to_the_api() {
        let client = ClientInfo { host: "id.execute-api.eu-west-1.amazonaws.com".into(), ..ClientInfo::default() };
        let url = |url: &str| Some(url.to_owned());
        for (app_url, api_url, link) in [
            (url("https://app.example"), url("https://api.example"), "https://app.example/verify-email?token=t"),
            (None, url("https://api.example"), "https://api.example/account/verify-email?token=t"),
            (None, None, "https://id.execute-api.eu-west-1.amazonaws.com/account/verify-email?token=t"),
        ] {
            assert_eq!(Links { app_url, api_url }.to(Page::VerifyEmail, "t", &client), link);
        }
    }

    #[tokio::test]
    async fn a_token_is_no_markup_and_a_page_leads_nowhere_else() {
        let response = Page::ResetPassword.form("\"><script>").into_response();
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
        for rule in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer");
        let body = response.into_body().collect().await.expect("in memory").to_bytes();
        let html = String::from_utf8_lossy(&body);
        assert!(!html.contains("<script") && html.contains("&quot;&gt;&lt;script&gt;"), "{html}");
    }
}
