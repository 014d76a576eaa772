//! Published JSON → MongoDB → immutable backup.
//!
//! A file that has been read is kept and revalidated at most once a minute; while its source is
//! away or broken the kept one goes on being served. Only an environment that has none asks the
//! database, once, and keeps that answer for a while; and if the database is away too, the backup
//! serves. An empty list is never served.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{
    Kind, Library, bundled, file,
    source::{Fetched, PublishedContent, READ_TIMEOUT},
};
use crate::{config::ConfigError, init, telemetry::Incident};

/// How often the published file is asked for anew.
const REVALIDATE_AFTER: Duration = Duration::from_mins(1);
/// How long an answer of the database is served: an outage of the bucket must not become a load on
/// the database.
const KEEP_DATABASE: Duration = Duration::from_mins(5);
/// How long the backup is served before the database is asked again.
const KEEP_BUNDLED: Duration = Duration::from_mins(1);

/// The middle link. A function that has no database leaves it out, and links no driver.
pub trait DatabaseFallback: Send + Sync {
    /// All items of the kind that may be published; one attempt, bounded in time.
    fn load(&self) -> BoxFuture<'_, Result<Vec<Map<String, Value>>, String>>;
}

/// Where the served content came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Json,
    Mongodb,
    /// The backup in the binary.
    Bundled,
}

impl Origin {
    /// As the header `x-content-source` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Mongodb => "mongodb",
            Self::Bundled => "backup",
        }
    }
}

/// Content as of now.
#[derive(Clone)]
pub struct Snapshot {
    /// Which kind they are.
    pub kind: Kind,
    pub library: Arc<Library>,
    /// Where they came from.
    pub origin: Origin,
}

/// The chain for one kind of content; clones share it.
#[derive(Clone)]
pub struct Content(Arc<Chain>);

struct Chain {
    kind: Kind,
    source: PublishedContent,
    database: Option<Box<dyn DatabaseFallback>>,
    bundled: &'static [u8],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    published: Option<Published>,
    checked: Option<SystemTime>,
    fallback: Option<(Snapshot, SystemTime)>,
}

struct Published {
    library: Arc<Library>,
    tag: String,
}

impl Content {
    /// Published content from where `CONTENT_URL` says, then `database`, then `bundled`, one of
    /// [`super::bundled`]. The published file is read in the environment's start, if that succeeds there.
    pub(super) fn from_env(
        kind: Kind,
        database: Option<Box<dyn DatabaseFallback>>,
        bundled: &'static [u8],
    ) -> Result<Self, ConfigError> {
        let source = PublishedContent::from_env()?;
        let content = Self(Arc::new(Chain { kind, source, database, bundled, state: Mutex::default() }));
        let chain = Arc::clone(&content.0);
        init::register(async move { chain.read_published().await });
        Ok(content)
    }

    /// Prompts for functions without a database: published, else bundled.
    pub fn published_prompts() -> Result<Self, ConfigError> {
        Self::from_env(Kind::Prompts, None, bundled::PROMPTS)
    }

    /// What to serve now. Never fails, never empty.
    pub async fn current(&self) -> Snapshot {
        self.0.current().await
    }
}

impl Chain {
    /// No other link is asked: should this one be away, the first request finds out anew.
    async fn read_published(&self) {
        let mut state = self.state.lock().await;
        self.revalidate(&mut state).await;
        state.checked = state.published.is_some().then(SystemTime::now);
    }

    async fn current(&self) -> Snapshot {
        let mut state = self.state.lock().await;
        if state.checked.is_none_or(|at| is_past(at, REVALIDATE_AFTER)) {
            self.revalidate(&mut state).await;
            state.checked = Some(SystemTime::now());
        }
        if let Some(published) = &state.published {
            return Snapshot { kind: self.kind, library: Arc::clone(&published.library), origin: Origin::Json };
        }
        match &state.fallback {
            Some((snapshot, at)) if !is_past(*at, keep(snapshot.origin)) => snapshot.clone(),
            kept => {
                let snapshot = self.fall_back(kept.as_ref().map(|(snapshot, _)| snapshot)).await;
                state.fallback = Some((snapshot.clone(), SystemTime::now()));
                snapshot
            }
        }
    }

    async fn revalidate(&self, state: &mut State) {
        let tag = state.published.as_ref().map(|published| published.tag.as_str());
        let loaded = match self.source.fetch(self.kind, tag, READ_TIMEOUT).await {
            Ok(Fetched::Unchanged) => return,
            Ok(Fetched::New { bytes, tag }) => self.read(&bytes).map(|library| Published { library, tag }),
            Err(error) => Err(error.to_string()),
        };
        match loaded {
            Ok(published) => {
                state.published = Some(published);
                state.fallback = None;
            }
            Err(reason) => {
                let kept = state.published.is_some();
                tracing::warn!(content = self.kind.name(), reason, kept, "published content is not usable");
            }
        }
    }

    /// What the database has kept before is newer than what is bundled, should it be away now.
    async fn fall_back(&self, kept: Option<&Snapshot>) -> Snapshot {
        let started = Instant::now();
        let from_database = match &self.database {
            Some(database) => database.load().await.and_then(|items| index(&items)),
            None => Err("this function has no database".into()),
        };
        let snapshot = match from_database {
            Ok(library) => Snapshot { kind: self.kind, library, origin: Origin::Mongodb },
            Err(reason) => {
                tracing::warn!(content = self.kind.name(), reason, "the database cannot stand in");
                kept.cloned().unwrap_or_else(|| self.stand_in())
            }
        };
        tracing::warn!(
            content = self.kind.name(),
            source = snapshot.origin.name(),
            duration_ms = started.elapsed().as_millis(),
            "content is served by a fallback",
        );
        Incident::ContentFallback.count();
        snapshot
    }

    fn stand_in(&self) -> Snapshot {
        // A unit test reads every backup, so this cannot fail.
        let library = self.read(self.bundled).unwrap_or_else(|error| unreachable!("the backup is broken: {error}"));
        Snapshot { kind: self.kind, library, origin: Origin::Bundled }
    }

    fn read(&self, bytes: &[u8]) -> Result<Arc<Library>, String> {
        let items = file::parse(self.kind, bytes).map_err(|error| error.to_string())?;
        index(&items)
    }
}

fn index(items: &[Map<String, Value>]) -> Result<Arc<Library>, String> {
    file::check(items).map_err(|error| error.to_string())?;
    Library::new(items).map(Arc::new).map_err(|error| error.to_string())
}

fn keep(origin: Origin) -> Duration {
    if origin == Origin::Bundled { KEEP_BUNDLED } else { KEEP_DATABASE }
}

/// By the wall clock: it goes on while Lambda has the process frozen.
fn is_past(at: SystemTime, age: Duration) -> bool {
    at.elapsed().is_ok_and(|elapsed| elapsed >= age)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;

    /// A published file, a database that answers or not, and what is served of them.
    struct Scene {
        folder: PathBuf,
        content: Content,
    }

    struct Database(Arc<std::sync::Mutex<Result<&'static str, String>>>);

    impl DatabaseFallback for Database {
        fn load(&self) -> BoxFuture<'_, Result<Vec<Map<String, Value>>, String>> {
            let answer = self.0.lock().expect("not poisoned").clone();
            async move { answer.map(|id| vec![item(id)]) }.boxed()
        }
    }

    fn item(id: &str) -> Map<String, Value> {
        json!({"id": id, "title": id, "content": id}).as_object().expect("an object").clone()
    }

    impl Scene {
        fn new(database: &Arc<std::sync::Mutex<Result<&'static str, String>>>) -> Self {
            let folder = std::env::temp_dir().join(crate::id::new());
            fs::create_dir(&folder).expect("a folder");
            let source = PublishedContent::at(&format!("file://{}", folder.display())).expect("a folder's URL");
            let database: Box<dyn DatabaseFallback> = Box::new(Database(Arc::clone(database)));
            let bundled = super::super::bundled::PROMPTS;
            let state = Mutex::default();
            let database = Some(database);
            Self { folder, content: Content(Arc::new(Chain { kind: Kind::Prompts, source, database, bundled, state })) }
        }

        fn publish(&self, text: &str) {
            fs::write(self.folder.join("prompts.json"), text).expect("written");
        }

        /// As a minute, or five, later.
        async fn later(&self) {
            let mut state = self.content.0.state.lock().await;
            state.checked = None;
            if let Some((_, at)) = &mut state.fallback {
                *at = SystemTime::UNIX_EPOCH;
            }
        }

        async fn served(&self) -> (bool, Origin) {
            let Snapshot { library, origin, .. } = self.content.current().await;
            (library.find("new").is_some(), origin)
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    fn file(id: &str) -> String {
        json!({"totalPrompts": 1, "prompts": [item(id)]}).to_string()
    }

    #[tokio::test]
    async fn a_file_is_asked_for_anew_once_a_minute_and_kept_while_it_is_broken_or_gone() {
        let database = Arc::new(std::sync::Mutex::new(Err("away".to_owned())));
        let scene = Scene::new(&database);
        scene.publish(&file("old"));
        assert_eq!(scene.served().await, (false, Origin::Json));
        scene.publish(&file("new"));
        assert_eq!(scene.served().await, (false, Origin::Json), "not before the minute is over");
        scene.later().await;
        assert_eq!(scene.served().await, (true, Origin::Json));
        let library = scene.content.current().await.library;
        scene.later().await;
        assert!(Arc::ptr_eq(&library, &scene.content.current().await.library), "unchanged, so not read again");
        for broken in ["", "{", &file("old")[..20], r#"{"totalPrompts": 0, "prompts": []}"#] {
            scene.publish(broken);
            scene.later().await;
            assert_eq!(scene.served().await, (true, Origin::Json), "{broken}");
        }
        fs::remove_file(scene.folder.join("prompts.json")).expect("removed");
        scene.later().await;
        assert_eq!(scene.served().await, (true, Origin::Json));
    }

    #[tokio::test]
    async fn a_start_reads_what_is_published_and_asks_nobody_else() {
        let database = Arc::new(std::sync::Mutex::new(Ok("new")));
        let scene = Scene::new(&database);
        scene.content.0.read_published().await;
        assert!(scene.content.0.state.lock().await.fallback.is_none());
        scene.publish(&file("new"));
        assert_eq!(scene.served().await, (true, Origin::Json), "what was not there is asked for by the first request");
        let other = Scene::new(&database);
        other.publish(&file("old"));
        other.content.0.read_published().await;
        other.publish(&file("new"));
        assert_eq!(other.served().await, (false, Origin::Json), "what was there counts as asked for");
    }

    #[tokio::test]
    async fn what_the_database_stood_in_with_is_not_given_up_for_the_older_backup() {
        let database = Arc::new(std::sync::Mutex::new(Ok("new")));
        let scene = Scene::new(&database);
        assert_eq!(scene.served().await, (true, Origin::Mongodb));
        *database.lock().expect("not poisoned") = Err("away".to_owned());
        scene.later().await;
        assert_eq!(scene.served().await, (true, Origin::Mongodb));
        let other = Scene::new(&database);
        assert_eq!(other.served().await, (false, Origin::Bundled));
        *database.lock().expect("not poisoned") = Ok("new");
        other.later().await;
        assert_eq!(other.served().await, (true, Origin::Mongodb));
        other.publish(&file("old"));
        other.later().await;
        assert_eq!(other.served().await, (false, Origin::Json));
    }
}
