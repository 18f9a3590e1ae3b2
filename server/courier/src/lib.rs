//! The courier takes notices from the queue and delivers each one once, in rare cases twice.

mod email;
mod letter;
mod messages;
mod parts;
mod sms;
mod smtp;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use lettre::message::Mailbox;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;

use countersign_base::chance::Chance;
use countersign_base::clock::Clock;
use countersign_base::config::{self, Settings};
use countersign_base::health::Health;
use countersign_model::notice::{Lane, Letter, Notice, masked};
use countersign_model::{self as model, NoticeId, Result, Time};
use countersign_store as store;
use countersign_vault as vault;
use store::Store;
use store::notices::{self, Waits};
use vault::{Place, Vault};

use email::{Delivery, Post};
pub use messages::{KeptMessage, MessageQuery, Messages};
use sms::Texts;
pub use sms::warnings;

/// How many deliveries of a lane run at once. Lanes have separate limits, so that a server that
/// hangs delays only its own messages, and notices never delay codes.
const fn at_once(lane: Lane) -> usize {
    match lane {
        Lane::MailCodes | Lane::Texts => 4,
        Lane::MailNotices => 2,
    }
}

/// How long a courier leases a notice, in seconds. After that, a notice of a courier that died is
/// free again. No delivery takes that long.
const LEASE_SECONDS: i64 = 60;

/// How often the queue is read if nobody signals new notices.
const POLL: Duration = Duration::from_secs(2);

/// The wait before the second try, in seconds. It doubles with each further one.
const RETRY_SECONDS: i64 = 5;

/// The longest wait between two tries, in seconds.
const RETRY_MAX_SECONDS: i64 = 3600;

/// The longest waits of a notice. Each may be a quarter longer, see [`Courier::next_try`].
const WAITS: Waits = Waits {
    lease: LEASE_SECONDS,
    first: RETRY_SECONDS * 1_250_000,
    growing: (RETRY_MAX_SECONDS / RETRY_SECONDS).ilog2() + 1,
    longest: RETRY_MAX_SECONDS * 1_250_000,
};

/// Delivers notices. Several servers may each run one; a lease prevents that two deliver the same
/// notice.
#[derive(Clone)]
pub struct Courier(Arc<Inner>);

struct Inner {
    store: Store,
    vault: Vault,
    clock: Clock,
    chance: Chance,
    wake: Arc<Notify>,
    health: Arc<Health>,
    slots: [(Lane, Arc<Semaphore>); 3],
    post: Post,
    texts: Texts,
    /// Where the sandbox keeps what would leave otherwise.
    kept: Option<Arc<Messages>>,
    from: Mailbox,
    service: String,
}

impl Courier {
    /// Checks whether a courier can work with these settings. Creates nothing.
    ///
    /// # Errors
    /// Fails as [`Courier::new`] does.
    pub fn check(settings: &Settings) -> anyhow::Result<()> {
        Post::new(settings)?;
        Texts::new(settings)?;
        Ok(())
    }

    /// Greets the mail server, and sends nothing. Returns its name, or `None` if mails go to the outbox.
    ///
    /// # Errors
    /// Fails if the server cannot be reached, or does not accept TLS or the credentials.
    pub async fn greet(settings: &Settings) -> anyhow::Result<Option<String>> {
        match Post::new(settings)? {
            Post::Smtp(smtp) => smtp.greet().await.map(Some),
            Post::Outbox(_) => Ok(None),
        }
    }

    /// Prepares a courier. `wake` signals that there may be new notices, and `health` records
    /// successes and failures. With `kept`, every
    /// message stays there and none leaves.
    ///
    /// # Errors
    /// Fails if the mail server's URL, or the configured way for text messages, cannot be used.
    pub fn new(
        settings: &Settings,
        store: Store,
        vault: Vault,
        clock: Clock,
        chance: Chance,
        (wake, health): (Arc<Notify>, Arc<Health>),
        kept: Option<Arc<Messages>>,
    ) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Inner {
            store,
            vault,
            clock,
            chance,
            wake,
            health,
            slots: Lane::ALL.map(|lane| (lane, Arc::new(Semaphore::new(at_once(lane))))),
            post: Post::new(settings)?,
            texts: Texts::new(settings)?,
            kept,
            from: settings.mail_from.clone(),
            service: settings.issuer_name.clone(),
        })))
    }

    /// Delivers until `stop` is over. Then lets running deliveries finish, each of which has a time
    /// limit.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut under_way = JoinSet::new();
        loop {
            self.begin(&mut under_way).await;
            let room = self.room().next().is_some();
            tokio::select! {
                () = &mut stop => break,
                Some(ended) = under_way.join_next() => note_end(ended),
                () = self.0.wake.notified(), if room => {}
                () = sleep(POLL), if room => {}
            }
        }
        while let Some(ended) = under_way.join_next().await {
            note_end(ended);
        }
    }

    /// Returns the lanes with free places, and how many each has.
    fn room(&self) -> impl Iterator<Item = (Lane, usize)> {
        let free = |(lane, slots): &(Lane, Arc<Semaphore>)| (*lane, slots.available_permits());
        self.0.slots.iter().map(free).filter(|&(_, free)| free > 0)
    }

    /// Takes as many due notices as there are free places, and starts their delivery.
    async fn begin(&self, under_way: &mut JoinSet<()>) {
        match self.take(self.room().collect()).await {
            Ok(notices) => {
                for notice in notices {
                    let slot = self.slot(&notice);
                    let courier = self.clone();
                    under_way.spawn(async move {
                        courier.deliver(notice).await;
                        // Freed after a panic, too.
                        drop(slot);
                    });
                }
            }
            // The next poll reads it again. `/readyz` also reports a database that cannot be
            // reached.
            Err(error) => tracing::warn!(?error, "the courier cannot read its queue"),
        }
    }

    /// Takes a place in the notice's lane. There is one, since only this task takes any.
    fn slot(&self, notice: &Notice) -> Option<OwnedSemaphorePermit> {
        let of_it = |(lane, _): &&(Lane, Arc<Semaphore>)| lane.as_str() == notice.lane;
        let (_, slots) = self.0.slots.iter().find(of_it)?;
        Arc::clone(slots).try_acquire_owned().ok()
    }

    async fn take(&self, room: Vec<(Lane, usize)>) -> Result<Vec<Notice>> {
        // A read costs no write, and most reads find nothing.
        let waiting = self.0.store.read(notices::waiting).await?;
        let now = self.0.clock.now();
        self.0.health.judge(&waiting, now);
        let wanted: Vec<(Lane, i64)> = room
            .into_iter()
            .filter(|(lane, _)| waiting.contains(lane))
            .map(|(lane, room)| (lane, i64::try_from(room).unwrap_or(1)))
            .collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let take = move |tx: &mut _| {
            let mut taken = Vec::new();
            for &(lane, room) in &wanted {
                taken.extend(notices::due(tx, lane, now, WAITS, room)?);
            }
            Ok(taken)
        };
        self.0.store.write(take).await
    }

    /// Delivers one notice, and records the result in the queue.
    async fn deliver(&self, notice: Notice) {
        let id = notice.id;
        let kind = notice.kind.clone();
        if let Err(error) = self.attempt(notice).await {
            // The lease expires and the notice is tried again. The receiver may get it twice.
            tracing::error!(?error, %id, kind, "the result of a delivery could not be stored");
        }
    }

    async fn attempt(&self, notice: Notice) -> Result<()> {
        let now = self.0.clock.now();
        let (id, kind) = (notice.id, notice.kind.as_str());
        if now >= notice.expires_at {
            tracing::warn!(%id, kind, "a message could not be delivered in time and was given up");
            return self.abandon(&notice).await;
        }
        let channel = Lane::parse(&notice.lane).map(Lane::channel);
        let (delivery, what) = match self.open(&notice) {
            Ok(letter) => {
                let kind = letter.lane().channel().as_str();
                let what = format!("{kind} for {}", masked(&letter.to));
                (self.post(&notice, &letter, now).await, what)
            }
            Err(error) => (Delivery::Failed(format!("{error:#}")), "mail".to_owned()),
        };
        match delivery {
            Delivery::Done(place) => {
                match place {
                    Some(path) => {
                        tracing::info!("{what} ({kind}) is in {}", path.display());
                    }
                    None => tracing::info!("{what} ({kind}) was delivered"),
                }
                let now = self.0.clock.now();
                self.0.health.sent(channel);
                self.0
                    .store
                    .write(move |tx| notices::sent(tx, id, now))
                    .await
            }
            Delivery::Refused(why) => {
                tracing::warn!(%id, kind, what, why, "the message was refused for good");
                self.abandon(&notice).await
            }
            Delivery::Failed(why) => {
                self.0.health.failed(channel, now, &why);
                let next = self.next_try(notice.tries);
                tracing::warn!(%id, kind, what, why, next_try = %next, "the message could not be delivered");
                self.0
                    .store
                    .write(move |tx| notices::retry(tx, id, next))
                    .await
            }
        }
    }

    fn open(&self, notice: &Notice) -> anyhow::Result<Letter> {
        let sealed = notice.sealed_letter.as_deref();
        let sealed = sealed.context("the message no longer exists")?;
        let place = Place::letter(notice.user_id, notice.id);
        let opened = self.0.vault.unseal(&place, sealed);
        let opened = opened.map_err(|error| anyhow!("{error:?}"))?;
        // The parser's message may quote the letter, and so a code.
        serde_json::from_slice(opened.expose()).map_err(|_| anyhow!("the message cannot be read"))
    }

    async fn post(&self, notice: &Notice, letter: &Letter, now: Time) -> Delivery {
        let Inner { from, service, .. } = &*self.0;
        if let Some(kept) = &self.0.kept {
            return self.keep(kept, notice.id, letter, now);
        }
        let delivery = if letter.is_text_message() {
            self.0.texts.deliver(notice.id, letter, service, now).await
        } else {
            match email::message(notice, letter, from, service, now) {
                Ok(message) => self.0.post.deliver(notice.id, letter, message).await,
                Err(error) => Delivery::Refused(format!("{error:#}")),
            }
        };
        // Mail servers often repeat the address. The log shows it masked.
        let hide = |why: String| why.replace(&letter.to, &masked(&letter.to));
        match delivery {
            Delivery::Done(place) => Delivery::Done(place),
            Delivery::Refused(why) => Delivery::Refused(hide(why)),
            Delivery::Failed(why) => Delivery::Failed(hide(why)),
        }
    }

    fn keep(&self, kept: &Messages, id: NoticeId, letter: &Letter, now: Time) -> Delivery {
        let service = &self.0.service;
        let said = match letter.is_text_message() {
            true => self.0.texts.says(letter, service).map(|text| (None, text)),
            false => {
                let written = letter::write(letter, service);
                Some((Some(written.subject), written.text))
            }
        };
        match said {
            Some(said) => kept.keep(id, letter, said, now),
            None => return Delivery::Refused("it is not for text messages".to_owned()),
        }
        Delivery::Done(None)
    }

    async fn abandon(&self, notice: &Notice) -> Result<()> {
        let (id, now) = (notice.id, self.0.clock.now());
        self.0
            .store
            .write(move |tx| notices::abandon(tx, id, now))
            .await
    }

    /// Returns when to try again after `tries` earlier tries: 5 s, 10 s, 20 s …, each varied by up
    /// to a quarter, so that notices that failed together do not return together.
    fn next_try(&self, tries: i32) -> Time {
        let doublings = u32::try_from(tries).unwrap_or(0).min(20);
        let wait = (RETRY_SECONDS << doublings).min(RETRY_MAX_SECONDS) * 1_000_000;
        let spread = u64::try_from(wait / 2).unwrap_or(0);
        let jitter = i64::try_from(self.0.chance.below(spread)).unwrap_or(0);
        let now = self.0.clock.now().micros();
        Time::from_micros(now.saturating_add(wait - wait / 4 + jitter))
    }
}

fn note_end(ended: std::result::Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        // Its lease expires, and the next try may succeed.
        tracing::error!(%error, "the delivery of a message panicked");
    }
}
