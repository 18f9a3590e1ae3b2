//! What a method is. Each method is one file that implements [`Method`], and one row in [`METHODS`].

use crate::chance::Chance;
use crate::config::Settings;
use crate::factor::{Answer, Code, Fit, Verdict, email, passkey, sms, totp};
use crate::model::challenge::Challenge;
use crate::model::factor::Factor;
use crate::model::kinds::{AnswerKind, CodeSetKind, FactorKind, Purpose};
use crate::model::notice::Channel;
use crate::model::policy::Policy;
use crate::model::user::User;
use crate::model::{Refusal, Result, Time};
use crate::outcome::SetupNeeds;
use crate::store::Tx;
use crate::vault::Vault;

/// All methods, in the order of [`FactorKind`].
pub static METHODS: [&dyn Method; FactorKind::ALL.len()] = [
    &totp::AuthenticatorApp,
    &email::Mailbox,
    &sms::Texts,
    &passkey::Passkeys,
];

/// Returns the method of this kind.
pub fn of(kind: FactorKind) -> &'static dyn Method {
    METHODS[kind as usize]
}

/// Returns how the codes of this kind are sent; `None` if they are not.
pub fn channel(kind: impl Into<AnswerKind>) -> Option<Channel> {
    of(kind.into().method()?).channel()
}

/// Whether codes of this kind belong to the method of this factor.
pub fn has_own_codes(factor: &Factor, kind: CodeSetKind) -> bool {
    of(factor.kind).own_codes() == Some(kind)
}

/// A method: how it is set up, and how it proves a person.
pub trait Method: Sync {
    /// Its word.
    fn kind(&self) -> FactorKind;

    /// How its codes are sent; `None` if it sends none.
    fn channel(&self) -> Option<Channel> {
        None
    }

    /// Whether a user may have several factors of it, each with a name of its own.
    fn may_be_several(&self) -> bool {
        false
    }

    /// The kind of code set that belongs to it. The set ends when the user's last factor of this method is removed.
    fn own_codes(&self) -> Option<CodeSetKind> {
        None
    }

    /// The refusal of an answer for a factor whose set-up no longer exists.
    fn gone(&self) -> Refusal {
        Refusal::MfaTokenInvalid
    }

    /// Fills a new factor, and returns what its owner needs to prove it.
    ///
    /// # Errors
    /// Refuses if it cannot be set up for this user, or on this server.
    fn prepare(&self, set_up: &SetUp<'_>, factor: &mut Factor) -> Result<Preparation>;

    /// Begins what a device has to answer, such as a WebAuthn ceremony. `None` if the person only types a code.
    ///
    /// A step-up calls this for every method, a sign-in only for passkeys (`flow/passkey.rs`).
    ///
    /// # Errors
    /// Refuses if none of the factors can answer.
    fn ask(&self, _asked: &AnswerRequest<'_>) -> Result<Option<NewCeremony>> {
        Ok(None)
    }

    /// Prepares what the answer to a challenge is compared with, before the write, so that no secret is unsealed
    /// while others wait for the database's writer.
    ///
    /// # Errors
    /// Returns a fault if a secret cannot be unsealed.
    fn expect(&self, expecting: ComparisonInput<'_>) -> Result<Box<dyn Expectation>>;
}

/// What a factor is set up with.
pub struct SetUp<'a> {
    /// Draws its secrets.
    pub chance: &'a Chance,
    /// Seals them.
    pub vault: &'a Vault,
    /// The settings.
    pub settings: &'a Settings,
    /// When the set-up begins.
    pub now: Time,
    /// The user who gets it.
    pub user: &'a User,
    /// The factors that the user has.
    pub standing: &'a [Factor],
    /// The phone number, as typed.
    pub phone: Option<&'a str>,
}

/// What the owner of a new factor needs to prove it.
pub struct Preparation {
    /// What the person gets.
    pub needs: SetupNeeds,
    /// The state of a WebAuthn ceremony, as JSON.
    pub ceremony: Option<String>,
}

impl Preparation {
    /// What a person needs who only has to type a code.
    pub const fn code(needs: SetupNeeds) -> Self {
        Self {
            needs,
            ceremony: None,
        }
    }
}

/// What [`Method::ask`] gets: what the answer is for, and which factors may give it.
pub struct AnswerRequest<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// What the challenge is for.
    pub purpose: Purpose,
    /// Now.
    pub now: Time,
    /// When the challenge expires.
    pub ends: Time,
    /// The factors that may answer.
    pub factors: &'a [Factor],
}

/// A ceremony that was begun: what a device is asked, and what its answer is judged by.
#[derive(Clone, Debug)]
pub struct NewCeremony {
    /// The options that the browser passes to `create` or `get` as `publicKey` (WebAuthn §5.4, §5.5).
    pub options: serde_json::Value,
    /// The state that the answer is judged with. It stays in the database, and is used once.
    pub state: String,
}

/// What [`Method::expect`] gets: the challenge, and which factors may answer it.
pub struct ComparisonInput<'a> {
    /// Opens secrets.
    pub vault: &'a Vault,
    /// The challenge.
    pub challenge: &'a Challenge,
    /// The factors that may answer it.
    pub candidates: Vec<Factor>,
    /// Whether a code by mail counts although there is no such factor: a policy makes the mailbox a factor, or the
    /// code confirms an act of the account.
    pub by_policy: bool,
}

/// What an answer is compared with.
pub trait Expectation: Send + Sync {
    /// Compares an answer, before the write, so that nobody waits for the database's writer meanwhile.
    fn fit(&self, answer: &Answer, policy: &Policy, now: Time) -> Fit;

    /// Marks a right code as used. Call it only after the try was taken.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    fn accept(&self, tx: &mut Tx, fit: &Fit, now: Time) -> Result<Verdict>;

    /// Returns how many seconds the device's clock is ahead (negative if behind), or `None` if the code is
    /// not right for any time within ten minutes.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    fn clock_offset(&self, _tx: &mut Tx, _code: &Code, _now: Time) -> Result<Option<i32>> {
        Ok(None)
    }

    /// Returns the one authenticator whose code this is, with the code's time step. It is `None` for other
    /// methods, if the code is of several, or if its secret has to be sealed anew: then [`Self::accept`] decides.
    fn only(&self, _fit: &Fit) -> Option<(&Factor, i64)> {
        None
    }
}

/// Nothing is right: only a code that stands in may answer, or a passkey, which is judged apart.
pub struct Nothing;

impl Expectation for Nothing {
    fn fit(&self, _answer: &Answer, _policy: &Policy, _now: Time) -> Fit {
        Fit::none()
    }

    fn accept(&self, _tx: &mut Tx, _fit: &Fit, _now: Time) -> Result<Verdict> {
        Ok(Verdict::Wrong)
    }
}

#[cfg(test)]
mod tests;
