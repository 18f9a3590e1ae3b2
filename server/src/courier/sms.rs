//! Text messages: what they say, and the ways they leave: Twilio, a webhook, or a folder of files.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize};

use super::email::{Delivery, keep};
use super::letter::code;
use crate::config::{Settings, TwilioSender};
use crate::model::notice::{Letter, Message};
use crate::model::{NoticeId, Secret, Time};

/// The most of an error's body that is read.
const MOST: usize = 16 * 1024;

/// How text messages leave.
pub(super) enum Texts {
    /// By Twilio's Messages resource.
    Twilio(Box<Twilio>),
    /// To a webhook.
    Webhook(Box<Webhook>),
    /// Into files of this folder, beside the mails: the default, for trying things out.
    Outbox(PathBuf),
}

/// Twilio (<https://www.twilio.com/docs/messaging/api/message-resource>).
pub(super) struct Twilio {
    http: Client,
    url: String,
    account: String,
    token: Secret<String>,
    sender: TwilioSender,
}

/// A webhook, signed as <https://www.standardwebhooks.com> says.
pub(super) struct Webhook {
    http: Client,
    url: Secret<String>,
    key: hmac::Key,
}

/// What a webhook gets.
#[derive(Serialize)]
struct Handed<'a> {
    to: &'a str,
    body: &'a str,
    purpose: &'a str,
    id: String,
}

/// What Twilio answers instead of a message.
#[derive(Deserialize)]
struct TwilioError {
    code: Option<u32>,
}

impl Texts {
    /// Gets ready what the settings ask for.
    ///
    /// # Errors
    /// TLS cannot be set up, or the webhook's secret is no base64.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let patience = Duration::from_secs(u64::from(settings.sms_timeout_seconds));
        let parts = (
            &settings.twilio_account_sid,
            &settings.twilio_auth_token,
            &settings.twilio_from,
        );
        if let (Some(account), Some(token), Some(sender)) = parts {
            let base = &settings.twilio_url;
            return Ok(Self::Twilio(Box::new(Twilio {
                http: client(patience)?,
                url: format!("{base}/2010-04-01/Accounts/{account}/Messages.json"),
                account: account.clone(),
                token: token.clone(),
                sender: sender.clone(),
            })));
        }
        if let (Some(url), Some(secret)) = (&settings.sms_webhook_url, &settings.sms_webhook_secret)
        {
            return Ok(Self::Webhook(Box::new(Webhook {
                http: client(patience)?,
                url: url.clone(),
                key: key(secret).context("sms_webhook_secret")?,
            })));
        }
        Ok(Self::Outbox(settings.data_dir.join("outbox")))
    }

    /// Tries to deliver.
    pub(super) async fn deliver(
        &self,
        id: NoticeId,
        letter: &Letter,
        service: &str,
        now: Time,
    ) -> Delivery {
        let Some(body) = text(&letter.message, service) else {
            return Delivery::Refused("it is not for text messages".to_owned());
        };
        match self {
            Self::Twilio(twilio) => twilio.send(&letter.to, &body).await,
            Self::Webhook(webhook) => webhook.send(id, letter, &body, now).await,
            Self::Outbox(folder) => {
                let time = Time::from_micros(letter.at).to_string().replace(':', "-");
                let path = folder.join(format!("{time}-{id}.sms"));
                keep(path, format!("To: {}\n\n{body}\n", letter.to).into_bytes()).await
            }
        }
    }
}

fn client(patience: Duration) -> Result<Client> {
    Client::builder()
        .timeout(patience)
        // A code goes where the settings say, nowhere else.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("TLS cannot be set up with the system's root certificates")
}

/// The key in a webhook's secret: the bytes of base64 after `whsec_`, or else the text itself.
fn key(secret: &Secret<String>) -> Result<hmac::Key> {
    let text = secret.expose();
    let decoded = match text.strip_prefix("whsec_") {
        // The error would quote a symbol of the secret.
        Some(base64) => STANDARD.decode(base64).ok().context("it is no base64")?,
        None => text.clone().into_bytes(),
    };
    Ok(hmac::Key::new(
        hmac::HMAC_SHA256,
        &zeroize::Zeroizing::new(decoded),
    ))
}

impl Twilio {
    async fn send(&self, to: &str, body: &str) -> Delivery {
        let sender = match &self.sender {
            TwilioSender::From(number) => ("From", number.as_str()),
            TwilioSender::Service(sid) => ("MessagingServiceSid", sid.as_str()),
        };
        let request = self
            .http
            .post(&self.url)
            .basic_auth(&self.account, Some(self.token.expose()))
            .form(&[("To", to), ("Body", body), sender]);
        let (status, body) = match ask(request).await {
            Ok(answer) => answer,
            Err(why) => return Delivery::Failed(why),
        };
        // Its message may quote the number, so only the code is told; twilio.com explains it.
        let error: Option<TwilioError> = serde_json::from_slice(&body).ok();
        let code = error.and_then(|error| error.code);
        let why = match code {
            Some(code) => format!("Twilio answered {status}, error {code}"),
            None => format!("Twilio answered {status}"),
        };
        judge(status, why)
    }
}

impl Webhook {
    async fn send(&self, id: NoticeId, letter: &Letter, body: &str, now: Time) -> Delivery {
        let purpose = letter.message.word();
        let handed = Handed {
            to: &letter.to,
            body,
            purpose: purpose.strip_suffix("_code").unwrap_or(purpose),
            id: id.to_string(),
        };
        let body = match serde_json::to_vec(&handed) {
            Ok(body) => body,
            Err(error) => return Delivery::Refused(error.to_string()),
        };
        let seconds = now.seconds();
        let mut signing = hmac::Context::with_key(&self.key);
        signing.update(format!("{id}.{seconds}.").as_bytes());
        signing.update(&body);
        let signature = STANDARD.encode(signing.sign());
        let request = self
            .http
            .post(self.url.expose())
            .header("Content-Type", "application/json")
            .header("Webhook-Id", id.to_string())
            .header("Webhook-Timestamp", seconds.to_string())
            .header("Webhook-Signature", format!("v1,{signature}"))
            .body(body);
        match ask(request).await {
            Ok((status, _)) => judge(status, format!("the webhook answered {status}")),
            Err(why) => Delivery::Failed(why),
        }
    }
}

/// Sends a request: status and, of an error, the begin of the body. The error says why there is no answer.
async fn ask(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), String> {
    // The address may hold a secret.
    let told = |error: reqwest::Error| format!("{:#}", anyhow::Error::new(error.without_url()));
    let mut answer = request.send().await.map_err(told)?;
    let status = answer.status();
    let mut body = Vec::new();
    // Taken is taken, whatever the body is.
    while !status.is_success() && body.len() < MOST {
        match answer.chunk().await.map_err(told)? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok((status, body))
}

/// What an answer means. What speaks of our own credentials and address (401, 403, 404) is not the
/// receiver's doing, and may be mended while the code lives; other refusals, as Twilio's 21211 for a
/// number that is none, would come again.
fn judge(status: StatusCode, why: String) -> Delivery {
    match status.as_u16() {
        200..=299 => Delivery::Done(None),
        401 | 403 | 404 | 408 | 429 => Delivery::Failed(why),
        400..=499 => Delivery::Refused(why),
        _other => Delivery::Failed(why),
    }
}

/// What a text message says: one part of 160 characters, the code first, where a locked screen and
/// autofill look for it. `None` for what is told by mail only.
fn text(message: &Message, service: &str) -> Option<String> {
    let (code, minutes) = code(message);
    let what = match message.word() {
        _ if code.is_empty() => return None,
        "login_code" => "to sign in",
        "setup_code" => "to turn on codes by text message",
        "disable_code" => "to turn off codes by text message",
        _other => "to confirm what you asked for",
    };
    Some(format!(
        "{code} is your {service} code {what}. It works for {minutes} min. Never pass it on; if you did not ask for it, tell your administrator."
    ))
}
