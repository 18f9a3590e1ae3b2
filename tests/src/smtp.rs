//! A mail server for tests: a real SMTP conversation, with answers that the test chooses for each
//! step.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::waiting::PATIENCE;
use crate::{Mail, logs};

/// What the mail server does with one mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Accepts it.
    Take,
    /// Answers this to MAIL.
    Sender(&'static str),
    /// Answers this to RCPT.
    Recipient(&'static str),
    /// Reads the whole mail, and answers this to its end.
    Message(&'static str),
    /// Reads the whole mail, and hangs up without an answer.
    HangUp,
    /// Stops answering.
    Silence,
}

/// A mail server.
#[derive(Clone)]
pub struct Sink {
    /// The address that it listens on.
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    box_: Mutex<Inbox>,
    changed: Notify,
}

#[derive(Default)]
struct Inbox {
    arrived: Vec<Mail>,
    taken: Vec<bool>,
    refused: Vec<Mail>,
    begun: usize,
    replies: VecDeque<Reply>,
    /// What it does if no reply is prescribed.
    otherwise: Option<Reply>,
    /// Receivers whose mails it stops answering.
    silent: Vec<String>,
    /// The names that clients gave in their greeting.
    greeted: Vec<String>,
    /// Whether it supports neither RFC 6531 nor RFC 6152.
    old: bool,
    /// Its greeting, if it accepts no mail at all.
    closed: Option<&'static str>,
}

impl Sink {
    /// Starts a mail server. It ends with the test's runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let sink = Self {
            address,
            state: Arc::default(),
        };
        let accepting = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sink = accepting.clone();
                // A client that hangs up ends its conversation and nothing else.
                tokio::spawn(async move { sink.talk(stream).await.ok() });
            }
        });
        sink
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.state
            .box_
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the replies to the next mails, one each. Then it accepts mail again.
    pub fn replies(&self, replies: &[Reply]) {
        self.inbox().replies.extend(replies);
    }

    /// Sets the reply to every mail from now on.
    pub fn always(&self, reply: Reply) {
        self.inbox().otherwise = Some(reply);
    }

    /// Stops answering mails to this address from now on.
    pub fn silent_to(&self, address: &str) {
        self.inbox().silent.push(address.to_owned());
    }

    /// Offers neither SMTPUTF8 nor 8BITMIME from now on.
    pub fn is_old(&self) {
        self.inbox().old = true;
    }

    /// Starts every conversation with this refusal from now on; with `None`, accepts mail again.
    pub fn closes(&self, refusal: Option<&'static str>) {
        self.inbox().closed = refusal;
    }

    /// Returns the names that clients gave in their greeting, one for each conversation.
    pub fn greeted(&self) -> Vec<String> {
        self.inbox().greeted.clone()
    }

    /// Counts the mails that clients started to send.
    pub fn begun(&self) -> usize {
        self.inbox().begun
    }

    /// Returns the mails that were read to their end and then refused.
    pub fn refused(&self) -> Vec<Mail> {
        self.inbox().refused.clone()
    }

    /// Returns all mails to an address so far, in the order of arrival.
    pub fn all_to(&self, address: &str) -> Vec<Mail> {
        self.inbox()
            .arrived
            .iter()
            .filter(|mail| mail.to == address)
            .cloned()
            .collect()
    }

    /// Returns the subjects of all mails to an address so far, sorted.
    pub fn subjects_to(&self, address: &str) -> Vec<String> {
        let mut subjects: Vec<String> = self
            .all_to(address)
            .into_iter()
            .map(|mail| mail.subject)
            .collect();
        subjects.sort();
        subjects
    }

    /// Waits for the next mail to an address that the test has not read and that is `wanted`.
    ///
    /// # Panics
    /// Panics if none arrives in time.
    pub async fn next(&self, what: &str, address: &str, wanted: impl Fn(&Mail) -> bool) -> Mail {
        let found = timeout(PATIENCE, async {
            loop {
                let changed = self.state.changed.notified();
                if let Some(mail) = self.look(address, &wanted) {
                    return mail;
                }
                changed.await;
            }
        });
        found.await.unwrap_or_else(|_| {
            panic!(
                "no {what} came to {address}, only {:?}",
                self.subjects_to(address)
            )
        })
    }

    fn look(&self, address: &str, wanted: impl Fn(&Mail) -> bool) -> Option<Mail> {
        let mut inbox = self.inbox();
        let fits = |&at: &usize| {
            !inbox.taken[at] && inbox.arrived[at].to == address && wanted(&inbox.arrived[at])
        };
        let at = (0..inbox.arrived.len()).find(fits)?;
        inbox.taken[at] = true;
        Some(inbox.arrived[at].clone())
    }

    /// Returns the next mail to an address.
    pub async fn next_to(&self, address: &str) -> Mail {
        self.next("mail", address, |_| true).await
    }

    /// Returns the code of the next mail to an address that has one.
    pub async fn code_to(&self, address: &str) -> String {
        let mail = self
            .next("code", address, |mail| mail.code().is_some())
            .await;
        mail.code().unwrap_or_default()
    }

    /// Returns the link's token in the next mail to an address that has one.
    pub async fn link_to(&self, address: &str) -> String {
        let mail = self
            .next("link", address, |mail| mail.link().is_some())
            .await;
        mail.link().unwrap_or_default()
    }

    /// Returns the next mail to an address whose subject contains these words.
    pub async fn notice_to(&self, address: &str, words: &str) -> Mail {
        self.next(words, address, |mail| mail.subject.contains(words))
            .await
    }

    /// Stores a mail once: mail readers show two with the same Message-ID as one. A second one can
    /// arrive, since a test's clock may jump over a lease while the mail is being sent.
    fn arrived(&self, mail: Mail) {
        mail.code().iter().for_each(|code| logs::code(code));
        mail.link().iter().for_each(|token| logs::secret(token));
        let mut inbox = self.inbox();
        if inbox
            .arrived
            .iter()
            .any(|other| other.message_id == mail.message_id && other.to == mail.to)
        {
            return;
        }
        inbox.arrived.push(mail);
        inbox.taken.push(false);
        drop(inbox);
        self.state.changed.notify_waiters();
    }

    /// Returns the answer to a greeting.
    fn greet(&self, line: &str) -> String {
        let mut inbox = self.inbox();
        let whom = line.split_whitespace().nth(1).unwrap_or_default();
        inbox.greeted.push(whom.to_owned());
        let answer = match inbox.old {
            true => "250 sink",
            false => "250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8",
        };
        answer.to_owned()
    }

    /// Returns the reply to the mail that begins now.
    fn begin(&self) -> Reply {
        let mut inbox = self.inbox();
        inbox.begun += 1;
        let otherwise = inbox.otherwise.unwrap_or(Reply::Take);
        inbox.replies.pop_front().unwrap_or(otherwise)
    }

    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read);
        let (mut from, mut to, mut reply) = (String::new(), String::new(), Reply::Take);
        let greeting = self.inbox().closed.unwrap_or("220 sink ready");
        write
            .write_all(format!("{greeting}\r\n").as_bytes())
            .await?;
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let command = line.to_ascii_uppercase();
            let answer = if command.starts_with("EHLO") || command.starts_with("HELO") {
                self.greet(&line)
            } else if command.starts_with("MAIL") {
                (from, reply) = (address_in(&line), self.begin());
                match reply {
                    Reply::Sender(refusal) => refusal.to_owned(),
                    _taken => "250 ok".to_owned(),
                }
            } else if command.starts_with("RCPT") {
                to = address_in(&line);
                if self.inbox().silent.contains(&to) {
                    reply = Reply::Silence;
                }
                match reply {
                    Reply::Recipient(refusal) => refusal.to_owned(),
                    _taken => "250 ok".to_owned(),
                }
            } else if command.starts_with("DATA") {
                write.write_all(b"354 go on\r\n").await?;
                let mail = Mail::read(&from, &to, &data(&mut lines).await?);
                match self.judge(reply, mail).await {
                    Some(answer) => answer,
                    None => return Ok(()),
                }
            } else if command.starts_with("QUIT") {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            } else {
                "250 ok".to_owned()
            };
            write.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }

    /// Returns the answer to a mail; `None` to hang up.
    async fn judge(&self, reply: Reply, mail: Mail) -> Option<String> {
        match reply {
            Reply::Take | Reply::Sender(_) | Reply::Recipient(_) => {
                self.arrived(mail);
                Some("250 taken".to_owned())
            }
            Reply::Message(refusal) => {
                self.inbox().refused.push(mail);
                Some(refusal.to_owned())
            }
            Reply::HangUp => {
                self.inbox().refused.push(mail);
                None
            }
            Reply::Silence => {
                self.inbox().refused.push(mail);
                tokio::time::sleep(Duration::from_secs(600)).await;
                None
            }
        }
    }
}

/// Reads a message up to the line with a single dot.
async fn data(lines: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if lines.read_until(b'\n', &mut line).await? == 0 || line == b".\r\n" {
            return Ok(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

/// Returns the address between angle brackets.
fn address_in(line: &str) -> String {
    let inside = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or("", |(address, _)| address).to_owned()
}
