//! ElastiCache Serverless with IAM: where the cache is, and the token that opens it.
//!
//! The token is a presigned `connect` request without its scheme; it is valid for 15 minutes. The
//! host that is signed is the cache's *name*, not its endpoint, and `ResourceType` must say that the
//! cache is serverless (WRONGPASS otherwise). Source: ElastiCache's user guide, "Authenticating with IAM".

use std::time::{Duration, SystemTime};

use anyhow::Context;
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use url::Url;

use crate::aws;

const TOKEN_LIFE: Duration = Duration::from_mins(15);

pub(super) struct ElastiCache {
    name: String,
    user: String,
    endpoint: String,
}

impl ElastiCache {
    pub(super) fn new(name: &str, user: String, endpoint: String) -> Self {
        Self { name: name.to_lowercase(), user, endpoint }
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// The cache's host name.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A password for now.
    pub(super) async fn token(&self) -> anyhow::Result<String> {
        let config = aws::config().await;
        let provider = config.credentials_provider().context("no AWS credentials")?;
        let region = config.region().context("no AWS region")?.to_string();
        sign_token(&self.name, &self.user, &region, provider.provide_credentials().await?, SystemTime::now())
    }
}

fn sign_token(
    name: &str,
    user: &str,
    region: &str,
    credentials: Credentials,
    at: SystemTime,
) -> anyhow::Result<String> {
    let mut url = Url::parse_with_params(
        &format!("http://{name}/"),
        [("Action", "connect"), ("ResourceType", "ServerlessCache"), ("User", user)],
    )?;
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(TOKEN_LIFE);
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("elasticache")
        .time(at)
        .settings(settings)
        .build()?
        .into();
    let request = SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::Bytes(&[]))?;
    let (instructions, _) = sign(request, &params)?.into_parts();
    for (key, value) in instructions.params() {
        url.query_pairs_mut().append_pair(key, value);
    }
    Ok(url.as_str().trim_start_matches("http://").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_presigned_connect_request_to_the_caches_name() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let token = sign_token("my-cache", "app", "eu-west-1", credentials, at).expect("signable");
        assert!(token.starts_with("my-cache/?Action=connect&ResourceType=ServerlessCache&User=app&"), "{token}");
        for part in [
            "X-Amz-Expires=900",
            "%2Feu-west-1%2Felasticache%2Faws4_request",
            "X-Amz-Signature=",
            "X-Amz-SignedHeaders=host",
        ] {
            assert!(token.contains(part), "{part} in {token}");
        }
        assert!(!token.contains("secret"));
    }
}
