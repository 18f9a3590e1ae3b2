//! Delivers mail: makes a message from a letter, and sends it to a mail server or into a folder.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, SinglePart};
use lettre::{Address, Message};
use tokio::task::spawn_blocking;

use crate::config::Settings;
use crate::letter::write;
use crate::model::notice::{Letter, Notice};
use crate::model::user::canonical_address;
use crate::model::{NoticeId, Time};
use crate::smtp::Smtp;
use crate::vault::{make_folder, private};

/// The result of one try to deliver.
pub(super) enum Delivery {
    /// Handed over. The path of the file, for the log.
    Done(Option<PathBuf>),
    /// The receiver will never accept it, so it is not tried again. The reason, for the log.
    Refused(String),
    /// Not possible now. The reason, for the log.
    Failed(String),
}

/// How mail is delivered.
pub(super) enum Post {
    /// To a mail server.
    Smtp(Box<Smtp>),
    /// Into files in this folder: the default, for trying things out.
    Outbox(PathBuf),
}

impl Post {
    /// Prepares the delivery that the settings ask for.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let Some(url) = &settings.smtp_url else {
            return Ok(Self::Outbox(settings.data_dir.join("outbox")));
        };
        let patience = Duration::from_secs(u64::from(settings.smtp_timeout_seconds));
        let smtp = Smtp::new(url.expose(), settings.public_host(), patience);
        Ok(Self::Smtp(Box::new(smtp.context("smtp_url")?)))
    }

    /// Tries to deliver once.
    pub(super) async fn deliver(
        &self,
        id: NoticeId,
        letter: &Letter,
        message: Message,
    ) -> Delivery {
        match self {
            Self::Smtp(smtp) => smtp.send(&message).await,
            Self::Outbox(folder) => {
                let time = Time::from_micros(letter.at).to_string().replace(':', "-");
                keep(folder.join(format!("{time}-{id}.eml")), message.formatted()).await
            }
        }
    }
}

/// Makes the message of a letter. A second one for the same notice differs only in its date, so
/// that a receiver treats both as one.
pub(super) fn message(
    notice: &Notice,
    letter: &Letter,
    from: &Mailbox,
    service: &str,
    now: Time,
) -> Result<Message> {
    // Not parsed as a mailbox: that could read more into it than an address.
    let (local, domain) = letter
        .to
        .split_once('@')
        .context("the message has no address")?;
    // The library refuses letters with marks of some scripts. An address that passes our own rule
    // is accepted: that rule allows nothing that could end a line or a part.
    let ours = canonical_address(&letter.to).as_ref() == Some(&letter.to);
    let to = match Address::new(local, domain) {
        Ok(to) => to,
        Err(_) if ours => Address::new_dangerous(local, domain),
        Err(_) => bail!("no mail can be sent to this address"),
    };
    let written = write(letter, service);
    // Set explicitly: the library would derive it from the headers by the same strict rule.
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.clone()])?;
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(written.subject)
        .date(moment(now))
        .message_id(Some(format!("<{}@{}>", notice.id, from.email.domain())))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .envelope(envelope)
        .singlepart(
            SinglePart::builder()
                .header(ContentType::TEXT_PLAIN)
                .body(unfolded(written.text)),
        )
        .context("composing the mail")
}

/// Sends the text unencoded if possible, since an encoding may fold a link so that it cannot be
/// copied from a file. Lines must have at most 998 octets (RFC 5322 §2.1.1).
fn unfolded(text: String) -> Body {
    let long = text.lines().any(|line| line.len() > 998);
    if !text.is_ascii() || long {
        return Body::new(text);
    }
    let lines = text.replace("\r\n", "\n").replace('\n', "\r\n");
    Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
}

/// Returns the time for a `Date` header, which only allows the years 1970 to 9999.
fn moment(time: Time) -> SystemTime {
    let seconds = u64::try_from(time.seconds())
        .unwrap_or(0)
        .min(253_402_300_799);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Delivers into a file.
pub(super) async fn keep(path: PathBuf, bytes: Vec<u8>) -> Delivery {
    let kept = path.clone();
    let saved = spawn_blocking(move || save(&path, &bytes)).await;
    match saved.context("the task that writes the file").flatten() {
        Ok(()) => Delivery::Done(Some(kept)),
        Err(error) => Delivery::Failed(format!("{error:#}")),
    }
}

/// Writes a file that only its owner can read and that appears only when complete.
fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("the outbox has no folder")?;
    let draft = path.with_extension("new");
    let told = || format!("writing {}", path.display());
    make_folder(folder).with_context(told)?;
    let mut options = OpenOptions::new();
    let file = private(options.write(true).create(true).truncate(true)).open(&draft);
    let mut file = file.with_context(told)?;
    file.write_all(bytes).with_context(told)?;
    file.sync_all().with_context(told)?;
    fs::rename(&draft, path).with_context(told)
}
