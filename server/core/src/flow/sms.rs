//! Text messages: to which numbers they may be sent, and how many.

use crate::factor::sms::{Phone, prefix};
use crate::flow::act::{DAY, HOUR};
use crate::flow::{Act, MailCause};
use crate::model::factor::Factor;
use crate::model::kinds::{FactorKind, FactorState};
use crate::model::{Refusal, Result, UserId};
use crate::store::Tx;
use crate::store::limits::{self, Limit};

/// Whether an SMS can be sent to this number: its country is in `sms_countries`.
pub fn can_send(act: &Act, number: Option<&str>) -> bool {
    number.is_some_and(|number| Phone::parse(number, &act.settings.sms_countries).is_ok())
}

/// Returns the number of a proved SMS factor, if there is one. A factor that is on comes first.
pub fn phone_on(factors: &[Factor]) -> Option<String> {
    let of = |state: FactorState| {
        let texts = |factor: &&Factor| factor.kind == FactorKind::Sms && factor.state == state;
        factors.iter().find(texts)
    };
    of(FactorState::On)
        .or_else(|| of(FactorState::Ready))
        .and_then(|factor| factor.target.clone())
}

/// A limit, and what it counts by: an account or a keyed hash.
enum Counter {
    OfUser(Limit),
    Of([u8; 32], Limit),
}

/// The names of the limits for one kind of text messages.
struct Names {
    account: &'static str,
    number_hour: &'static str,
    number_day: &'static str,
    prefix: &'static str,
    server: &'static str,
    alarm: &'static str,
}

/// The limits of sign-ins, to a number that the account proved.
const OF_OWNERS: Names = Names {
    account: "sms_day",
    number_hour: "sms_owner_hour",
    number_day: "sms_owner_day",
    prefix: "sms_prefix_hour",
    server: "sms_server_day",
    alarm: "sms_server_alarm",
};

/// The limits of challenges that open sessions begin, to the same numbers. They are separate, so that a
/// stolen session cannot use up what its owner needs to sign in. The limits of the number range and the
/// server are common to both.
const OF_SESSIONS: Names = Names {
    account: "sms_day_sessions",
    number_hour: "sms_sessions_hour",
    number_day: "sms_sessions_day",
    ..OF_OWNERS
};

/// The limits of the second step before a new password, to the same numbers. With half of the limits of the
/// number range and the server, so that they use up nothing that sign-ins need.
const OF_RESETS: Names = Names {
    account: "sms_day_resets",
    number_hour: "sms_resets_hour",
    number_day: "sms_resets_day",
    ..OF_STRANGERS
};

/// The limits of all other messages.
const OF_STRANGERS: Names = Names {
    account: "sms_day",
    number_hour: "sms_number_hour",
    number_day: "sms_number_day",
    prefix: "sms_prefix_hour_strangers",
    server: "sms_server_day_strangers",
    alarm: "sms_server_alarm_strangers",
};

/// Whether the message goes to a number that the account proved.
const fn proved(whose: MailCause) -> bool {
    match whose {
        MailCause::Owner | MailCause::Session | MailCause::Reset => true,
        MailCause::SetUp | MailCause::NewAddress | MailCause::Stranger => false,
    }
}

const fn names(whose: MailCause) -> &'static Names {
    match whose {
        MailCause::Owner => &OF_OWNERS,
        MailCause::Session => &OF_SESSIONS,
        MailCause::Reset => &OF_RESETS,
        MailCause::SetUp | MailCause::NewAddress | MailCause::Stranger => &OF_STRANGERS,
    }
}

impl Act {
    /// Counts a text message to this number, after [`Act::judge_sms`]: by number, by number range, by
    /// account, and for the whole server.
    ///
    /// # Errors
    /// Refuses if another call used a limit up since it was checked.
    pub fn count_sms(
        &self,
        tx: &mut Tx,
        user_id: UserId,
        number: &str,
        whose: MailCause,
    ) -> Result<()> {
        for counter in self.sms_limits(user_id, number, whose) {
            let wait = match counter {
                Counter::OfUser(limit) => limits::take_of_user(tx, user_id, limit, self.now)?,
                Counter::Of(subject, limit) => limits::take(tx, &subject, limit, self.now)?,
            };
            if let Some(retry_after) = wait {
                return self.refuse_limited(tx, user_id, Refusal::TooManyMfaSms { retry_after });
            }
        }
        self.warn_of_sms(tx, whose)
    }

    /// Checks that a text message may be sent to this number, without counting one.
    ///
    /// # Errors
    /// Refuses if a limit is used up, and if the number's country is not allowed.
    pub fn judge_sms(
        &self,
        tx: &mut Tx,
        user_id: UserId,
        number: &str,
        whose: MailCause,
    ) -> Result<()> {
        // The list of countries may have become shorter since the number was proved.
        if !can_send(self, Some(number)) {
            return Err(Refusal::MfaMethodUnavailable.into());
        }
        let wait = self.sms_wait(tx, user_id, number, whose)?;
        if wait > 0 {
            let refusal = Refusal::TooManyMfaSms { retry_after: wait };
            return self.refuse_limited(tx, user_id, refusal);
        }
        Ok(())
    }

    /// Returns the seconds until this number may be sent a text message again; 0 if it may be now.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn sms_wait(
        &self,
        tx: &mut Tx,
        user_id: UserId,
        number: &str,
        whose: MailCause,
    ) -> Result<u32> {
        let mut longest = 0;
        for counter in self.sms_limits(user_id, number, whose) {
            let wait = match counter {
                Counter::OfUser(limit) => limits::wait_of_user(tx, user_id, limit, self.now)?,
                Counter::Of(subject, limit) => limits::wait_of(tx, &subject, limit, self.now)?,
            };
            longest = longest.max(wait.unwrap_or(0));
        }
        Ok(longest)
    }

    /// Returns what a message counts by. Users who have not proved the number share separate counts, with
    /// half of the limits of the range and the server. So they use up nothing that sign-ins have. With one
    /// common count they could, since its windows overlap.
    fn sms_limits(&self, user_id: UserId, number: &str, whose: MailCause) -> Vec<Counter> {
        let policy = self.policy();
        let names = names(whose);
        let hash = |text: &str| self.vault.keyed_hash("sms", &[text.as_bytes()]);
        let limit = |name, most, window_seconds| Limit {
            name,
            most,
            window_seconds,
        };
        let of_number = |subject, times: u32| {
            let hour = policy.sms_per_number_hour.saturating_mul(times);
            let day = policy.sms_per_number_day.saturating_mul(times);
            [
                Counter::Of(subject, limit(names.number_hour, hour, HOUR)),
                Counter::Of(subject, limit(names.number_day, day, DAY)),
            ]
        };
        let prefix_most = whose.share(policy.sms_per_prefix_hour);
        let mut counters = vec![
            Counter::OfUser(limit(names.account, policy.sms_per_account_day, DAY)),
            Counter::Of(hash(prefix(number)), limit(names.prefix, prefix_most, HOUR)),
            Counter::Of(
                hash("server"),
                limit(names.server, whose.share(policy.sms_per_day), DAY),
            ),
        ];
        if proved(whose) {
            let user = user_id.uuid();
            let own = [user.as_bytes().as_slice(), number.as_bytes()];
            counters.extend(of_number(self.vault.keyed_hash("sms", &own), 1));
            // Many accounts may have proved one phone. This common limit keeps them from using up what all
            // sign-ins share.
            counters.extend(of_number(hash(number), 2));
        } else {
            counters.extend(of_number(hash(number), 1));
        }
        counters
    }

    /// Warns if more than 80 % of the day's text messages are used.
    fn warn_of_sms(&self, tx: &mut Tx, whose: MailCause) -> Result<()> {
        let most = whose.share(self.policy().sms_per_day);
        let alarm = Limit {
            name: names(whose).alarm,
            most: most.saturating_mul(4) / 5,
            window_seconds: DAY,
        };
        let server = self.vault.keyed_hash("sms", &[b"server"]);
        if limits::take(tx, &server, alarm, self.now)?.is_some() {
            tracing::warn!(
                most,
                set_ups = !proved(whose),
                "more than 80 % of this day's text messages are used"
            );
        }
        Ok(())
    }
}
