//! Writes text messages and sends them: by Twilio, to a webhook, or into a folder.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::email::{Delivery, keep};
use super::letter::code;
use super::parts::{is_plain, parts};
use crate::config::{Settings, TwilioSender};
use crate::model::notice::{Letter, Message};
use crate::model::{NoticeId, Secret, Time};

/// The most bytes of an error's body that are read.
const MOST: usize = 16 * 1024;

/// Sends text messages, with the site that browsers bind a code to.
pub(super) struct Texts {
    way: Way,
    site: Option<String>,
}

/// How text messages are sent.
enum Way {
    /// With Twilio's Messages resource.
    Twilio(Box<Twilio>),
    /// To a webhook.
    Webhook(Box<Webhook>),
    /// Into files in this folder, beside the mails: the default, for trying things out.
    Outbox(PathBuf),
}

/// Access to Twilio (<https://www.twilio.com/docs/messaging/api/message-resource>).
struct Twilio {
    http: Client,
    url: String,
    account: String,
    token: Secret<String>,
    sender: TwilioSender,
}

/// Access to a webhook. Calls are signed as <https://www.standardwebhooks.com> specifies.
struct Webhook {
    http: Client,
    url: Secret<String>,
    key: hmac::Key,
}

/// The body of a call to a webhook.
#[derive(Serialize)]
struct WebhookBody<'a> {
    to: &'a str,
    body: &'a str,
    purpose: &'a str,
    id: String,
}

/// Twilio's answer if it refuses a message.
#[derive(Deserialize)]
struct TwilioError {
    code: Option<u32>,
}

impl Texts {
    /// Prepares what the settings ask for.
    ///
    /// # Errors
    /// Fails if TLS cannot be set up, or the webhook's secret is not base64.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            way: Way::new(settings)?,
            site: site(&settings.public_url),
        })
    }

    /// Returns the text message of a letter; `None` for a letter that is sent by mail only.
    pub(super) fn says(&self, letter: &Letter, service: &str) -> Option<String> {
        text(&letter.message, service, self.site.as_deref())
    }

    /// Tries to deliver once.
    pub(super) async fn deliver(
        &self,
        id: NoticeId,
        letter: &Letter,
        service: &str,
        now: Time,
    ) -> Delivery {
        let Some(body) = self.says(letter, service) else {
            return Delivery::Refused("it is not for text messages".to_owned());
        };
        match &self.way {
            Way::Twilio(twilio) => twilio.send(&letter.to, &body).await,
            Way::Webhook(webhook) => webhook.send(id, letter, &body, now).await,
            Way::Outbox(folder) => {
                let time = Time::from_micros(letter.at).to_string().replace(':', "-");
                let path = folder.join(format!("{time}-{id}.sms"));
                keep(path, format!("To: {}\n\n{body}\n", letter.to).into_bytes()).await
            }
        }
    }
}

impl Way {
    fn new(settings: &Settings) -> Result<Self> {
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
}

fn client(patience: Duration) -> Result<Client> {
    Client::builder()
        .timeout(patience)
        // A code is sent to the configured address and nowhere else.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("TLS cannot be set up with the system's root certificates")
}

/// Returns the key in a webhook's secret: the bytes of the base64 after `whsec_`, otherwise the
/// text itself.
fn key(secret: &Secret<String>) -> Result<hmac::Key> {
    let text = secret.expose();
    let decoded = match text.strip_prefix("whsec_") {
        // The decoder's error would quote a character of the secret.
        Some(base64) => STANDARD.decode(base64).ok().context("it is not base64")?,
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
        // Twilio's message may quote the number, so only the code is logged. twilio.com explains
        // it.
        let error: Option<TwilioError> = serde_json::from_slice(&body).ok();
        let code = error.and_then(|error| error.code);
        let why = match code {
            Some(code) => format!("Twilio answered {status}, error {code}"),
            None => format!("Twilio answered {status}"),
        };
        // <https://www.twilio.com/docs/api/errors>: some codes say more than their status.
        match code {
            // The receiver's fault: not a number, no phone, out of reach, or unsubscribed.
            Some(21211 | 21217 | 21610 | 21612 | 21614) => Delivery::Refused(why),
            // Our sender, which the operator can correct, or its queue, which will empty.
            Some(21212 | 21603 | 21606 | 21611 | 21659 | 21660) => Delivery::Failed(why),
            Some(_) | None => judge(status, why),
        }
    }
}

impl Webhook {
    async fn send(&self, id: NoticeId, letter: &Letter, body: &str, now: Time) -> Delivery {
        let purpose = letter.message.word();
        let handed = WebhookBody {
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

/// Sends a request. Returns the status and, for an error, the beginning of the body. The error says
/// why there is no answer.
async fn ask(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), String> {
    // The URL may contain a secret.
    let told = |error: reqwest::Error| format!("{:#}", anyhow::Error::new(error.without_url()));
    let mut answer = request.send().await.map_err(told)?;
    let status = answer.status();
    let mut body = Vec::new();
    // A success needs no body: the message is accepted.
    while !status.is_success() && body.len() < MOST {
        match answer.chunk().await.map_err(told)? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok((status, body))
}

/// Interprets a status. One about our credentials or URL (401, 403, 404) is not the receiver's
/// fault and may be corrected while the code is valid. Other refusals would come again, such as
/// Twilio's 21211 for an invalid number.
fn judge(status: StatusCode, why: String) -> Delivery {
    match status.as_u16() {
        200..=299 => Delivery::Done(None),
        401 | 403 | 404 | 408 | 429 => Delivery::Failed(why),
        400..=499 => Delivery::Refused(why),
        _other => Delivery::Failed(why),
    }
}

/// Returns what a text message says, in one part of 160 characters. The code comes first, where a
/// locked screen shows it. The last line lets browsers fill the code in on our pages only
/// (<https://wicg.github.io/sms-one-time-codes/>). `None` for messages that are sent by mail only.
fn text(message: &Message, service: &str, site: Option<&str>) -> Option<String> {
    let (code, minutes) = code(message);
    let what = match message.word() {
        _ if code.is_empty() => return None,
        "login_code" => "to sign in",
        "setup_code" => "to turn on SMS codes",
        "disable_code" => "to turn off SMS codes",
        _other => "to confirm an action",
    };
    let bound = site.map_or_else(String::new, |site| format!("\n@{site} #{code}"));
    Some(format!(
        "{code} is your {service} code {what}. It works for {minutes} min. Pass it on to nobody. Not you? Tell your administrator.{bound}"
    ))
}

/// Returns the host to which browsers bind a code. The format has no port and implies https.
fn site(public_url: &str) -> Option<String> {
    let url = Url::parse(public_url).ok()?;
    match url.host()? {
        Host::Domain(name) if url.scheme() == "https" && url.port().is_none() => {
            Some(name.to_owned())
        }
        Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// Returns warnings for the operator at the start: texts that need more than one message.
pub fn warnings(settings: &Settings) -> Vec<String> {
    if settings.sms_countries.is_empty() {
        return Vec::new();
    }
    let (service, site) = (&settings.issuer_name, site(&settings.public_url));
    let longest = Message::DisableCode {
        code: "0".repeat(settings.policy.code_digits as usize),
        minutes: settings.policy.sms_code_seconds / 60,
        link: None,
        link_minutes: 0,
    };
    let longest = text(&longest, service, site.as_deref()).unwrap_or_default();
    let why = if is_plain(service) {
        "issuer_name and the host of public_url are long"
    } else {
        "issuer_name has characters outside the GSM 7-bit alphabet, which leave room for 70 instead of 160"
    };
    match parts(&longest) {
        1 => Vec::new(),
        parts => vec![format!(
            "each text message is sent, and paid for, as {parts}: {why}"
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::{site, text};
    use crate::model::notice::Message;
    use crate::parts::parts;

    #[test]
    fn a_code_is_bound_to_https_at_its_own_port_and_to_a_name() {
        assert_eq!(
            site("https://login.example.com").as_deref(),
            Some("login.example.com")
        );
        assert_eq!(site("https://x.example:443").as_deref(), Some("x.example"));
        for none in [
            "http://login.example.com",
            "https://login.example.com:8443",
            "https://192.0.2.1",
            "https://[2001:db8::1]",
        ] {
            assert_eq!(site(none), None, "{none}");
        }
    }

    #[test]
    fn a_text_of_every_purpose_is_one_part_and_ends_with_the_bound_code() {
        let (code, minutes) = ("01234567".to_owned(), 10);
        let link = None;
        for message in [
            Message::LoginCode {
                code: code.clone(),
                minutes,
                link: link.clone(),
                link_minutes: 0,
            },
            Message::SetupCode {
                code: code.clone(),
                minutes,
                link: link.clone(),
                link_minutes: 0,
            },
            Message::DisableCode {
                code: code.clone(),
                minutes,
                link: link.clone(),
                link_minutes: 0,
            },
            Message::StepUpCode {
                code: code.clone(),
                minutes,
                link,
                link_minutes: 0,
            },
            Message::ActionCode {
                code,
                minutes,
                action: "payout-42".to_owned(),
            },
        ] {
            let text = text(&message, "Countersign", Some("mfa.example.com")).expect("a text");
            assert_eq!(parts(&text), 1, "{text}");
            assert!(text.ends_with("\n@mfa.example.com #01234567"), "{text}");
        }
    }
}
