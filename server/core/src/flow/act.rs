//! `Act`: one call, with its time, source, random bytes and limits. All are fixed at the start, so that its
//! write can run again.

mod mail_limits;

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::app::Ctx;
use crate::config::Settings;
use crate::model::allowance::Ledger;
use crate::model::audit::{AuditEvent, Event};
use crate::model::ids::Id;
use crate::model::notice::{Letter, Message, Notice, state};
use crate::model::policy::Policy;
use crate::model::program::Program;
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{Fault, NoticeId, Refusal, Result, Time, UserId};
use crate::store::limits::{self, Limit};
use crate::store::{Tx, audit, notices};
use crate::vault::{Place, Vault};

pub use mail_limits::MailCause;

/// One hour, in seconds.
pub(super) const HOUR: u32 = 3600;
/// One day, in seconds.
pub(super) const DAY: u32 = 86_400;

/// One call, with its time, source, random bytes and limits.
///
/// Everything that a write needs from outside is fixed here, once. So a write that runs again writes the same
/// rows.
#[derive(Clone)]
pub struct Act {
    /// When the call came.
    pub now: Time,
    /// The address that the call came from.
    pub source: Source,
    /// The settings, with all limits and lifetimes.
    pub settings: Arc<Settings>,
    /// The keys, to seal, sign and hash with.
    pub vault: Vault,
    /// What the program of the call calls itself, if anything.
    pub program: Option<String>,
    id: Uuid,
    nonce: [u8; 24],
    ledger: Ledger,
}

impl Act {
    /// Fixes the time of a call and draws its random bytes.
    pub fn begin(ctx: &Ctx, source: Source) -> Self {
        let now = ctx.now();
        Self {
            now,
            source,
            settings: Arc::clone(&ctx.settings),
            vault: ctx.vault.clone(),
            program: Program::of_this_request(),
            id: ctx.chance.id::<()>(now).uuid(),
            nonce: ctx.chance.nonce(),
            ledger: Ledger::of_this_request(),
        }
    }

    /// Returns the limits and lifetimes.
    pub fn policy(&self) -> &Policy {
        &self.settings.policy
    }

    /// Returns an id for this act: the same each time its write runs, and a different one for each `ordinal`.
    fn id<K>(&self, ordinal: u8) -> Id<K> {
        let mut bytes = self.id.into_bytes();
        bytes[15] ^= ordinal;
        Id::new(Uuid::from_bytes(bytes))
    }

    /// Returns an id as [`Self::id`] does, but a different one for each user.
    fn id_for<K>(&self, user: UserId, ordinal: u8) -> Id<K> {
        let mut bytes = self.id::<K>(ordinal).uuid().into_bytes();
        // Only the last bytes are random. The first ones are the time.
        for (byte, theirs) in bytes.iter_mut().zip(user.uuid().into_bytes()).skip(10) {
            *byte ^= theirs;
        }
        Id::new(Uuid::from_bytes(bytes))
    }

    /// Appends an event to the audit trail and logs it. An act may have each event only once.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn audit(
        &self,
        tx: &mut Tx,
        user_id: UserId,
        event: Event,
        detail: Option<&str>,
    ) -> Result<()> {
        self.audit_by(tx, user_id, None, event, detail)
    }

    /// Does the same for what `actor_id` did to the user.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn audit_by(
        &self,
        tx: &mut Tx,
        user_id: UserId,
        actor_id: Option<UserId>,
        event: Event,
        detail: Option<&str>,
    ) -> Result<()> {
        let event = self.event(user_id, actor_id, event, detail);
        self.log(&event);
        audit::append(tx, &event)
    }

    /// Returns the row of an event. The caller must append it to the audit trail, and log it.
    pub fn event(
        &self,
        user_id: UserId,
        actor_id: Option<UserId>,
        event: Event,
        detail: Option<&str>,
    ) -> AuditEvent {
        AuditEvent {
            user_id,
            id: self.id(event as u8),
            event: event.as_str().to_owned(),
            actor_id,
            source: Some(self.source.to_string()),
            detail: detail.map(str::to_owned),
            at: self.now,
        }
    }

    /// Logs an event.
    pub fn log(&self, event: &AuditEvent) {
        let AuditEvent {
            event,
            user_id,
            detail,
            ..
        } = event;
        tracing::info!(target: "audit", event, user = %user_id, detail, source = %self.source);
    }

    /// Records that a limit was reached (ASVS 16.3.3), and refuses. It records once an hour per user and
    /// limit, since a caller who goes on could otherwise fill the disk.
    ///
    /// # Errors
    /// Always: returns the refusal, or a fault if the database does not answer.
    pub fn refuse_limited<T>(&self, tx: &mut Tx, user_id: UserId, refusal: Refusal) -> Result<T> {
        let (subject, limit) = self.record_of(user_id, &refusal);
        if limits::take(tx, &subject, limit, self.now)?.is_none() {
            self.audit(tx, user_id, Event::Limited, Some(refusal.code()))?;
        }
        Err(refusal.into())
    }

    /// Whether this refusal was already recorded this hour. If so, refusing again writes nothing.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn was_recorded(&self, tx: &mut Tx, user_id: UserId, refusal: &Refusal) -> Result<bool> {
        let (subject, limit) = self.record_of(user_id, refusal);
        Ok(limits::wait_of(tx, &subject, limit, self.now)?.is_some())
    }

    /// Returns what a refusal is recorded under. It is not the user's id, since the row may outlive the user.
    fn record_of(&self, user_id: UserId, refusal: &Refusal) -> ([u8; 32], Limit) {
        let limit = Limit {
            name: refusal.code(),
            most: 1,
            window_seconds: HOUR,
        };
        let subject = self.vault.keyed_hash("limited", &[user_id.as_bytes()]);
        (subject, limit)
    }

    /// Returns the id in the audit trail for an address without an account.
    pub fn stranger(&self, address: &str) -> UserId {
        let hash = self.vault.keyed_hash("stranger", &[address.as_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        // Version 8 may hold any bits (RFC 9562 §5.8).
        Id::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Returns the id in the audit trail for what a network did that concerns no user.
    pub fn of_network(&self) -> UserId {
        self.stranger(&self.source.network().to_string())
    }

    /// Whether limits by source count this call. The operator's calls do not count. Calls from this machine
    /// do not count either, while the server serves this machine alone. (Behind a local proxy that
    /// `trusted_proxies` does not name, all clients come from this machine.)
    pub fn counts(&self) -> bool {
        match self.source {
            Source::Console => false,
            Source::Client(address) => {
                !(address.is_loopback() && self.settings.is_for_this_machine())
            }
        }
    }

    /// Takes one use of a limit that the answer's headers show. Returns `None` if there was one left,
    /// otherwise the seconds until the next one.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn take(&self, tx: &mut Tx, subject: &[u8], limit: Limit) -> Result<Option<u32>> {
        let wait = limits::take(tx, subject, limit, self.now)?;
        let standing = limits::standing_of(tx, subject, limit, self.now)?;
        self.ledger.keep(standing);
        Ok(wait)
    }

    /// Does the same for a user's limit. Only for calls that the user makes.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn take_of_user(&self, tx: &mut Tx, user_id: UserId, limit: Limit) -> Result<Option<u32>> {
        let wait = limits::take_of_user(tx, user_id, limit, self.now)?;
        let standing = limits::standing_of_user(tx, user_id, limit, self.now)?;
        self.ledger.keep(standing);
        Ok(wait)
    }

    /// Queues a notice to the user, if they have a mailbox. Past `notices_per_hour` or `notices_per_day`, one
    /// digest an hour stands for all further notices.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer or the letter cannot be sealed.
    pub fn notify(&self, tx: &mut Tx, user: &User, message: Message) -> Result<()> {
        if !user.mailbox {
            return Ok(());
        }
        let limit = |name, most, window_seconds| Limit {
            name,
            most,
            window_seconds,
        };
        let policy = self.policy();
        let hourly = limit("notices_hour", policy.notices_per_hour, HOUR);
        let daily = limit("notices_day", policy.notices_per_day, DAY);
        let allowed = limits::take_of_user(tx, user.id, hourly, self.now)?.is_none()
            && limits::take_of_user(tx, user.id, daily, self.now)?.is_none();
        if allowed {
            return self.post(tx, user.id, &user.email, message, policy.notice_seconds);
        }
        let digest = limit("notices_digest", 1, HOUR);
        if limits::take_of_user(tx, user.id, digest, self.now)?.is_none() {
            self.post(
                tx,
                user.id,
                &user.email,
                Message::Digest,
                policy.notice_seconds,
            )?;
        }
        Ok(())
    }

    /// Seals a letter and queues it for the courier. An act may queue only one letter of each kind per user.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer or the letter cannot be sealed.
    pub fn post(
        &self,
        tx: &mut Tx,
        user_id: UserId,
        to: &str,
        message: Message,
        seconds: u32,
    ) -> Result<()> {
        let kind = message.word();
        let ordinal = message.ordinal();
        let id: NoticeId = self.id_for(user_id, ordinal);
        let letter = Letter {
            to: to.to_owned(),
            at: self.now.micros(),
            source: self.source.to_string(),
            message,
        };
        let lane = letter.lane();
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(&letter).map_err(Fault::bug)?);
        let mut nonce = self.nonce;
        nonce[23] ^= ordinal;
        let sealed = self
            .vault
            .seal(&Place::letter(user_id, id), nonce, &plain)?;
        notices::insert(
            tx,
            &Notice {
                id,
                user_id,
                kind: kind.to_owned(),
                state: state::QUEUED.to_owned(),
                sealed_letter: Some(sealed),
                tries: 0,
                next_try_at: self.now,
                leased_until: Time::from_micros(0),
                created_at: self.now,
                expires_at: self.now.plus_seconds(i64::from(seconds)),
                ended_at: None,
                lane: lane.as_str().to_owned(),
            },
        )
    }
}

/// Returns the bytes of the network that limits count by.
pub fn network(source: Source) -> Vec<u8> {
    match source.network() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
