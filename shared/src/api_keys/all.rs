//! All keys of an account at once.

use bson::doc;
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::Deserialize;

use super::platform::lookup;
use crate::{
    cache::Cache,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    public_id: String,
}

/// Ends every platform key of an account: whoever had its password may have made them.
pub async fn revoke_platform_keys(mongo: &Mongo, cache: &Cache, user_id: &str) -> Result<(), mongo::Error> {
    let active = doc! {"userId": user_id, "revoked": false};
    let revoke = async |database: Database| {
        let keys = database.collection::<Named>("api_keys");
        let named: Vec<Named> = keys.find(active.clone()).projection(doc! {"publicId": 1}).await?.try_collect().await?;
        keys.update_many(active.clone(), doc! {"$set": {"revoked": true, "previous": null}}).await?;
        Ok(named)
    };
    let revoked = mongo.run(REQUEST_TIMEOUT, revoke).await?;
    let lookup = lookup(cache);
    for key in revoked {
        lookup.forget(&key.public_id).await;
    }
    Ok(())
}

/// Ends the use of every provider key of an account, and forgets their secrets.
pub async fn revoke_provider_keys(mongo: &Mongo, user_id: &str) -> Result<(), mongo::Error> {
    let blank = doc! {"$set": {"active": false, "cipher": "", "allowedModels": []}};
    let revoke = async |database: Database| {
        let keys = database.collection::<Named>("provider_keys");
        keys.update_many(doc! {"userId": user_id, "active": true}, blank).await
    };
    mongo.run(REQUEST_TIMEOUT, revoke).await.map(drop)
}
