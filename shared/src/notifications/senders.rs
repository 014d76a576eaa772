//! The providers: SES for e-mail, SNS for SMS.
//!
//! Environment: `SENDER_EMAIL` (the address that e-mails come from; without it none is sent), `SMS_COUNTRIES`,
//! `AUTH_PEPPER` (by which recipients are counted), and the AWS SDK's own variables.

use std::{sync::Arc, time::Duration};

use aws_config::timeout::TimeoutConfig;
use aws_sdk_sesv2::{
    error::{BuildError, ProvideErrorMetadata, SdkError},
    types::{Body, Content, Destination, EmailContent, Message},
};
use aws_sdk_sns::types::MessageAttributeValue;
use tokio::sync::OnceCell;

use super::{Channel, Notification, SmsCountries, Template};
use crate::{
    aws, config,
    config::ConfigError,
    keys::{Mac, Seed},
    secrets::{Secret, Unavailable},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// For one message, repetitions included. There is no shorter limit for an attempt: a provider that
/// was merely slow may have sent the message, and would send it again.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The most that an SMS may cost, in dollars: the provider sends none that is dearer.
pub const MAX_SMS_DOLLARS: f64 = 0.20;

/// Why a message was not sent. The provider's code, not its text, which may name the address.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// Whether it would be refused again.
    pub(super) permanent: bool,
}

/// The providers' clients, each made at the first message that needs it.
pub struct Senders {
    from: Option<String>,
    countries: SmsCountries,
    recipients: Secret<Mac>,
    email: OnceCell<aws_sdk_sesv2::Client>,
    sms: OnceCell<aws_sdk_sns::Client>,
}

impl Senders {
    /// Reads the settings; opens nothing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            from: config::optional("SENDER_EMAIL"),
            countries: SmsCountries::from_env()?,
            recipients: Secret::from_env("AUTH_PEPPER", |text| Ok(Seed::parse(text)?.mac("notifications/recipients")))?,
            email: OnceCell::new(),
            sms: OnceCell::new(),
        })
    }

    /// By what a recipient is known where the address should not stand.
    pub(super) async fn recipients(&self) -> Result<Arc<Mac>, Unavailable> {
        self.recipients.get().await
    }

    /// Whether anything is sent there.
    pub(super) fn reach(&self, channel: &Channel) -> bool {
        match channel {
            Channel::Email { .. } => true,
            Channel::Sms { to } => self.countries.allow(to),
        }
    }

    /// Returns when the provider has accepted the message.
    pub(super) async fn send(&self, notification: &Notification) -> Result<(), Refusal> {
        match &notification.channel {
            Channel::Email { to } => self.send_email(to, &notification.template).await,
            Channel::Sms { to } => self.send_sms(to, &notification.template).await,
        }
    }

    async fn send_email(&self, to: &str, template: &Template) -> Result<(), Refusal> {
        let Some(from) = &self.from else {
            return Err(Refusal { reason: "SENDER_EMAIL is not set".into(), permanent: true });
        };
        let content = email(template).map_err(|error| Refusal { reason: error.to_string(), permanent: true })?;
        let client = self.email.get_or_init(email_client).await;
        let destination = Destination::builder().to_addresses(to).build();
        let sent = client.send_email().from_email_address(from).destination(destination).content(content).send().await;
        sent.map(drop).map_err(|error| {
            let refused = |service: &aws_sdk_sesv2::operation::send_email::SendEmailError| {
                service.is_bad_request_exception() || service.is_message_rejected()
            };
            refusal(&error, refused)
        })
    }

    async fn send_sms(&self, to: &str, template: &Template) -> Result<(), Refusal> {
        let attribute = |kind: &str, value: String| {
            let built = MessageAttributeValue::builder().data_type(kind).string_value(value).build();
            built.map_err(|error| Refusal { reason: error.to_string(), permanent: true })
        };
        // As opposed to promotional: sent without delay, and first when there is much to send.
        let transactional = attribute("String", "Transactional".into())?;
        let max_price = attribute("Number", format!("{MAX_SMS_DOLLARS:.2}"))?;
        let Some(text) = template.sms() else {
            return Err(Refusal { reason: "its kind has no SMS".into(), permanent: true });
        };
        let client = self.sms.get_or_init(sms_client).await;
        let publish = client.publish().phone_number(to).message(text);
        let publish = publish.message_attributes("AWS.SNS.SMS.SMSType", transactional);
        let sent = publish.message_attributes("AWS.SNS.SMS.MaxPrice", max_price).send().await;
        sent.map(drop).map_err(|error| {
            let refused = |service: &aws_sdk_sns::operation::publish::PublishError| {
                service.is_invalid_parameter_exception()
                    || service.is_invalid_parameter_value_exception()
                    || service.is_validation_exception()
            };
            refusal(&error, refused)
        })
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(SEND_TIMEOUT).build()
}

async fn email_client() -> aws_sdk_sesv2::Client {
    let config = aws_sdk_sesv2::config::Builder::from(aws::config().await).timeout_config(timeouts());
    aws_sdk_sesv2::Client::from_conf(config.build())
}

async fn sms_client() -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::config::Builder::from(aws::config().await).timeout_config(timeouts());
    aws_sdk_sns::Client::from_conf(config.build())
}

fn email(template: &Template) -> Result<EmailContent, BuildError> {
    let content = |text: String| Content::builder().charset("UTF-8").data(text).build();
    let body = Body::builder().text(content(template.text())?).html(content(template.html())?).build();
    let message = Message::builder().subject(content(template.subject())?).body(body).build();
    Ok(EmailContent::builder().simple(message).build())
}

/// What the provider says of the message itself stays true; all else (its limits, our permissions, the
/// network) may be mended.
fn refusal<E: ProvideErrorMetadata>(error: &SdkError<E>, permanent: impl Fn(&E) -> bool) -> Refusal {
    let reason = match (error, error.code()) {
        (_, Some(code)) => code.to_owned(),
        (SdkError::TimeoutError(_), None) => "no answer in time".into(),
        (_, None) => "the provider cannot be reached".into(),
    };
    Refusal { reason, permanent: error.as_service_error().is_some_and(permanent) }
}
