//! The sandbox's courier: messages are kept as data, in the order in which they were sent, and nothing leaves.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::letter::{code, link_of};
use countersign_model::notice::{Channel, Letter};
use countersign_model::{NoticeId, Time};

/// How many are kept; the oldest go first.
const MOST: usize = 10_000;

/// A mail or a text message.
#[derive(Clone)]
pub struct KeptMessage {
    /// Its place among all of them, from 1 on.
    pub number: u64,
    /// The id of its notice, which is in the mail's Message-ID too.
    pub id: NoticeId,
    /// How it went.
    pub channel: Channel,
    /// Where to: an address, or a number in E.164.
    pub to: String,
    /// What it is about, in one word.
    pub kind: &'static str,
    /// The code in it.
    pub code: Option<String>,
    /// The link in it.
    pub link: Option<String>,
    /// Its subject; a text message has none.
    pub subject: Option<String>,
    /// Its text.
    pub text: String,
    /// When it was sent.
    pub sent_at: Time,
}

/// Which messages are looked for.
#[derive(Clone, Default)]
pub struct MessageQuery {
    /// To this address or number.
    pub to: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// That went this way.
    pub channel: Option<Channel>,
    /// After the one of this number.
    pub after: u64,
    /// So many of them, the newest.
    pub most: usize,
}

/// All messages of a sandbox.
pub struct Messages {
    kept: Mutex<Shelf>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Shelf {
    messages: VecDeque<KeptMessage>,
    last: u64,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Messages {
    /// Returns those that fit, oldest first. If there are none, it waits for the first one for at most `patience`.
    pub async fn wait(&self, query: &MessageQuery, patience: Duration) -> Vec<KeptMessage> {
        let until = Instant::now() + patience;
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let found = self.find(query);
            if !found.is_empty() {
                return found;
            }
            match timeout_at(until, changed.changed()).await {
                Ok(Ok(())) => {}
                // Out of patience; the sender cannot be gone, as it is ours.
                Ok(Err(_)) | Err(_) => return Vec::new(),
            }
        }
    }

    /// Returns those that fit, oldest first.
    pub fn find(&self, query: &MessageQuery) -> Vec<KeptMessage> {
        let shelf = self.shelf();
        let fitting = shelf.messages.iter().rev().filter(|one| query.fits(one));
        let mut found: Vec<KeptMessage> = fitting.take(query.most).cloned().collect();
        found.reverse();
        found
    }

    /// The number of the last one that was sent; 0 when none was.
    pub fn last(&self) -> u64 {
        self.shelf().last
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        *self.shelf() = Shelf::default();
    }

    pub(super) fn keep(
        &self,
        id: NoticeId,
        letter: &Letter,
        (subject, text): (Option<String>, String),
        sent_at: Time,
    ) {
        let code = match code(&letter.message) {
            ("", _) => None,
            (code, _) => Some(code.to_owned()),
        };
        let mut shelf = self.shelf();
        shelf.last += 1;
        let message = KeptMessage {
            number: shelf.last,
            id,
            channel: letter.lane().channel(),
            to: letter.to.clone(),
            kind: letter.message.word(),
            code,
            link: link_of(&letter.message).map(str::to_owned),
            subject,
            text,
            sent_at,
        };
        if shelf.messages.len() >= MOST {
            shelf.messages.pop_front();
        }
        shelf.messages.push_back(message);
        drop(shelf);
        self.changed.send_modify(|count| *count += 1);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MessageQuery {
    fn fits(&self, message: &KeptMessage) -> bool {
        message.number > self.after
            && self.to.as_ref().is_none_or(|to| *to == message.to)
            && self.kind.as_ref().is_none_or(|kind| kind == message.kind)
            && self
                .channel
                .is_none_or(|channel| channel == message.channel)
    }
}
