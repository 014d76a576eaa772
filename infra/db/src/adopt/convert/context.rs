//! What a conversion needs besides the document: the other documents, the secrets, and what is here already.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use shared::{
    clock::Moment,
    keys::{Cipher, Seed},
    mongo::{self, Mongo, WORK_TIMEOUT},
};

use super::{
    super::{ledger::Ledger, old::OldFields, pace::Pace, source::OldDocument},
    old_cipher::OldCipher,
};

/// The old documents, by collection.
pub(crate) type OldData = BTreeMap<String, Vec<OldDocument>>;

/// Keys that open and seal.
pub(crate) struct Secrets {
    /// That of the application before; `None` while `OLD_ENCRYPTION_KEY` is not set.
    pub(super) old: Option<OldCipher>,
    pub(super) vault: Arc<Cipher>,
    pub(super) audit: Arc<Seed>,
}

impl Secrets {
    /// Reads `OLD_ENCRYPTION_KEY`.
    pub(crate) fn new(vault: Arc<Cipher>, audit: Arc<Seed>) -> anyhow::Result<Self> {
        Ok(Self { old: OldCipher::from_env()?, vault, audit })
    }
}

/// What every conversion may look at.
pub(crate) struct Context<'a> {
    old: &'a OldData,
    pub(super) ledger: &'a Ledger,
    pub(super) secrets: &'a Secrets,
    pub(super) now: Moment,
    pub(super) here: Numbers,
    users: Users,
    /// New ids of prompts, by everything that an old document may call one.
    prompts: HashMap<String, String>,
}

#[derive(Default)]
struct Users {
    by_email: HashMap<String, String>,
    organizations: HashMap<String, String>,
}

/// Numbers that are taken here: revisions and audits of a prompt have each their own.
#[derive(Default)]
pub(crate) struct Numbers {
    pub(super) revisions: Taken,
    pub(super) audits: Taken,
}

/// The numbers of one collection, by prompt, and the document that has each.
#[derive(Default)]
pub(super) struct Taken(pub(super) HashMap<String, HashMap<i64, String>>);

impl Numbers {
    pub(crate) async fn read(mongo: &Mongo, pace: &mut Pace) -> Result<Self, mongo::Error> {
        Ok(Self {
            revisions: Taken::read(mongo, "prompt_revisions", "revision", pace).await?,
            audits: Taken::read(mongo, "prompt_audits", "version", pace).await?,
        })
    }
}

impl Taken {
    async fn read(mongo: &Mongo, collection: &str, number: &str, pace: &mut Pace) -> Result<Self, mongo::Error> {
        pace.wait(1).await;
        let find = async |database: Database| {
            let all = database.collection::<Document>(collection);
            let find = all.find(doc! {}).projection(doc! {"promptId": 1, number: 1}).batch_size(10_000);
            find.await?.try_collect::<Vec<_>>().await
        };
        let mut taken = Self::default();
        for document in mongo.run(WORK_TIMEOUT, find).await? {
            let (Some(prompt), Some(number)) = (document.text("promptId"), document.count(number)) else { continue };
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            taken.0.entry(prompt).or_default().insert(number, document.reference("_id").unwrap_or_default());
        }
        Ok(taken)
    }
}

impl<'a> Context<'a> {
    pub(crate) fn new(old: &'a OldData, ledger: &'a Ledger, secrets: &'a Secrets, here: Numbers, now: Moment) -> Self {
        let mut users = Users::default();
        for user in old.get("users").into_iter().flatten() {
            if let Some(email) = user.fields.text("email") {
                // Of two accounts with one address, the first: which is kept is not known here.
                users.by_email.entry(email.to_lowercase()).or_insert_with(|| user.id.clone());
            }
            if let Some(organization) = user.fields.reference("organizationId") {
                users.organizations.insert(user.id.clone(), organization);
            }
        }
        let mut context = Self { old, ledger, secrets, now, here, users, prompts: HashMap::new() };
        context.prompts = context.name_prompts();
        context
    }

    /// The documents of an old collection.
    pub(super) fn old(&self, collection: &str) -> &'a [OldDocument] {
        self.old.get(collection).map(Vec::as_slice).unwrap_or_default()
    }

    /// The account that a field names: by its id, or its address. What names nobody is taken as it is.
    pub(super) fn user(&self, document: &Document, field: &str) -> Option<String> {
        let name = document.reference(field)?;
        Some(self.users.by_email.get(&name.trim().to_lowercase()).cloned().unwrap_or(name))
    }

    /// The organisation of an account.
    pub(super) fn organization(&self, user_id: &str) -> Option<&String> {
        self.users.organizations.get(user_id)
    }

    /// The new id of the prompt that a field names: by its id, its slug or its `ObjectId`.
    pub(super) fn prompt(&self, document: &Document, field: &str) -> Option<String> {
        self.prompts.get(&document.reference(field)?).cloned()
    }

    /// The new id of a prompt: its own id where it has one that no other has, else its `ObjectId`.
    pub(super) fn prompt_id(&self, prompt: &OldDocument) -> String {
        self.prompts.get(&prompt.id).cloned().unwrap_or_else(|| prompt.id.clone())
    }

    fn name_prompts(&self) -> HashMap<String, String> {
        let (mut names, mut taken) = (HashMap::new(), HashSet::new());
        let prompts = self.old("prompts");
        for prompt in prompts {
            let own = prompt.fields.text("id").filter(|id| taken.insert(id.clone()));
            names.insert(prompt.id.clone(), own.unwrap_or_else(|| prompt.id.clone()));
        }
        // What a prompt is called besides comes after what every prompt is called first.
        for field in ["id", "slug"] {
            for prompt in prompts {
                if let Some(name) = prompt.fields.text(field) {
                    let id = names[&prompt.id].clone();
                    names.entry(name).or_insert(id);
                }
            }
        }
        names
    }
}
