//! Text messages: who may be sent one, and how many (P-26).

use crate::factor::sms::{Phone, prefix};
use crate::flow::act::{DAY, HOUR};
use crate::flow::{Act, MailOf};
use crate::model::{Refusal, Result, UserId};
use crate::store::Tx;
use crate::store::limits::{self, Limit};

/// Reads the number that an SMS factor is to be set up for.
///
/// # Errors
/// Refuses while no country is allowed, and numbers that messages are not sent to.
pub fn phone(act: &Act, text: &str) -> Result<Phone> {
    judge_on(act)?;
    Phone::parse(text, &act.settings.sms_countries)
        .map_err(|flaw| Refusal::field("phoneNumber", flaw.sentence()).into())
}

/// Judges whether there are text messages at all (P-26: no country, none).
///
/// # Errors
/// Refuses when there are none.
fn judge_on(act: &Act) -> Result<()> {
    match act.settings.sms_countries.is_empty() {
        true => Err(Refusal::MfaMethodUnavailable.into()),
        false => Ok(()),
    }
}

/// Whether an SMS can be sent to this number: there are text messages, and its country is allowed.
pub fn can_send(act: &Act, number: Option<&str>) -> bool {
    number.is_some_and(|number| Phone::parse(number, &act.settings.sms_countries).is_ok())
}

/// A limit, and what it counts by: an account, or a keyed hash.
enum Counter {
    OfUser(Limit),
    Of([u8; 32], Limit),
}

impl Act {
    /// Judges whether a text message may be sent to this number, and counts it: by number, by the
    /// range the number is from, by account, and over the whole server (P-26). Nothing is counted
    /// where one of them is used up.
    ///
    /// # Errors
    /// Refuses past any of them, and while there are no text messages.
    pub fn count_sms(&self, tx: &mut Tx, user_id: UserId, number: &str) -> Result<()> {
        self.judge_sms(tx, user_id, number)?;
        for counter in self.sms_limits(number) {
            let wait = match counter {
                Counter::OfUser(limit) => limits::take_of_user(tx, user_id, limit, self.now)?,
                Counter::Of(subject, limit) => limits::take(tx, &subject, limit, self.now)?,
            };
            if let Some(retry_after) = wait {
                // Taken by somebody else since it was judged.
                return self.refuse_limited(tx, user_id, Refusal::TooManyMfaSms { retry_after });
            }
        }
        self.warn_of_sms(tx)
    }

    /// Judges whether a text message may be sent to this number, without counting one (P-26).
    ///
    /// # Errors
    /// As [`Act::count_sms`].
    pub fn judge_sms(&self, tx: &mut Tx, user_id: UserId, number: &str) -> Result<()> {
        // The list may have become shorter since the number was proved.
        if !can_send(self, Some(number)) {
            return Err(Refusal::MfaMethodUnavailable.into());
        }
        let wait = self.sms_wait(tx, user_id, number)?;
        if wait > 0 {
            let refusal = Refusal::TooManyMfaSms { retry_after: wait };
            return self.refuse_limited(tx, user_id, refusal);
        }
        Ok(())
    }

    /// Seconds until this number may be sent a text message again, by its limits; 0 for now.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub fn sms_wait(&self, tx: &mut Tx, user_id: UserId, number: &str) -> Result<u32> {
        let mut longest = 0;
        for counter in self.sms_limits(number) {
            let wait = match counter {
                Counter::OfUser(limit) => limits::wait_of_user(tx, user_id, limit, self.now)?,
                Counter::Of(subject, limit) => limits::wait_of(tx, &subject, limit, self.now)?,
            };
            longest = longest.max(wait.unwrap_or(0));
        }
        Ok(longest)
    }

    /// Counts a call that sends a text message against its source, as one that sends mail (P-25), and
    /// makes sure the courier's queue has room (P-48).
    ///
    /// # Errors
    /// Refuses past either.
    pub fn count_sms_call(&self, tx: &mut Tx, user_id: UserId) -> Result<()> {
        self.count_mail_call(tx, user_id, MailOf::Owner)
    }

    fn sms_limits(&self, number: &str) -> [Counter; 5] {
        let policy = self.policy();
        let hash = |text: &str| self.vault.keyed_hash("sms", &[text.as_bytes()]);
        let limit = |name, most, window_seconds| Limit {
            name,
            most,
            window_seconds,
        };
        [
            Counter::OfUser(limit("sms_day", policy.sms_per_account_day, DAY)),
            Counter::Of(
                hash(number),
                limit("sms_number_hour", policy.sms_per_number_hour, HOUR),
            ),
            Counter::Of(
                hash(number),
                limit("sms_number_day", policy.sms_per_number_day, DAY),
            ),
            Counter::Of(
                hash(prefix(number)),
                limit("sms_prefix_hour", policy.sms_per_prefix_hour, HOUR),
            ),
            Counter::Of(
                hash("server"),
                limit("sms_server_day", policy.sms_per_day, DAY),
            ),
        ]
    }

    /// Warns when more than 80 % of the day's text messages are used.
    fn warn_of_sms(&self, tx: &mut Tx) -> Result<()> {
        let most = self.policy().sms_per_day;
        let alarm = Limit {
            name: "sms_server_alarm",
            most: most.saturating_mul(4) / 5,
            window_seconds: DAY,
        };
        let server = self.vault.keyed_hash("sms", &[b"server"]);
        if limits::take(tx, &server, alarm, self.now)?.is_some() {
            tracing::warn!(
                most,
                "more than 80 % of this day's text messages are used (P-26)"
            );
        }
        Ok(())
    }
}
