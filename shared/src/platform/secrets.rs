//! Secrets of a deployment, from AWS Systems Manager's Parameter Store.
//!
//! A variable says where its secret is: `ssm:/promptlib/signing-seed` names a parameter, of which the environment holds
//! no more than the name. Anything else is the secret itself: for the operator's tool, and for tests.
//!
//! - One call (`GetParameters`, ten names each) reads all that the function needs. It is made while the environment
//!   starts ([`crate::init`]), and by whoever needs a secret if that did not succeed.
//! - Secrets are kept for [`KEPT`] and then read again, so a changed one is in force everywhere without a deploy. While
//!   the store does not answer, what was read last goes on.
//! - A function without a variable of such a form makes no call, and links none of the client.
//!
//! Environment: `SECRETS_KEPT_S` (how long they are kept, in seconds, at most 300).

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, LazyLock, Mutex as StdMutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_ssm::{Client, config::Builder};
use futures_util::{FutureExt, future::BoxFuture};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::{Mutex, OnceCell},
    time::timeout,
};

use crate::{
    aws,
    config::{self, ConfigError},
    init,
};

/// What a variable begins with that names a parameter.
pub const REFERENCE: &str = "ssm:";
/// How many names one call takes. Source: `GetParameters`.
const NAMES_PER_CALL: usize = 10;
/// How long a secret is kept.
const KEPT: Duration = Duration::from_mins(5);
/// The longest that a request waits for a secret that it has not got yet, retries included.
const READ_TIMEOUT: Duration = Duration::from_millis(2500);
/// The longest that a request waits for the successor of a secret that it has.
const RENEW_TIMEOUT: Duration = Duration::from_millis(800);
/// One attempt: the store answers within 50 ms as a rule.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(900);
/// The store refuses more than 40 calls a second of an account, so the environments of a busy minute wait for one another.
const ATTEMPTS: u32 = 4;
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// How soon after a failure the store is asked again: by a function that lacks a secret, and by one that has all.
const RETRY_MISSING: Duration = Duration::from_secs(1);
const RETRY_RENEWAL: Duration = Duration::from_secs(30);

/// The store did not answer, or does not have what is needed: try again later (503 to a client).
#[derive(Clone, Debug, thiserror::Error)]
#[error("a secret is unavailable: {0}")]
pub struct Unavailable(String);

/// Makes of a secret's text what is used of it; an error completes the sentence "NAME must be …" and quotes nothing.
pub type Make<T> = fn(&str) -> Result<T, String>;

/// A secret that a function needs, as what is made of it. Neither prints nor serialises.
pub struct Secret<T> {
    name: &'static str,
    source: Source<T>,
}

enum Source<T> {
    Given(Arc<T>),
    Stored { store: &'static dyn ParameterStore, parameter: String, make: Make<T>, last: StdMutex<Option<Last<T>>> },
}

/// What was made last, and of which text.
struct Last<T> {
    of: SecretString,
    value: Arc<T>,
}

impl<T> Secret<T> {
    /// The secret that the variable holds or names; what it holds is looked at now, what it names at the first use.
    pub fn from_env(variable: &'static str, make: Make<T>) -> Result<Self, ConfigError> {
        let expected = "a secret, or ssm:/… with the name of the parameter that holds it";
        Self::optional(variable, make)?.ok_or_else(|| ConfigError::new(variable, format!("set to {expected}")))
    }

    /// As [`Secret::from_env`]; `None` when the variable is unset or empty.
    pub fn optional(variable: &'static str, make: Make<T>) -> Result<Option<Self>, ConfigError> {
        let Some(text) = config::optional(variable) else { return Ok(None) };
        let source = match text.strip_prefix(REFERENCE) {
            Some(parameter) => {
                let store = STORE.need(parameter);
                Source::Stored { store, parameter: parameter.to_owned(), make, last: StdMutex::default() }
            }
            None => Source::Given(Arc::new(make(&text).map_err(|expected| ConfigError::new(variable, expected))?)),
        };
        Ok(Some(Self { name: variable, source }))
    }

    /// One that is at hand.
    pub fn given(value: T) -> Self {
        Self { name: "a secret at hand", source: Source::Given(Arc::new(value)) }
    }

    /// What is made of the secret.
    pub async fn get(&self) -> Result<Arc<T>, Unavailable> {
        self.find().await?.ok_or_else(|| Unavailable(format!("there is no parameter for {}", self.name)))
    }

    /// As [`Secret::get`]; `None` when the store has no such parameter.
    pub async fn find(&self) -> Result<Option<Arc<T>>, Unavailable> {
        match &self.source {
            Source::Given(value) => Ok(Some(Arc::clone(value))),
            Source::Stored { store, parameter, make, last } => match store.value(parameter).await? {
                Some(text) => self.make(&text, *make, last).map(Some),
                None => Ok(None),
            },
        }
    }

    /// Has the secret read again at the next use, as it seems to be another one now; not if it was read in the last
    /// `pause`.
    pub async fn distrust(&self, pause: Duration) {
        if let Source::Stored { store, .. } = self.source {
            store.distrust(pause).await;
        }
    }

    /// A text that is malformed leaves the one before in force.
    fn make(
        &self,
        text: &SecretString,
        make: Make<T>,
        last: &StdMutex<Option<Last<T>>>,
    ) -> Result<Arc<T>, Unavailable> {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| last.of.expose_secret() == text.expose_secret()) {
            return Ok(Arc::clone(&last.value));
        }
        match (make(text.expose_secret()), last.as_ref()) {
            (Ok(value), _) => {
                let value = Arc::new(value);
                *last = Some(Last { of: text.clone(), value: Arc::clone(&value) });
                Ok(value)
            }
            (Err(expected), Some(before)) => {
                tracing::error!(secret = self.name, expected, "a changed secret is malformed: the one before goes on");
                Ok(Arc::clone(&before.value))
            }
            (Err(expected), None) => Err(Unavailable(format!("{} must be {expected}", self.name))),
        }
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where parameters are read.
trait ParameterStore: Send + Sync {
    /// The value of one of them; `None` when it is not there.
    fn value<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<SecretString>, Unavailable>>;
    /// Reads all anew, unless they were read in the last `pause`.
    fn distrust(&self, pause: Duration) -> BoxFuture<'_, ()>;
}

static STORE: LazyLock<Store> = LazyLock::new(|| {
    let kept = config::parsed_or("SECRETS_KEPT_S", "a number of seconds", KEPT.as_secs());
    Store::new(Duration::from_secs(kept.unwrap_or(KEPT.as_secs())).min(KEPT))
});

/// The parameters that a function needs, as they were read last.
struct Store {
    kept: Duration,
    names: StdMutex<BTreeSet<String>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    values: HashMap<String, SecretString>,
    read_at: Option<SystemTime>,
    failed_at: Option<(SystemTime, Unavailable)>,
}

impl Store {
    fn new(kept: Duration) -> Self {
        Self { kept, names: StdMutex::default(), state: Mutex::default() }
    }

    /// Notes that the function needs this parameter. Who needs the first has all of them read in the start.
    fn need(&'static self, name: &str) -> &'static dyn ParameterStore {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.is_empty() {
            init::register(self.read_all());
        }
        names.insert(name.to_owned());
        self
    }

    async fn read_all(&self) {
        // A failure is noted where it is found.
        self.state.lock().await.read(&self.names(), READ_TIMEOUT).await.unwrap_or_default();
    }

    fn names(&self) -> Vec<String> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl ParameterStore for Store {
    fn value<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<SecretString>, Unavailable>> {
        async {
            let (mut state, now) = (self.state.lock().await, SystemTime::now());
            match state.read_at {
                None => state.read_missing(&self.names(), now).await?,
                Some(read_at) if !is_within(read_at, now, self.kept) => state.renew(&self.names(), now).await,
                Some(_) => {}
            }
            Ok(state.values.get(name).cloned())
        }
        .boxed()
    }

    fn distrust(&self, pause: Duration) -> BoxFuture<'_, ()> {
        async move {
            let (mut state, now) = (self.state.lock().await, SystemTime::now());
            if state.read_at.is_some_and(|read_at| !is_within(read_at, now, pause)) {
                state.renew(&self.names(), now).await;
            }
        }
        .boxed()
    }
}

/// By the wall clock: Lambda freezes the process between invocations. A clock that was set back tells nothing.
fn is_within(since: SystemTime, now: SystemTime, limit: Duration) -> bool {
    now.duration_since(since).is_ok_and(|age| age < limit)
}

impl State {
    /// Fails at once after a failure: a request that needs several secrets waits for the store once.
    async fn read_missing(&mut self, names: &[String], now: SystemTime) -> Result<(), Unavailable> {
        match &self.failed_at {
            Some((at, failure)) if is_within(*at, now, RETRY_MISSING) => Err(failure.clone()),
            _ => self.read(names, READ_TIMEOUT).await,
        }
    }

    /// What is there goes on while the store does not answer.
    async fn renew(&mut self, names: &[String], now: SystemTime) {
        if !self.failed_at.as_ref().is_some_and(|(at, _)| is_within(*at, now, RETRY_RENEWAL)) {
            let _ = self.read(names, RENEW_TIMEOUT).await;
        }
    }

    async fn read(&mut self, names: &[String], limit: Duration) -> Result<(), Unavailable> {
        let late = |_| Err(Unavailable(format!("no answer of the parameter store within {} ms", limit.as_millis())));
        match timeout(limit, fetch(names)).await.unwrap_or_else(late) {
            Ok(values) => {
                *self = Self { values, read_at: Some(SystemTime::now()), failed_at: None };
                Ok(())
            }
            Err(failure) => {
                tracing::warn!(error = %failure, has_former = self.read_at.is_some(), "secrets could not be read");
                self.failed_at = Some((SystemTime::now(), failure.clone()));
                Err(failure)
            }
        }
    }
}

/// Parameters by name; those that are not there are left out. Boxed: whoever needs a secret would hold the SDK's futures
/// otherwise.
fn fetch(names: &[String]) -> BoxFuture<'_, Result<HashMap<String, SecretString>, Unavailable>> {
    async {
        let (client, mut values) = (client().await, HashMap::new());
        for names in names.chunks(NAMES_PER_CALL) {
            let call = client.get_parameters().set_names(Some(names.to_vec())).with_decryption(true);
            let answer = call.send().await.map_err(|error| Unavailable(aws::reason(&error)))?;
            let found = answer.parameters.unwrap_or_default().into_iter();
            values.extend(found.filter_map(|parameter| Some((parameter.name?, SecretString::from(parameter.value?)))));
        }
        Ok(values)
    }
    .boxed()
}

async fn client() -> &'static Client {
    static CLIENT: OnceCell<Client> = OnceCell::const_new();
    let connect = async || {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_BACKOFF);
        Client::from_conf(Builder::from(aws::config().await).timeout_config(timeouts).retry_config(retries).build())
    };
    CLIENT.get_or_init(connect).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<u32, String> {
        text.parse().map_err(|_| "a number".to_owned())
    }

    fn stored() -> Secret<u32> {
        Secret {
            name: "NUMBER",
            source: Source::Stored {
                store: &*STORE,
                parameter: "/test/number".into(),
                make: number,
                last: StdMutex::default(),
            },
        }
    }

    fn made(secret: &Secret<u32>, text: &str) -> Result<u32, String> {
        let Source::Stored { make, last, .. } = &secret.source else { panic!("stored") };
        secret.make(&text.into(), *make, last).map(|value| *value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_changed_secret_takes_the_place_of_the_one_before_unless_it_is_malformed() {
        let secret = stored();
        assert_eq!(made(&secret, "a secret text"), Err("a secret is unavailable: NUMBER must be a number".into()));
        assert_eq!(made(&secret, "1"), Ok(1));
        assert_eq!(made(&secret, "2"), Ok(2));
        assert_eq!(made(&secret, "a secret text"), Ok(2));
        assert_eq!(format!("{secret:?}"), "Secret { name: \"NUMBER\", .. }");
    }

    #[tokio::test]
    async fn while_the_store_is_away_what_was_read_goes_on_and_what_was_not_fails_at_once() {
        let (now, failure) = (SystemTime::now(), Unavailable("no answer".into()));
        let mut state = State { failed_at: Some((now, failure)), ..State::default() };
        assert!(state.read_missing(&[], now).await.is_err());
        state.values.insert("/test/number".into(), "1".into());
        state.read_at = Some(now - Duration::from_hours(1));
        // Asks nobody, since it has just failed.
        state.renew(&["/test/number".into()], now).await;
        assert_eq!(state.values["/test/number"].expose_secret(), "1");
    }

    #[test]
    fn a_secret_is_kept_by_the_wall_clock_and_not_longer_where_that_was_set_back() {
        let now = SystemTime::now();
        assert!(is_within(now - Duration::from_secs(299), now, KEPT));
        assert!(!is_within(now - KEPT, now, KEPT) && !is_within(now + Duration::from_secs(1), now, KEPT));
    }
}
