//! Setting up a factor: a signed-in user begins it, and it is on only once it is proved.

use crate::app::Ctx;
use crate::factor::{self, Preparation};
use crate::flow::challenge::{self, Opening};
use crate::flow::recovery::{self, SetDraft};
use crate::flow::target::{self, Target, TargetAccount};
use crate::flow::{Act, fresh, password};
use crate::model::audit::Event;
use crate::model::challenge::Challenge;
use crate::model::factor::{Factor, kinds_on};
use crate::model::kinds::{CodeSetKind, FactorKind, FactorState, Purpose};
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{FactorId, Refusal, Result, Secret, SessionId, Time, UserId};
use crate::outcome::{PendingSetup, Person};
use crate::store::{Tx, challenges, code_sets, factors};

mod prove;

pub use prove::{By, Verify, verify};

/// How the caller confirms that it is really them, beside their session.
#[derive(Clone)]
pub enum Confirm {
    /// With the password, typed again.
    Password(Secret<String>),
    /// With nothing else, for APIs whose pages do not ask for the password.
    Session,
}

impl Confirm {
    /// Checks that the session has fresh proof. A password sent along is compared later.
    fn judge(&self, act: &Act, caller: &Caller) -> Result<()> {
        match self {
            Self::Password(_) => fresh::judge_beside_password(act, caller),
            Self::Session => fresh::judge(act, caller),
        }
    }

    const fn is_password(&self) -> bool {
        matches!(self, Self::Password(_))
    }
}

/// What to set up, for whom, and how it is confirmed.
pub struct Begin {
    /// The signed-in user.
    pub caller: Caller,
    /// The account that gets the factor.
    pub target: Target,
    /// The method.
    pub method: FactorKind,
    /// How the caller confirms that it is really them.
    pub confirm: Confirm,
    /// The factor's name. With a new name, it is added to others of its method.
    pub name: Option<String>,
    /// The phone number for SMS, as typed.
    pub phone: Option<String>,
    /// The codes that stand in for it once it is proved. Recovery codes are made only if none count yet.
    pub codes: Option<CodeSetKind>,
    /// Whether it replaces the factors of its method that are on, once it is proved.
    pub replace: bool,
    /// The address that the call came from.
    pub source: Source,
}

/// Begins to set up a method. If this session already has a set-up of the same method under way, that one
/// ends.
///
/// # Errors
/// Refuses a method that is already on, a wrong password, and a session without fresh proof: a second step if
/// sign-in asks for one, otherwise the password, typed now or recently (NIST SP 800-63B-4 §4.1.2).
pub async fn begin(ctx: &Ctx, command: Begin) -> Result<PendingSetup> {
    let act = Act::begin(ctx, command.source);
    let caller = command.caller.clone();
    if command.target == Target::Own {
        judge_new(&command, &caller.factors)?;
    }
    command.confirm.judge(&act, &caller)?;
    let account = target::find(ctx, &caller, command.target).await?;
    if account.actor.is_some() {
        fresh::judge_for_others(&act, &caller)?;
    }
    judge_new(&command, &account.factors)?;
    let draft = challenge::Draft::new(ctx, &act);
    let (factor, prepared) = prepare(ctx, &act, &command, &account)?;
    let codes = draft_codes(ctx, &act, &command, &account.user).await?;
    let printed = codes.as_ref().map(|set| set.printed.clone());
    let person = Person::new(&account.user, account.demanded());
    let user_id = account.user.id;
    let set_up = NewSetUp {
        caller,
        target: command.target,
        typed: command.confirm.is_password(),
        user: account.user,
        factor,
        replace: command.replace,
        ceremony: prepared.ceremony,
        codes,
        draft: draft.clone(),
    };
    let expires_at = set_up.store(ctx, &act, command.confirm).await?;
    ctx.nudge_courier();
    Ok(PendingSetup {
        mfa_token: draft.token(user_id),
        needs: prepared.needs,
        codes: printed.unwrap_or_default(),
        expires_at,
        person,
    })
}

/// Checks that a factor of this method may be added: it must be the first, replace others, or have a name of
/// its own.
fn judge_new(command: &Begin, standing: &[Factor]) -> Result<()> {
    let method = command.method;
    if command.replace || !kinds_on(standing).contains(&method) {
        return Ok(());
    }
    let several = factor::of(method).may_be_several();
    let proved = |factor: &&Factor| factor.kind == method && factor.state != FactorState::Pending;
    let named_so = standing
        .iter()
        .filter(proved)
        .any(|factor| factor.name == command.name);
    if several && command.name.is_some() && !named_so {
        return Ok(());
    }
    Err(Refusal::MfaAlreadyEnabled.into())
}

/// Makes the new factor, and what its owner needs to prove it.
fn prepare(
    ctx: &Ctx,
    act: &Act,
    command: &Begin,
    account: &TargetAccount,
) -> Result<(Factor, Preparation)> {
    let id: FactorId = ctx.chance.id(act.now);
    let user = &account.user;
    let mut factor = Factor {
        name: command.name.clone(),
        ..Factor::pending(user.id, id, command.method, act.now)
    };
    let set_up = factor::SetUp {
        chance: &ctx.chance,
        vault: &act.vault,
        settings: &act.settings,
        now: act.now,
        user,
        standing: &account.factors,
        phone: command.phone.as_deref(),
    };
    let prepared = factor::of(command.method).prepare(&set_up, &mut factor)?;
    Ok((factor, prepared))
}

async fn draft_codes(
    ctx: &Ctx,
    act: &Act,
    command: &Begin,
    user: &User,
) -> Result<Option<SetDraft>> {
    let Some(kind) = command.codes else {
        return Ok(None);
    };
    let user_id = user.id;
    let stands = match kind {
        CodeSetKind::Recovery => {
            let live = ctx.read(move |tx| code_sets::live(tx, user_id, kind));
            live.await?.is_some()
        }
        CodeSetKind::Scratch => false,
    };
    if stands {
        return Ok(None);
    }
    let asks = command.caller.user.id;
    recovery::draft(ctx, act, asks, kind).await.map(Some)
}

/// What the write that begins a set-up needs.
struct NewSetUp {
    caller: Caller,
    target: Target,
    /// Whether the password was typed for it.
    typed: bool,
    user: User,
    factor: Factor,
    replace: bool,
    ceremony: Option<String>,
    codes: Option<SetDraft>,
    draft: challenge::Draft,
}

impl NewSetUp {
    /// Writes it, once the caller is confirmed. Returns when it expires.
    async fn store(self, ctx: &Ctx, act: &Act, confirm: Confirm) -> Result<Time> {
        match confirm {
            Confirm::Password(password) => {
                let user = self.caller.user.clone();
                let begin = move |tx: &mut Tx, act: &Act| self.write(tx, act);
                password::confirmed(ctx, act, &user, password, begin).await
            }
            Confirm::Session => {
                let act = act.clone();
                ctx.write(move |tx| self.write(tx, &act)).await
            }
        }
    }

    fn write(&self, tx: &mut Tx, act: &Act) -> Result<Time> {
        let caller = fresh::hold(tx, act, &self.caller)?;
        let own = self.user.id == caller.user.id;
        match own && self.typed && !caller.factor_on() {
            // Fresh proof of now lasts until the set-up ends.
            true => fresh::keep_password(tx, act, &caller)?,
            false => fresh::judge(act, &caller)?,
        }
        let actor = target::lock(tx, act, &caller, self.target)?.actor;
        // Whoever administers an organisation may reset a member's methods, not choose one.
        if actor.is_some() {
            fresh::judge_administrator(act, &caller)?;
        }
        let (user_id, method) = (self.user.id, self.factor.kind);
        let opening = Opening {
            factor_id: Some(self.factor.id),
            // A set-up that an administrator begins for another user is not bound to a session.
            session_id: own.then_some(caller.session.id),
            phone: self.factor.target.clone(),
            action: self.replace.then(|| REPLACES.to_owned()),
            ceremony: self.ceremony.clone(),
            ..Opening::new(
                Purpose::Setup,
                method.into(),
                act.policy().enrolment_seconds,
            )
        };
        // This comes first. A refusal to send commits what was written before it, and the set-up under way
        // must stay.
        let expires_at = self.draft.open(tx, act, &self.user, &opening)?.expires_at;
        drop_unfinished(tx, act, user_id, method, opening.session_id)?;
        factors::insert(tx, &self.factor)?;
        if let Some(codes) = &self.codes {
            codes.insert(tx, user_id, Some(self.factor.id), false)?;
        }
        act.audit_by(tx, user_id, actor, Event::SetupBegun, Some(method.as_str()))?;
        Ok(expires_at)
    }
}

/// Deletes factors of this method that were never proved: those that this session began, and those whose
/// set-up is over. Factors that other sessions are setting up stay, so that no session can keep another from
/// it.
fn drop_unfinished(
    tx: &mut Tx,
    act: &Act,
    user_id: UserId,
    kind: FactorKind,
    session: Option<SessionId>,
) -> Result<()> {
    let live = challenges::live(tx, user_id, act.now)?;
    let elsewhere = |factor: &Factor| {
        let about = |one: &Challenge| one.factor_id == Some(factor.id) && one.session_id != session;
        live.iter().any(about)
    };
    let standing = factors::of_user(tx, user_id)?;
    let unfinished = standing
        .iter()
        .filter(|factor| factor.kind == kind && factor.state == FactorState::Pending);
    for factor in unfinished.filter(|factor| !elsewhere(factor)) {
        factors::delete_one(tx, user_id, factor.id)?;
    }
    Ok(())
}

/// Marks the challenge of a set-up whose factor replaces the others of its method.
const REPLACES: &str = "replace";
