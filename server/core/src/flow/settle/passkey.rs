//! Answers a challenge with a passkey. The state of the ceremony is taken together with the try, so that no
//! answer is judged twice. The answer is judged outside any write, and a second write stores its counter and
//! goes on.

use serde_json::Value;

use crate::app::Ctx;
use crate::factor::passkey::{Judged, Key, Registered, RelyingParty, Used, in_time};
use crate::flow::Act;
use crate::flow::challenge::Seen;
use crate::flow::settle::{Reserved, Settled};
use crate::model::audit::Event;
use crate::model::factor::Factor;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::notice::Message;
use crate::model::passkey::Credential;
use crate::model::user::User;
use crate::model::{Refusal, Result};
use crate::store::{Tx, passkeys};

/// What a passkey's answer proved.
#[derive(Clone)]
enum Proved {
    /// A new passkey, for the factor that is set up.
    Made(Box<Factor>, Registered),
    /// A passkey that is on.
    Used(Box<Used>),
}

/// Judges a passkey's answer to a challenge. `before` and `then` are as in `settle`.
///
/// # Errors
/// Refuses a wrong answer, a used one, and one without a try left. A try that was taken stays taken.
pub(super) async fn by_passkey<T, B, F>(
    ctx: &Ctx,
    act: &Act,
    seen: Seen,
    answer: Value,
    candidates: Vec<Factor>,
    before: B,
    then: F,
) -> Result<T>
where
    T: Send + 'static,
    B: Fn(&mut Tx, &Act, &Seen) -> Result<()> + Clone + Send + 'static,
    F: Fn(&mut Tx, &Act, &Seen, &Settled) -> Result<T> + Send + 'static,
{
    let method = FactorKind::Passkey;
    let as_it_stands = Refusal::PasskeyRefused {
        attempts_remaining: seen.challenge.attempts_remaining(act.policy()),
    };
    let Some(state) = seen
        .challenge
        .ceremony
        .clone()
        .filter(|state| seen.challenge.kind == method && in_time(state, act.now))
    else {
        // No ceremony waits: none was begun, or it was answered, or it has expired. There is nothing to
        // guess.
        seen.judge_tries(act)?;
        return Err(as_it_stands.into());
    };
    let party = RelyingParty::of(&act.settings, as_it_stands)?;
    let reserved = {
        let (act, seen, before) = (act.clone(), seen.clone(), before.clone());
        ctx.write(move |tx| {
            before(tx, &act, &seen)?;
            let reserved = seen.reserve(tx, &act, method)?;
            if passkeys::take_of_challenge(tx, &seen.challenge)? {
                return Ok(reserved);
            }
            seen.refused(tx, &act, Event::CodeReused, &reserved)
        })
        .await?
    };
    let judged = judge(&party, &seen, candidates, &state, answer)?;
    let act = act.clone();
    ctx.write(move |tx| {
        before(tx, &act, &seen)?;
        let event = match &judged {
            Judged::Right(proved) => match keep(tx, &act, proved)? {
                None => {
                    let settled = Settled {
                        method,
                        remaining: None,
                    };
                    return seen.used_up(tx, &act, settled, &then);
                }
                Some(event) => event,
            },
            Judged::Wrong => Event::CodeWrong,
            Judged::RolledBack => Event::PasskeyRolledBack,
        };
        if event == Event::PasskeyRolledBack {
            tell_of_copy(tx, &act, &seen.user)?;
        }
        seen.refused(tx, &act, event, &reserved)
    })
    .await
}

fn judge(
    party: &RelyingParty,
    seen: &Seen,
    mut candidates: Vec<Factor>,
    state: &str,
    answer: Value,
) -> Result<Judged<Proved>> {
    if seen.challenge.purpose == Purpose::Setup {
        let Some(pending) = candidates.pop() else {
            return Ok(Judged::Wrong);
        };
        let judged = party.finish_registration(state, answer)?;
        return Ok(judged.map(|made| Proved::Made(Box::new(pending), made)));
    }
    let keys = Key::read_all(candidates)?;
    let judged = party.finish_assertion(seen.user.id, keys, state, answer)?;
    Ok(judged.map(|used| Proved::Used(Box::new(used))))
}

/// Stores what an answer proved. Returns the event to record if this is no longer possible.
fn keep(tx: &mut Tx, act: &Act, proved: &Proved) -> Result<Option<Event>> {
    match proved {
        Proved::Made(factor, made) => {
            let credential = Credential {
                credential_id: made.credential_id.clone(),
                user_id: factor.user_id,
                factor_id: factor.id,
            };
            // Refuses an id that another factor has already, of any user. Ids are all that tells passkeys
            // apart.
            let ours = passkeys::claim(tx, &credential)?
                && passkeys::fill(tx, factor, &made.credential, made.sign_count)?;
            Ok((!ours).then_some(Event::CodeReused))
        }
        Proved::Used(used) => {
            let kept =
                passkeys::keep_use(tx, &used.factor, &used.credential, used.sign_count, act.now)?;
            Ok((!kept).then_some(Event::PasskeyRolledBack))
        }
    }
}

/// Queues a notice that the passkey may have been copied.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn tell_of_copy(tx: &mut Tx, act: &Act, user: &User) -> Result<()> {
    act.notify(tx, user, Message::PasskeyRolledBack)
}

impl Seen {
    /// Records a refused passkey, and refuses.
    fn refused<T>(&self, tx: &mut Tx, act: &Act, event: Event, reserved: &Reserved) -> Result<T> {
        self.failed(tx, act, FactorKind::Passkey, event, reserved)?;
        let attempts_remaining = reserved.attempts_remaining;
        Err(Refusal::PasskeyRefused { attempts_remaining }.into())
    }
}
