//! A mail server for tests: a real SMTP conversation, with an answer of the test's choice at each step.

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
    /// Takes it.
    Take,
    /// Answers this to MAIL.
    Sender(&'static str),
    /// Answers this to RCPT.
    Recipient(&'static str),
    /// Reads it all, and answers this to its end.
    Message(&'static str),
    /// Reads it all, and hangs up without a word.
    HangUp,
    /// Says nothing more.
    Silence,
}

/// A mail server.
#[derive(Clone)]
pub struct Sink {
    /// Where it listens.
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
    /// What it does when no reply is prescribed.
    otherwise: Option<Reply>,
    /// Addresses to whose mails it says nothing more.
    silent: Vec<String>,
    /// Whom its clients said they are.
    greeted: Vec<String>,
    /// Whether it knows mail of before RFC 6531 and RFC 6152 alone.
    old: bool,
    /// What it begins with, if it does not take mail at all.
    closed: Option<&'static str>,
}

impl Sink {
    /// Starts one; it ends with the test's runtime.
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
                // A client that hangs up ends its conversation, and nothing else.
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

    /// Does this with the mails that come next, one each, and then takes them again.
    pub fn replies(&self, replies: &[Reply]) {
        self.inbox().replies.extend(replies);
    }

    /// Does this with every mail from now on.
    pub fn always(&self, reply: Reply) {
        self.inbox().otherwise = Some(reply);
    }

    /// Says nothing more to mails to this address, from now on.
    pub fn silent_to(&self, address: &str) {
        self.inbox().silent.push(address.to_owned());
    }

    /// Offers neither SMTPUTF8 nor 8BITMIME from now on.
    pub fn is_old(&self) {
        self.inbox().old = true;
    }

    /// Begins every conversation with this refusal from now on, or takes mail again.
    pub fn closes(&self, refusal: Option<&'static str>) {
        self.inbox().closed = refusal;
    }

    /// Whom its clients said they are, one for each conversation.
    pub fn greeted(&self) -> Vec<String> {
        self.inbox().greeted.clone()
    }

    /// How many mails somebody began to hand over.
    pub fn begun(&self) -> usize {
        self.inbox().begun
    }

    /// The mails that were read to their end and then refused.
    pub fn refused(&self) -> Vec<Mail> {
        self.inbox().refused.clone()
    }

    /// All mails to an address so far, in the order of their arrival.
    pub fn all_to(&self, address: &str) -> Vec<Mail> {
        self.inbox()
            .arrived
            .iter()
            .filter(|mail| mail.to == address)
            .cloned()
            .collect()
    }

    /// The subjects of all mails to an address so far, sorted.
    pub fn subjects_to(&self, address: &str) -> Vec<String> {
        let mut subjects: Vec<String> = self
            .all_to(address)
            .into_iter()
            .map(|mail| mail.subject)
            .collect();
        subjects.sort();
        subjects
    }

    /// The next mail to an address that was not asked for yet and is `wanted`.
    ///
    /// # Panics
    /// When none comes in time.
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

    /// The next mail to an address.
    pub async fn next_to(&self, address: &str) -> Mail {
        self.next("mail", address, |_| true).await
    }

    /// The code of the next mail to an address that carries one.
    pub async fn code_to(&self, address: &str) -> String {
        let mail = self
            .next("code", address, |mail| mail.code().is_some())
            .await;
        mail.code().unwrap_or_default()
    }

    /// The link's token in the next mail to an address that carries one.
    pub async fn link_to(&self, address: &str) -> String {
        let mail = self
            .next("link", address, |mail| mail.link().is_some())
            .await;
        mail.link().unwrap_or_default()
    }

    /// The next mail to an address whose subject holds these words.
    pub async fn notice_to(&self, address: &str, words: &str) -> Mail {
        self.next(words, address, |mail| mail.subject.contains(words))
            .await
    }

    /// Keeps a mail, once: mail readers show a second one of the same Message-ID as the same. There can
    /// be one, since a test's clock may jump over a lease while its mail is handed over.
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

    /// The answer to a greeting.
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

    /// What to do with the mail that begins now.
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

    /// What to answer to a mail; nothing to hang up.
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

/// Reads a message up to its lonely dot.
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

/// The address between angle brackets.
fn address_in(line: &str) -> String {
    let inside = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or("", |(address, _)| address).to_owned()
}
