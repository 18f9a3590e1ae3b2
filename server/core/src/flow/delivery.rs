//! Where a challenge's code goes: its channel, its receiver, and the limits of both.

use crate::factor;
use crate::factor::sent_code::Sending;
use crate::flow::{Act, MailCause, sms};
use crate::model::Result;
use crate::model::challenge::Challenge;
use crate::model::kinds::{AnswerKind, Purpose};
use crate::model::notice::{Channel, Message};
use crate::model::user::User;
use crate::store::{Tx, challenges};

/// Where the code of a challenge goes.
pub struct Delivery<'a> {
    /// How it is sent.
    pub channel: Channel,
    user: &'a User,
    to: &'a str,
    whose: MailCause,
}

impl<'a> Delivery<'a> {
    /// Returns where a code of this method goes; `None` if it has none that are sent, or none can be sent to this
    /// phone.
    pub fn of(
        act: &Act,
        method: AnswerKind,
        purpose: Purpose,
        user: &'a User,
        phone: Option<&'a str>,
    ) -> Option<Self> {
        let channel = factor::channel(method)?;
        let to = match channel {
            Channel::Mail => user.email.as_str(),
            Channel::Text => phone.filter(|number| sms::can_send(act, Some(number)))?,
        };
        Some(Self {
            channel,
            user,
            to,
            whose: MailCause::of(purpose),
        })
    }

    /// Checks that a code may be sent, before anything changes, and counts it for the network and the server.
    /// If the limits of the account or the number refuse it, it does not count for the network either.
    ///
    /// # Errors
    /// Refuses if a limit of the account, the number, the network or the server is used up.
    pub fn judge(&self, tx: &mut Tx, act: &Act) -> Result<()> {
        let user_id = self.user.id;
        match self.channel {
            Channel::Text => {
                act.judge_sms(tx, user_id, self.to, self.whose)?;
                act.count_mail_call(tx, user_id, self.whose)
            }
            Channel::Mail => {
                act.judge_code_mail(tx, user_id, self.whose)?;
                act.count_mail_call(tx, user_id, self.whose)?;
                // If the server's limit of mails refuses it, it does not count for the account.
                act.count_mail(tx, self.whose)
            }
        }
    }

    /// Counts a code for the account and the number, after [`Self::judge`].
    ///
    /// # Errors
    /// Refuses if another call used a limit up meanwhile.
    pub fn count(&self, tx: &mut Tx, act: &Act) -> Result<()> {
        match self.channel {
            Channel::Text => act.count_sms(tx, self.user.id, self.to, self.whose),
            Channel::Mail => act.count_code_mail(tx, self.user.id, self.whose),
        }
    }

    /// Whether no code may be sent now.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn is_used_up(&self, tx: &mut Tx, act: &Act) -> Result<bool> {
        let (user_id, whose) = (self.user.id, self.whose);
        let of_account = match self.channel {
            Channel::Mail => act.code_mails_used_up(tx, user_id, whose)?,
            Channel::Text => act.sms_wait(tx, user_id, self.to, whose)? > 0,
        };
        Ok(of_account
            || act.mail_calls_used_up(tx, whose)?
            || act.has_no_room(tx, whose, self.channel)?)
    }

    /// Whether a link goes with the code: only in mails, and not for named acts.
    pub fn has_link(&self, purpose: Purpose) -> bool {
        self.channel == Channel::Mail && purpose != Purpose::Action
    }

    /// Queues the message with a challenge's code.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer or the letter cannot be sealed.
    pub fn post(
        &self,
        tx: &mut Tx,
        act: &Act,
        challenge: &Challenge,
        sending: &Sending,
    ) -> Result<()> {
        let link = match self.has_link(challenge.purpose) {
            true => {
                challenges::drop_other_links(tx, challenge)?;
                let url = &act.settings.public_url;
                let token = sending.token(self.user.id);
                Some(format!("{url}/magic-link#{}", token.expose()))
            }
            false => None,
        };
        let seconds = act.policy().code_seconds(self.channel);
        let message = message(act, challenge, sending, seconds / 60, link);
        act.post(tx, self.user.id, self.to, message, seconds)
    }
}

/// Returns what the message says. The code works for `minutes`.
fn message(
    act: &Act,
    challenge: &Challenge,
    sending: &Sending,
    minutes: u32,
    link: Option<String>,
) -> Message {
    let code = sending.code.expose().clone();
    let link_minutes = act.policy().magic_link_seconds / 60;
    macro_rules! with_link {
        ($name:ident) => {
            Message::$name {
                code,
                minutes,
                link,
                link_minutes,
            }
        };
    }
    match challenge.purpose {
        Purpose::Setup => with_link!(SetupCode),
        Purpose::Login => with_link!(LoginCode),
        Purpose::Disable => with_link!(DisableCode),
        Purpose::StepUp => with_link!(StepUpCode),
        Purpose::PasswordReset => with_link!(ResetStepCode),
        Purpose::Action => Message::ActionCode {
            code,
            minutes,
            action: challenge.action.clone().unwrap_or_default(),
        },
    }
}
