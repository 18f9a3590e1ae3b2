//! Senders of a bearer, on operations that also accept a sign-in that waits for its second step.

use crate::app::Ctx;
use crate::flow::session::{logout, pending, view};
use crate::model::Result;
use crate::model::factor::Factor;
use crate::model::kinds::{FactorKind, FactorState};
use crate::model::session::{Caller, Pending};
use crate::model::source::Source;
use crate::outcome::{MfaOverview, Person};

/// Who sent a bearer.
pub enum Sender {
    /// A signed-in user.
    Caller(Box<Caller>),
    /// A sign-in that waits for its second step.
    Pending(Box<Pending>),
}

/// Returns the sender as they may see themselves, with their methods.
pub fn overview(sender: &Sender) -> MfaOverview {
    match sender {
        Sender::Caller(caller) => MfaOverview {
            person: view(caller).0,
            proved: proved(&caller.factors),
            enforced: caller.enforced,
            signed_in: true,
        },
        Sender::Pending(pending) => MfaOverview {
            person: Person::new(&pending.user, pending.demanded.clone()),
            proved: proved(&pending.factors),
            enforced: pending.enforced,
            signed_in: false,
        },
    }
}

fn proved(factors: &[Factor]) -> Vec<FactorKind> {
    let proved = factors
        .iter()
        .filter(|factor| factor.state != FactorState::Pending);
    proved.map(|factor| factor.kind).collect()
}

/// Ends the sender's session, or their sign-in without finishing it.
///
/// # Errors
/// Refuses a sign-in that was ended or finished meanwhile.
pub async fn leave(ctx: &Ctx, sender: Sender, source: Source) -> Result<()> {
    match sender {
        Sender::Caller(caller) => logout(ctx, *caller, source).await,
        Sender::Pending(waiting) => pending::abandon(ctx, *waiting, source).await,
    }
}
