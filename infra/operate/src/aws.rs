//! Questions to AWS, signed by hand: each service is asked one or two, and its client would take minutes to build.
//!
//! Environment: the AWS SDK's own variables, `AWS_ENDPOINT_URL` among them.

use std::{
    fmt::{Display, Formatter, Result as Written},
    time::{Duration, SystemTime},
};

use aws_config::BehaviorVersion;
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::table::{Trouble, skipped};

const PATIENCE: Duration = Duration::from_secs(20);

/// An account, in a region, as whoever is signed in here.
pub struct Aws {
    client: Client,
    credentials: SharedCredentialsProvider,
    pub region: String,
    /// All services, if it is an emulator.
    endpoint: Option<String>,
}

/// A service: the first word of its host, and the name that requests are signed for.
#[derive(Clone, Copy)]
pub struct Service(&'static str, &'static str);

pub const CLOUDFORMATION: Service = Service("cloudformation", "cloudformation");
pub const LAMBDA: Service = Service("lambda", "lambda");
pub const LOGS: Service = Service("logs", "logs");
pub const SCHEDULER: Service = Service("scheduler", "scheduler");
pub const SECRETS_MANAGER: Service = Service("secretsmanager", "secretsmanager");
pub const SES: Service = Service("email", "ses");
pub const SNS: Service = Service("sns", "sns");
pub const SQS: Service = Service("sqs", "sqs");
pub const SSM: Service = Service("ssm", "ssm");
pub const STS: Service = Service("sts", "sts");

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    /// Nobody is signed in.
    NoCredentials(String),
    /// There is no way to the service.
    Unreachable,
    /// The service said no.
    Refused { status: u16, code: String, message: String },
}

impl Refusal {
    /// Whether the service said no with this code.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code.contains(wanted))
    }

    /// Whether what was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        self.is("NotFound") || matches!(self, Self::Refused { status: 404, .. })
    }
}

impl Display for Refusal {
    fn fmt(&self, to: &mut Formatter<'_>) -> Written {
        match self {
            Self::NoCredentials(why) => write!(to, "no credentials: {why}"),
            Self::Unreachable => write!(to, "AWS does not answer"),
            Self::Refused { code, message, .. } => write!(to, "{code}: {}", message.lines().next().unwrap_or_default()),
        }
    }
}

/// For questions whose answer is not needed to go on.
impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        skipped(format!("could not be asked: {refusal}"))
    }
}

impl Aws {
    /// As the SDK finds credentials and region; `None` if no region is set.
    pub async fn from_env() -> Option<Self> {
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        Some(Self {
            client: Client::builder().timeout(PATIENCE).build().ok()?,
            credentials: config.credentials_provider()?,
            region: config.region()?.to_string(),
            endpoint: config.endpoint_url().map(|url| url.trim_end_matches('/').to_owned()),
        })
    }

    /// An emulator at `endpoint`, as the account whose number is the key.
    pub fn emulated(endpoint: &str, key: &str) -> anyhow::Result<Self> {
        Ok(Self {
            client: Client::builder().timeout(PATIENCE).build()?,
            credentials: SharedCredentialsProvider::new(Credentials::new(key, "test", None, None, "emulator")),
            region: "us-east-1".into(),
            endpoint: Some(endpoint.trim_end_matches('/').to_owned()),
        })
    }

    /// Whether this is not AWS.
    pub fn is_emulator(&self) -> bool {
        self.endpoint.is_some()
    }

    /// A call of a service that speaks JSON, such as `AmazonSSM.DescribeParameters`.
    pub async fn json(&self, service: Service, target: &str, body: &Value) -> Result<Value, Refusal> {
        let version = if service.1 == SQS.1 { "1.0" } else { "1.1" };
        let kind = format!("application/x-amz-json-{version}");
        let headers = [("content-type", kind.as_str()), ("x-amz-target", target)];
        let text = self.send(service, Method::POST, "/", &headers, body.to_string()).await?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// A reading call of a service that has paths.
    pub async fn get(&self, service: Service, path: &str) -> Result<Value, Refusal> {
        let text = self.send(service, Method::GET, path, &[], String::new()).await?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// A call of an older service, which answers in XML.
    pub async fn query(&self, service: Service, version: &str, call: &[(&str, &str)]) -> Result<String, Refusal> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("Version", version)
            .extend_pairs(call)
            .finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send(service, Method::POST, "/", &headers, form).await
    }

    async fn send(
        &self,
        service: Service,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<String, Refusal> {
        let base = self.endpoint.clone().unwrap_or_else(|| self.address(service));
        let url = format!("{base}{path}");
        let mut request = self.client.request(method.clone(), &url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = self.sign(request, service, &method, &url, headers, &body).await?.body(body);
        let answer = request.send().await.map_err(|_| Refusal::Unreachable)?;
        let status = answer.status();
        let text = answer.text().await.map_err(|_| Refusal::Unreachable)?;
        if status.is_success() { Ok(text) } else { Err(refused(status.as_u16(), &text)) }
    }

    fn address(&self, Service(host, _): Service) -> String {
        let china = if self.region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://{host}.{}.amazonaws.com{china}", self.region)
    }

    async fn sign(
        &self,
        mut request: RequestBuilder,
        Service(_, name): Service,
        method: &Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<RequestBuilder, Refusal> {
        let failed = |error: &dyn std::error::Error| Refusal::NoCredentials(last_cause(error));
        let credentials = self.credentials.provide_credentials().await.map_err(|error| failed(&error))?;
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let body = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new(method.as_str(), url, headers.iter().copied(), body)
            .map_err(|error| failed(&error))?;
        let (instructions, _) = sign(signable, &parameters).map_err(|error| failed(&error))?.into_parts();
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        Ok(request)
    }
}

fn last_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// JSON services say `__type` and `message`, the others XML with `Code` and `Message`.
fn refused(status: u16, text: &str) -> Refusal {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let field = |names: [&str; 3]| names.into_iter().find_map(|name| body[name].as_str().map(str::to_owned));
    let code = field(["__type", "code", "Code"]).or_else(|| element(text, "Code").map(str::to_owned));
    let message = field(["message", "Message", "errorMessage"]).or_else(|| element(text, "Message").map(str::to_owned));
    let code = code.unwrap_or_else(|| status.to_string());
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    Refusal::Refused { status, code, message: message.unwrap_or_default() }
}

/// What stands in the first element of this name: the answers that are read so hold nothing that is nested.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim())
}

/// The value beside a key, in an answer that lists pairs of such elements.
pub fn paired<'a>(xml: &'a str, key: (&str, &str), value: &str) -> Option<&'a str> {
    let (name, wanted) = key;
    let (_, rest) = xml.split_once(&format!("<{name}>{wanted}</{name}>"))?;
    element(rest, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_in_either_language() {
        let json = r#"{"__type":"com.amazonaws#AccessDeniedException","message":"not you"}"#;
        assert_eq!(refused(400, json).to_string(), "AccessDeniedException: not you");
        let xml = "<E><Error><Code>ValidationError</Code><Message>Stack with id x does not exist</Message></Error></E>";
        assert!(refused(400, xml).is("ValidationError"));
        assert_eq!(refused(502, "<html>").to_string(), "502: ");
    }

    #[test]
    fn pairs_are_found_by_their_key() {
        let xml = "<m><OutputKey>A</OutputKey><OutputValue>1</OutputValue></m><m><OutputKey>B</OutputKey><OutputValue>2</OutputValue></m>";
        assert_eq!(paired(xml, ("OutputKey", "B"), "OutputValue"), Some("2"));
        assert_eq!(paired(xml, ("OutputKey", "C"), "OutputValue"), None);
    }
}
