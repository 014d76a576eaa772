//! The old database. It is only ever read: this type has no way to write, and nobody else has its connection.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, ensure};
use bson::{Bson, Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::{
    Client, Database,
    options::{ClientOptions, ConnectionString, ReadPreference},
};
use secrecy::{ExposeSecret, SecretString};
use shared::{config, keys, mongo};

use super::{old::id_text, pace::Pace};

/// How long a server is looked for.
const SELECTION: Duration = Duration::from_secs(5);
/// Documents that one answer brings.
const ANSWER: u32 = 500;

/// The old database, to be read.
pub(super) struct Source {
    database: Database,
    /// The servers that the connection string names.
    pub(super) hosts: BTreeSet<String>,
}

/// A document of the old database.
pub(super) struct OldDocument {
    /// Its id as text: of an `ObjectId` the 24 hex digits.
    pub(super) id: String,
    /// The SHA-256 of its bytes: which version of it this is.
    pub(super) version: String,
    pub(super) fields: Document,
}

impl Source {
    /// Reads `SOURCE_MONGODB_URI`; asks nothing yet.
    pub(super) async fn from_env(database: &str) -> anyhow::Result<Self> {
        const NAME: &str = "SOURCE_MONGODB_URI";
        let uri: SecretString = config::required_secret(NAME, "the connection string of the old database's cluster")?;
        let unreadable =
            || format!("{NAME} is no connection string that the driver can read, mongodb://… or mongodb+srv://…");
        // Not the driver's own words: they quote.
        ensure!(ConnectionString::parse(uri.expose_secret()).is_ok(), unreadable());
        let mut options = ClientOptions::parse(uri.expose_secret()).await.map_err(mongo::Error::from)?;
        options.max_pool_size = Some(1);
        options.app_name = Some("cargo db adopt".into());
        options.server_selection_timeout = Some(SELECTION);
        options.selection_criteria = Some(ReadPreference::Primary.into());
        let hosts = options.hosts.iter().map(ToString::to_string).collect();
        let client = Client::with_options(options).map_err(mongo::Error::from)?;
        Ok(Self { database: client.database(database), hosts })
    }

    pub(super) fn name(&self) -> &str {
        self.database.name()
    }

    /// The names of its collections, sorted.
    pub(super) async fn collections(&self, pace: &mut Pace) -> anyhow::Result<Vec<String>> {
        pace.wait(1).await;
        let names = self.database.list_collection_names().await.map_err(mongo::Error::from).context(LOST)?;
        let mut names: Vec<_> = names.into_iter().filter(|name| !name.starts_with("system.")).collect();
        names.sort();
        Ok(names)
    }

    /// Whether a document is there: by its id.
    pub(super) async fn has(&self, collection: &str, id: &str, pace: &mut Pace) -> anyhow::Result<bool> {
        pace.wait(1).await;
        let all = self.database.collection::<RawDocumentBuf>(collection);
        Ok(all.find_one(doc! {"_id": id}).await.map_err(mongo::Error::from).context(LOST)?.is_some())
    }

    pub(super) async fn count(&self, collection: &str, pace: &mut Pace) -> anyhow::Result<u64> {
        pace.wait(1).await;
        let all = self.database.collection::<Document>(collection);
        all.count_documents(doc! {}).await.map_err(mongo::Error::from).context(LOST)
    }

    /// All of a collection, in the order of its ids; read at once, for a cursor does not wait until what came before is
    /// written. The second list names what cannot be read at all.
    pub(super) async fn read(
        &self,
        collection: &str,
        pace: &mut Pace,
    ) -> anyhow::Result<(Vec<OldDocument>, Vec<String>)> {
        let all = self.database.collection::<RawDocumentBuf>(collection);
        pace.wait(1).await;
        let find = all.find(doc! {}).sort(doc! {"_id": 1}).batch_size(ANSWER);
        let mut found = find.await.map_err(mongo::Error::from).context(LOST)?;
        let (mut read, mut unreadable, mut count) = (Vec::new(), Vec::new(), 0);
        while let Some(raw) = found.try_next().await.map_err(mongo::Error::from).context(LOST)? {
            count += 1;
            if count % ANSWER == 0 {
                pace.wait(1).await;
            }
            let id = raw.get("_id").ok().flatten().and_then(|id| Bson::try_from(id).ok());
            let id = id.as_ref().map(id_text).unwrap_or_default();
            match Document::try_from(raw.as_ref()) {
                Ok(fields) => {
                    let version = keys::hex(keys::sha256_bytes(raw.as_bytes()).as_ref());
                    read.push(OldDocument { id, version, fields });
                }
                Err(_) => unreadable.push(id),
            }
        }
        Ok((read, unreadable))
    }

    /// Bytes that its documents and indexes fill.
    pub(super) async fn bytes(&self, pace: &mut Pace) -> anyhow::Result<u64> {
        pace.wait(1).await;
        let stats = self.database.run_command(doc! {"dbStats": 1}).await.map_err(mongo::Error::from).context(LOST)?;
        Ok(stored_bytes(&stats))
    }
}

const LOST: &str =
    "the old database cannot be read (SOURCE_MONGODB_URI); run it again, and it goes on where it stopped";

/// What counts against the tier's storage: documents and indexes, as `dbStats` has them.
pub(super) fn stored_bytes(stats: &Document) -> u64 {
    let bytes = |field: &str| match stats.get(field) {
        Some(Bson::Int32(bytes)) => u64::try_from(*bytes).unwrap_or_default(),
        Some(Bson::Int64(bytes)) => u64::try_from(*bytes).unwrap_or_default(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats saturates")]
        Some(Bson::Double(bytes)) => *bytes as u64,
        _ => 0,
    };
    bytes("dataSize") + bytes("indexSize")
}
