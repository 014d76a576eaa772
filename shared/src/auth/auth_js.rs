//! The session cookie of a front end that signs people in with Auth.js (`next-auth`), version 5 or 4.
//!
//! Environment: `AUTH_JS_KEY` (secret: the key that `cargo db auth-js-key` derives from the front end's secret; while
//! that is replaced, the new and the old one with a comma between), and with it `AUTH_JS_COOKIE` (the cookie's name) and
//! `AUTH_JS_ORIGINS` (from where the front end's pages call, with commas between). Without the key no cookie counts.
//!
//! Whoever has the key can make any cookie. So of a cookie only who it is for and when it was made are believed: role,
//! organisation and second factor are looked up, and shown, here.

use aws_lc_rs::hkdf;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use url::Url;

use crate::{
    clock::{self, Moment},
    config::{self, ConfigError},
    http::Problem,
    jwe,
    secrets::Secret,
    users::{ACCESS_S, display_name},
};

const KEY: &str = "AUTH_JS_KEY";
/// What version 5 calls its cookie, where nobody says otherwise.
const COOKIE: &str = "authjs.session-token";
/// Our own cookie beside it, with an access token that tells what was shown lately.
const STEP_UP_COOKIE: &str = "promptlib.step-up";
/// How far ahead the front end's clock may be, in seconds.
const LEEWAY_S: i64 = 60;
/// A cookie in more pieces is none of Auth.js's: a browser sends fewer.
const MAX_CHUNKS: usize = 10;
/// The longest name of an account, in characters.
const MAX_NAME_CHARS: usize = 100;

/// Cookies, and who may send them.
pub struct AuthJs {
    cookie: String,
    keys: Secret<Vec<jwe::Key>>,
    origins: Vec<String>,
}

/// What of a cookie is believed.
#[derive(Debug)]
pub(super) struct CookieClaims {
    /// The account.
    pub(super) user_id: String,
    /// When its owner signed in: as the front end notes it, else when the cookie was made.
    pub(super) issued_at: Moment,
    /// For an account that is not there yet.
    pub(super) email: String,
    pub(super) name: String,
}

/// A cookie's claims as Auth.js writes them.
#[derive(Deserialize)]
struct RawClaims {
    id: Option<String>,
    sub: Option<String>,
    email: Option<String>,
    name: Option<String>,
    /// Seconds, with a fraction where the front end's `jwt` callback gives one.
    auth_time: Option<f64>,
    iat: f64,
    exp: f64,
}

impl AuthJs {
    /// Reads the settings; `None` without a key.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        let Some(keys) = Secret::optional(KEY, parse_keys)? else { return Ok(None) };
        let cookie = config::optional("AUTH_JS_COOKIE").unwrap_or_else(|| COOKIE.into());
        let origins = config::optional("AUTH_JS_ORIGINS").unwrap_or_default();
        Self::new(keys, &cookie, &origins).map(Some)
    }

    fn new(keys: Secret<Vec<jwe::Key>>, cookie: &str, origins: &str) -> Result<Self, ConfigError> {
        let origins = origins.split(',').map(|origin| origin.trim().to_owned()).filter(|origin| !origin.is_empty());
        let origins: Vec<String> = origins.collect();
        let is_origin = |text: &String| Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == *text);
        if !origins.iter().all(is_origin) {
            return Err(ConfigError::new(
                "AUTH_JS_ORIGINS",
                "origins such as https://example.com, with commas between",
            ));
        }
        Ok(Self { cookie: cookie.to_owned(), keys, origins })
    }

    /// Whose cookie came with a request. `None` without one, and for one that is none of ours or has expired: browsers
    /// send what they have. 403 for a change that no page of the front end asks for.
    pub(super) async fn claims(&self, method: &Method, headers: &HeaderMap) -> Result<Option<CookieClaims>, Problem> {
        let Some(token) = session_token(headers, &self.cookie) else { return Ok(None) };
        let Some(keys) = self.keys.find().await? else { return Ok(None) };
        let Some(claims) = keys.iter().find_map(|key| key.open::<RawClaims>(&token)) else { return Ok(None) };
        let Some(claims) = claims.counting_at(clock::now()) else { return Ok(None) };
        if !method.is_safe() && !self.is_own_page(headers) {
            return Err(Problem::forbidden(
                "foreign_origin",
                "A change by session cookie counts from the front end's own pages alone (header Origin).",
            ));
        }
        Ok(Some(claims))
    }

    fn is_own_page(&self, headers: &HeaderMap) -> bool {
        let mut sent = headers.get_all(header::ORIGIN).iter();
        match (sent.next(), sent.next()) {
            (Some(origin), None) => self.origins.iter().any(|own| own.as_bytes() == origin.as_bytes()),
            _ => false,
        }
    }
}

/// Whether this is what `AUTH_JS_KEY` may be; an error says what it must be.
pub fn check_keys(text: &str) -> Result<(), String> {
    parse_keys(text).map(drop)
}

fn parse_keys(text: &str) -> Result<Vec<jwe::Key>, String> {
    let key = |text: &str| jwe::Key::new(&URL_SAFE_NO_PAD.decode(text.trim()).ok()?);
    let keys: Option<Vec<_>> = text.split(',').map(key).collect();
    keys.ok_or_else(|| "what `cargo db auth-js-key` prints, one or two of it".into())
}

impl RawClaims {
    fn counting_at(self, now: Moment) -> Option<CookieClaims> {
        let issued_at = moment(self.auth_time.unwrap_or(self.iat))?;
        let is_current = moment(self.exp)? > now && issued_at <= now + jiff::SignedDuration::from_secs(LEEWAY_S);
        let user_id = self.id.or(self.sub).filter(|id| !id.is_empty())?;
        let (email, name) = (self.email.unwrap_or_default(), self.name.unwrap_or_default());
        is_current.then_some(CookieClaims { user_id, issued_at, email, name })
    }
}

impl CookieClaims {
    /// Whether the id is one that the front end's database gives: 24 hexadecimal digits.
    pub(super) fn is_of_front_end(&self) -> bool {
        self.user_id.len() == 24 && self.user_id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// The name for a new account: the address's first part where an account can have no such name.
    pub(super) fn account_name(&self) -> String {
        let name: String = self.name.trim().chars().take(MAX_NAME_CHARS).collect();
        if display_name(&name, &()).is_ok() {
            return name;
        }
        self.email.split('@').next().unwrap_or_default().to_owned()
    }
}

/// Seconds since 1970; `None` for what no clock shows.
#[expect(clippy::cast_possible_truncation, reason = "is within the bounds")]
fn moment(seconds: f64) -> Option<Moment> {
    (0.0..1e11).contains(&seconds).then(|| Moment::from_millisecond((seconds * 1000.0) as i64))
}

/// The access token of our own cookie, if there is one.
pub(super) fn step_up_token(headers: &HeaderMap) -> Option<String> {
    cookies(headers).find_map(|(name, value)| (name == STEP_UP_COOKIE).then(|| value.to_owned()))
}

/// The header that keeps an access token beside the front end's cookie, for as long as it counts.
pub fn step_up_cookie(access_token: &str) -> HeaderValue {
    let text =
        format!("{STEP_UP_COOKIE}={access_token}; Max-Age={ACCESS_S}; Path=/api; HttpOnly; Secure; SameSite=Strict");
    HeaderValue::try_from(text).unwrap_or_else(|error| unreachable!("a token is base64url: {error}"))
}

/// The cookie `name`, or put together of its pieces `name.0`, `name.1`, …
fn session_token(headers: &HeaderMap, name: &str) -> Option<String> {
    let named = |wanted: &str| cookies(headers).find_map(|(name, value)| (name == wanted).then_some(value));
    if let Some(whole) = named(name) {
        return Some(whole.to_owned());
    }
    let chunks: Vec<&str> = (0..MAX_CHUNKS).map_while(|index| named(&format!("{name}.{index}"))).collect();
    (!chunks.is_empty()).then(|| chunks.concat())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='))
}

/// What `AUTH_JS_KEY` is for a front end with this secret and cookie: the key of version 5, or of version 4.
pub fn derive_key(secret: &[u8], cookie: &str, is_version_4: bool) -> String {
    let (salt, info, length) = if is_version_4 {
        ("", "NextAuth.js Generated Encryption Key".to_owned(), 32)
    } else {
        (cookie, format!("Auth.js Generated Encryption Key ({cookie})"), 64)
    };
    let mut key = vec![0; length];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt.as_bytes()).extract(secret);
    let filled = prk.expand(&[info.as_bytes()], Length(length)).and_then(|material| material.fill(&mut key));
    filled.unwrap_or_else(|_| unreachable!("HKDF gives 64 bytes"));
    URL_SAFE_NO_PAD.encode(key)
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of this secret, by `hkdf` of `@panva/hkdf`, which Auth.js calls.
    const SECRET: &[u8] = b"the secret of a front end, for tests";
    const V5_KEY: &str = "SM8LIZ-o7uCuKlGDThiamjJk4tjYmEv23QsiMUYOlEJwivbpQQIALh5LppCd8e80FuXcp9FjcTZgiLAu1d7tLw";
    const V4_KEY: &str = "jUNLRhT4Oi94t8b88OjskPizk1dHbnV8hEbV_9gZnkI";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn keys_are_derived_as_auth_js_does() {
        assert_eq!(derive_key(SECRET, "next-auth.session-token", false), V5_KEY);
        assert_eq!(derive_key(SECRET, "next-auth.session-token", true), V4_KEY);
        assert_ne!(derive_key(SECRET, "authjs.session-token", false), V5_KEY, "each cookie has its own");
    }

    #[test]
    fn a_cookie_is_put_together_of_its_pieces() {
        for (lines, token) in [
            (&[("cookie", "a=1; s=token; b=2")][..], Some("token")),
            (&[("cookie", "s.1=b; other=x;s.0=a; s.2=c=")], Some("abc=")),
            (&[("cookie", "s.0=a"), ("cookie", "s.1=b")], Some("ab")),
            (&[("cookie", "s.1=b; s.2=c")], None),
            (&[("cookie", "s.0=a; s.2=c")], Some("a")),
            (&[("cookie", "ss=1; s; S=2")], None),
            (&[("cookie", "")], None),
            (&[], None),
        ] {
            assert_eq!(session_token(&headers(lines), "s").as_deref(), token, "{lines:?}");
        }
    }

    #[test]
    fn a_cookie_counts_from_when_it_was_made_until_it_expires() {
        let now = Moment::from_millisecond(1_000_000_000_500);
        let claims = |more: serde_json::Value| {
            let mut claims = serde_json::json!({"sub": "ada", "iat": 1_000_000_000, "exp": 1_000_000_001});
            claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            serde_json::from_value::<RawClaims>(claims).ok()?.counting_at(now)
        };
        let issued_at = |more| claims(more).map(|claims| claims.issued_at.as_millisecond());
        assert_eq!(issued_at(serde_json::json!({})), Some(1_000_000_000_000));
        assert_eq!(issued_at(serde_json::json!({"auth_time": 999_999_000.25})), Some(999_999_000_250));
        assert_eq!(issued_at(serde_json::json!({"iat": 1_000_000_060})), Some(1_000_000_060_000), "a clock ahead");
        for odd in [
            serde_json::json!({"exp": 1_000_000_000}),
            serde_json::json!({"exp": null}),
            serde_json::json!({"exp": "1e12"}),
            serde_json::json!({"exp": 1e300}),
            serde_json::json!({"iat": 1_000_000_061}),
            serde_json::json!({"iat": -1}),
            serde_json::json!({"sub": ""}),
            serde_json::json!({"sub": null}),
            serde_json::json!({"sub": 7}),
        ] {
            assert!(claims(odd.clone()).is_none(), "{odd}");
        }
        assert_eq!(claims(serde_json::json!({"id": "eve"})).expect("counts").user_id, "eve", "the app's own claim");
    }

    #[test]
    fn a_new_account_has_a_name_that_can_be_seen() {
        let name = |name: &str| {
            let (user_id, email) = (String::new(), "ada@example.com".to_owned());
            CookieClaims { user_id, issued_at: clock::now(), email, name: name.to_owned() }.account_name()
        };
        assert_eq!(name(" Ada Lovelace "), "Ada Lovelace");
        assert_eq!(name(&"é".repeat(200)).chars().count(), MAX_NAME_CHARS);
        for odd in ["", "  ", "A\nB", "\u{202e}adA"] {
            assert_eq!(name(odd), "ada", "{odd:?}");
        }
    }

    #[test]
    fn a_change_is_asked_for_by_the_front_ends_own_pages() {
        let auth_js = AuthJs::new(given(V5_KEY), "s", "https://example.com, https://www.example.com").expect("good");
        let own = |lines: &[(&'static str, &str)]| auth_js.is_own_page(&headers(lines));
        assert!(own(&[("origin", "https://example.com")]) && own(&[("origin", "https://www.example.com")]));
        for lines in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://example.com")],
            &[("origin", "https://example.com:8443")],
            &[("origin", "https://example.com.evil.example")],
            &[("origin", "https://example.com"), ("origin", "https://evil.example")],
            &[("referer", "https://example.com/page")],
        ] {
            assert!(!own(lines), "{lines:?}");
        }
    }

    #[test]
    fn a_setting_that_is_none_is_named_and_not_told() {
        for keys in ["c2hvcnQ", "the secret itself", &format!("{V5_KEY},short")] {
            let error = check_keys(keys).expect_err("refused");
            assert!(error.contains("cargo db auth-js-key") && !error.contains("secret itself"), "{error}");
        }
        assert!(check_keys(&format!("{V5_KEY}, {V4_KEY}")).is_ok(), "two");
        for origins in ["example.com", "https://example.com/", "*"] {
            let error = AuthJs::new(given(V5_KEY), "s", origins).err().expect("refused").to_string();
            assert!(error.contains("AUTH_JS_ORIGINS"), "{error}");
        }
    }

    fn given(keys: &str) -> Secret<Vec<jwe::Key>> {
        Secret::given(parse_keys(keys).expect("keys"))
    }
}
