//! Who may still cause a mail or a text message: the limits of a network, of an account, and of the whole server.

use crate::flow::act::{Act, DAY, HOUR, network};
use crate::model::kinds::Purpose;
use crate::model::notice::Channel;
use crate::model::{Refusal, Result, UserId};
use crate::store::limits::{self, Limit};
use crate::store::{Tx, notices};

/// Who causes a mail or a text message. Each kind has limits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailCause {
    /// A user who signs in and typed the right password. The message goes to an address or a phone they
    /// proved.
    Owner,
    /// A user in an open session, with the same receivers. The session may be stolen.
    Session,
    /// A user who sets a method up. Accounts cost nothing, and the phone may be somebody else's.
    SetUp,
    /// Somebody who asks for a new password, before and after the mailbox was proved.
    Reset,
    /// A user who asks for a new address. The mailbox may be somebody else's.
    NewAddress,
    /// Somebody who has proved nothing.
    Stranger,
}

impl MailCause {
    /// Returns who causes the code of a challenge with this purpose.
    pub const fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Setup => Self::SetUp,
            Purpose::Login => Self::Owner,
            Purpose::Disable | Purpose::StepUp | Purpose::Action => Self::Session,
            Purpose::PasswordReset => Self::Reset,
        }
    }

    /// Returns how much of a common limit they may use: set-ups, resets, new addresses and strangers only half.
    pub const fn share(self, all: u32) -> u32 {
        match self {
            Self::Owner | Self::Session => all,
            Self::SetUp | Self::Reset | Self::NewAddress | Self::Stranger => all.div_ceil(2),
        }
    }

    const fn of_source(self) -> &'static str {
        match self {
            Self::Owner | Self::Session => "mail_calls",
            Self::SetUp => "mail_calls_set_ups",
            Self::Reset => "mail_calls_resets",
            Self::NewAddress => "mail_calls_new_addresses",
            Self::Stranger => "mail_calls_strangers",
        }
    }
}

impl Act {
    /// Counts a call that causes mail or SMS against its network, and checks that the courier's queue has
    /// room. Set-ups, new addresses and strangers each have a separate count, and half of the queue, so that they
    /// cannot use up what sign-ins need.
    ///
    /// # Errors
    /// Refuses if the queue or the limit is full.
    pub fn count_mail_call(&self, tx: &mut Tx, user_id: UserId, whose: MailCause) -> Result<()> {
        let most = whose.share(self.policy().courier_queue);
        if notices::queued(tx)? >= i64::from(most) {
            return Err(Refusal::Busy { retry_after: 60 }.into());
        }
        if self.counts() {
            let (subject, limit) = self.mail_calls(whose);
            if let Some(retry_after) = self.take(tx, &subject, limit)? {
                // A stranger's id is new in each call, so recording by it would write a row per call.
                let whom = match whose {
                    MailCause::Owner
                    | MailCause::Session
                    | MailCause::SetUp
                    | MailCause::NewAddress => user_id,
                    MailCause::Reset | MailCause::Stranger => self.of_network(),
                };
                return self.refuse_limited(tx, whom, Refusal::TooManyRequests { retry_after });
            }
        }
        Ok(())
    }

    /// Checks that this network may cause mail, before slow work is done for it.
    ///
    /// # Errors
    /// Refuses if the limit is used up.
    pub fn judge_mail_call(&self, tx: &mut Tx, whose: MailCause) -> Result<()> {
        let Some(retry_after) = self.mail_call_wait(tx, whose)? else {
            return Ok(());
        };
        let (subject, limit) = self.mail_calls(whose);
        let standing = limits::standing_of(tx, &subject, limit, self.now)?;
        self.ledger.keep(standing);
        Err(Refusal::TooManyRequests { retry_after }.into())
    }

    /// Whether this network has used up its mails and text messages for now.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn mail_calls_used_up(&self, tx: &mut Tx, whose: MailCause) -> Result<bool> {
        Ok(self.mail_call_wait(tx, whose)?.is_some())
    }

    /// Whether the courier's queue is full, or, for mail, the server's limit of this hour is used up.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn has_no_room(&self, tx: &mut Tx, whose: MailCause, channel: Channel) -> Result<bool> {
        if notices::queued(tx)? >= i64::from(whose.share(self.policy().courier_queue)) {
            return Ok(true);
        }
        let all = self.policy().mails_per_hour;
        if all == 0 || channel != Channel::Mail {
            return Ok(false);
        }
        let limit = Limit {
            name: "mails",
            most: all,
            window_seconds: HOUR,
        };
        Ok(limits::wait_of(tx, b"server", limit, self.now)?.is_some())
    }

    fn mail_call_wait(&self, tx: &mut Tx, whose: MailCause) -> Result<Option<u32>> {
        if !self.counts() {
            return Ok(None);
        }
        let (subject, limit) = self.mail_calls(whose);
        limits::wait_of(tx, &subject, limit, self.now)
    }

    /// Returns the key and the limit that the calls of a network count by.
    fn mail_calls(&self, whose: MailCause) -> ([u8; 32], Limit) {
        let network = network(self.source);
        let limit = Limit {
            name: whose.of_source(),
            most: self.policy().mail_calls_per_source,
            window_seconds: HOUR,
        };
        (self.vault.keyed_hash("mail source", &[&network]), limit)
    }

    /// Counts a mail against the limit of the whole server, if there is one, and warns at 80 % of it.
    ///
    /// # Errors
    /// Refuses as busy if the limit is used up.
    pub fn count_mail(&self, tx: &mut Tx, whose: MailCause) -> Result<()> {
        let all = self.policy().mails_per_hour;
        if all == 0 {
            return Ok(());
        }
        let limit = |name, most| Limit {
            name,
            most,
            window_seconds: HOUR,
        };
        // A mail of a stranger, a reset, a new address or a set-up counts against their half and against the whole.
        let shares: &[Limit] = match whose {
            MailCause::Owner | MailCause::Session => &[limit("mails", all)],
            MailCause::SetUp | MailCause::Reset | MailCause::NewAddress | MailCause::Stranger => &[
                limit("mails_strangers", whose.share(all)),
                limit("mails", all),
            ],
        };
        for share in shares {
            if let Some(retry_after) = limits::take(tx, b"server", *share, self.now)? {
                return Err(Refusal::Busy { retry_after }.into());
            }
        }
        let alarm = limit("mails_alarm", all.saturating_mul(4) / 5);
        if limits::take(tx, b"server", alarm, self.now)?.is_some() {
            tracing::warn!(most = all, "more than 80 % of this hour's mails are used");
        }
        Ok(())
    }

    /// Returns an account's limits of mailed codes. Open sessions, new passwords and new addresses have separate
    /// counts, so that none of them uses up what the owner needs to sign in.
    fn code_mail_limits(&self, whose: MailCause) -> [Limit; 2] {
        let (hour, day) = match whose {
            MailCause::Session => ("code_mails_hour_sessions", "code_mails_day_sessions"),
            MailCause::Reset => ("code_mails_hour_resets", "code_mails_day_resets"),
            MailCause::NewAddress => (
                "code_mails_hour_new_addresses",
                "code_mails_day_new_addresses",
            ),
            MailCause::Owner | MailCause::SetUp | MailCause::Stranger => {
                ("code_mails_hour", "code_mails_day")
            }
        };
        [
            Limit {
                name: hour,
                most: self.policy().code_mails_per_hour,
                window_seconds: HOUR,
            },
            Limit {
                name: day,
                most: self.policy().code_mails_per_day,
                window_seconds: DAY,
            },
        ]
    }

    /// Counts a mailed code against its account.
    ///
    /// # Errors
    /// Refuses if a limit is used up.
    pub fn count_code_mail(&self, tx: &mut Tx, user_id: UserId, whose: MailCause) -> Result<()> {
        for limit in self.code_mail_limits(whose) {
            if let Some(retry_after) = self.take_of_user(tx, user_id, limit)? {
                return self.refuse_limited(tx, user_id, Refusal::TooManyMfaEmails { retry_after });
            }
        }
        Ok(())
    }

    /// Counts a request for a new address against its account.
    ///
    /// # Errors
    /// Refuses if a limit is used up.
    pub fn count_new_address(&self, tx: &mut Tx, user_id: UserId) -> Result<()> {
        for limit in self.code_mail_limits(MailCause::NewAddress) {
            if let Some(retry_after) = self.take_of_user(tx, user_id, limit)? {
                return self.refuse_limited(tx, user_id, Refusal::TooManyRequests { retry_after });
            }
        }
        Ok(())
    }

    /// Checks that the account may be sent a code, without counting one.
    ///
    /// # Errors
    /// Refuses if a limit is used up.
    pub fn judge_code_mail(&self, tx: &mut Tx, user_id: UserId, whose: MailCause) -> Result<()> {
        for limit in self.code_mail_limits(whose) {
            if let Some(retry_after) = limits::wait_of_user(tx, user_id, limit, self.now)? {
                let standing = limits::standing_of_user(tx, user_id, limit, self.now)?;
                self.ledger.keep(standing);
                return self.refuse_limited(tx, user_id, Refusal::TooManyMfaEmails { retry_after });
            }
        }
        Ok(())
    }

    /// Whether the account has used up its mailed codes for this, for now.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn code_mails_used_up(
        &self,
        tx: &mut Tx,
        user_id: UserId,
        whose: MailCause,
    ) -> Result<bool> {
        for limit in self.code_mail_limits(whose) {
            if limits::wait_of_user(tx, user_id, limit, self.now)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the seconds until the account may be sent a code again; at least 1.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn code_mail_wait(&self, tx: &mut Tx, user_id: UserId, whose: MailCause) -> Result<u32> {
        let mut longest = 1;
        for limit in self.code_mail_limits(whose) {
            let wait = limits::wait_of_user(tx, user_id, limit, self.now)?;
            longest = longest.max(wait.unwrap_or(0));
        }
        Ok(longest)
    }

    /// Takes one of an address's mails of this budget, and one of the server's mails. Returns `false` if the
    /// address has none left.
    ///
    /// # Errors
    /// Refuses as busy if the server has none left. Nothing is counted for the address then, and nothing may be
    /// written before it.
    pub fn take_mail_to(
        &self,
        tx: &mut Tx,
        address: &str,
        budget: Limit,
        whose: MailCause,
    ) -> Result<bool> {
        let subject = self.vault.keyed_hash("mail address", &[address.as_bytes()]);
        if limits::wait_of(tx, &subject, budget, self.now)?.is_some() {
            return Ok(false);
        }
        self.count_mail(tx, whose)?;
        Ok(limits::take(tx, &subject, budget, self.now)?.is_none())
    }
}
