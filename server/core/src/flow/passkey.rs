//! Passkeys: the options of ceremonies, and signing in with a passkey alone.

use serde_json::Value;
use uuid::Uuid;

use crate::app::Ctx;
use crate::factor::passkey::{
    CEREMONY_SECONDS, Judgement, Key, NamedAnswer, PasskeyUse, Passkeys, RelyingParty, identify,
};
use crate::factor::{AnswerRequest, Method};
use crate::flow::act::network;
use crate::flow::answer::tell_of_copy;
use crate::flow::login::lift_stops;
use crate::flow::{Act, Question, challenge, session};
use crate::model::audit::Event;
use crate::model::factor::Factor;
use crate::model::ids::Id;
use crate::model::kinds::{FactorKind, FactorState, Purpose};
use crate::model::passkey::Ceremony;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Proof;
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{CeremonyId, Refusal, Result, Secret, UserId};
use crate::outcome::{PasskeyChallenge, SessionTokens};
use crate::store::limits::Limit;
use crate::store::{Tx, factors, passkeys, users};
use crate::vault;

/// A challenge that a passkey is to answer.
pub struct Options {
    /// The challenge's reference.
    pub mfa_token: Secret<String>,
    /// The purpose it must have: sign-in, unless the API says otherwise. The second step before a new
    /// password counts as one.
    pub purpose: Purpose,
    /// The address that the call came from.
    pub source: Source,
}

/// Asks for a passkey of the user, and switches the challenge to it. Returns the options that the browser
/// passes to `navigator.credentials.get` as `publicKey`. Each call replaces the options of the call before.
///
/// # Errors
/// Refuses a challenge that is over, and a method that is not on or is locked.
pub async fn options(ctx: &Ctx, command: Options) -> Result<Value> {
    let act = Act::begin(ctx, command.source);
    let question = match command.purpose {
        Purpose::Login => challenge::find_without_session(ctx, &act, &command.mfa_token).await?,
        purpose => challenge::find(ctx, &act, &command.mfa_token, Some(purpose)).await?,
    };
    question.judge_tries(&act)?;
    question.judge_method(FactorKind::Passkey)?;
    let asked = AnswerRequest {
        settings: &act.settings,
        purpose: question.challenge.purpose,
        now: act.now,
        ends: question.challenge.expires_at,
        factors: &question.factors,
    };
    let begun = Passkeys.ask(&asked)?.ok_or(Refusal::MfaMethodNotEnabled)?;
    let state = begun.state;
    ctx.write(move |tx| wait(tx, &act, &question, &state))
        .await?;
    Ok(begun.options)
}

fn wait(tx: &mut Tx, act: &Act, question: &Question, state: &str) -> Result<()> {
    let (user_id, method) = (question.user.id, FactorKind::Passkey);
    if factors::attempts(tx, user_id, method)?.locked(act.policy()) {
        return act.refuse_limited(tx, user_id, Refusal::MfaMethodLocked);
    }
    if !passkeys::await_answer(tx, &question.challenge, state, act.now)? {
        return Err(Refusal::MfaTokenInvalid.into());
    }
    if question.challenge.kind != method.into() {
        let word = Some(method.as_str());
        act.audit(tx, user_id, Event::MethodSwitched, word)?;
    }
    Ok(())
}

/// Asks for any passkey of this domain. The options are the same for everybody.
///
/// # Errors
/// Refuses if the server does not offer passkeys, and a network that asks too often.
pub async fn begin(ctx: &Ctx, source: Source) -> Result<PasskeyChallenge> {
    let act = Act::begin(ctx, source);
    let begun =
        RelyingParty::of(&act.settings, Refusal::MfaMethodUnavailable)?.begin_discoverable()?;
    let (id, secret): (CeremonyId, _) = (ctx.chance.id(act.now), ctx.chance.secret());
    let ceremony = Ceremony {
        id,
        secret_hash: vault::digest(secret.expose()).to_vec(),
        state: begun.state,
        created_at: act.now,
        expires_at: act.now.plus_seconds(i64::from(CEREMONY_SECONDS)),
    };
    ctx.write(move |tx| {
        count(tx, &act)?;
        passkeys::begin(tx, &ceremony)
    })
    .await?;
    let nobody: UserId = Id::new(Uuid::nil());
    Ok(PasskeyChallenge {
        passkey_token: Reference::new(nobody, id, secret).print(ReferenceKind::Ceremony),
        options: begun.options,
    })
}

/// Counts this sign-in against its network. Anybody can begin one, and each adds a row for a while.
fn count(tx: &mut Tx, act: &Act) -> Result<()> {
    if !act.counts() {
        return Ok(());
    }
    let network = network(act.source);
    let subject = act.vault.keyed_hash("passkey source", &[&network]);
    let limit = Limit {
        name: "passkey_sign_ins",
        most: act.policy().passkey_sign_ins_per_source,
        window_seconds: 3600,
    };
    match act.take(tx, &subject, limit)? {
        None => Ok(()),
        Some(retry_after) => act.refuse_limited(
            tx,
            act.of_network(),
            Refusal::TooManyRequests { retry_after },
        ),
    }
}

/// A sign-in and the passkey's answer.
pub struct SignIn {
    /// The reference of the sign-in.
    pub passkey_token: Secret<String>,
    /// The passkey's answer.
    pub credential: Value,
    /// The address that the call came from.
    pub source: Source,
}

/// The passkey that an answer names, and its user.
struct KeyOwner {
    user: User,
    factor: Factor,
}

/// Judges the answer of a passkey alone. This is proof enough, since the passkey verified its user.
///
/// Wrong answers are not counted. There is nothing to guess, and somebody who knows a user's id must not be
/// able to lock their passkeys.
///
/// # Errors
/// Refuses a sign-in that is over, and everything else that is wrong, all with the same answer.
pub async fn sign_in(ctx: &Ctx, command: SignIn) -> Result<SessionTokens> {
    let act = Act::begin(ctx, command.source);
    let token = command.passkey_token.expose();
    let reference =
        Reference::parse(ReferenceKind::Ceremony, token).ok_or(Refusal::MfaTokenInvalid)?;
    let digest = vault::digest(reference.secret.expose());
    let taken = ctx.write(move |tx| passkeys::take(tx, reference.row(), &digest));
    let (state, expires_at) = taken.await?.ok_or(Refusal::MfaTokenInvalid)?;
    if expires_at.left_of(CEREMONY_SECONDS, act.now) == 0 {
        return Err(Refusal::MfaTokenExpired.into());
    }
    let (answer, user_id, credential_id) = identify(command.credential).ok_or(REFUSED)?;
    let claimed = ctx
        .read(move |tx| claimed(tx, user_id, &credential_id))
        .await?
        .ok_or(REFUSED)?;
    let judged = judge(&act, &claimed, &state, &answer)?;
    let draft = session::Draft::new(ctx, &act);
    let opened = {
        let (act, draft) = (act.clone(), draft.clone());
        let user = claimed.user;
        ctx.write(move |tx| open(tx, &act, &draft, &user, &judged))
            .await
    };
    // A refusal may have queued a notice.
    draft.sign(&act, &opened.inspect_err(|_| ctx.nudge_courier())?)
}

/// The refusal of an answer. Each sign-in has one try only.
const REFUSED: Refusal = Refusal::PasskeyRefused {
    attempts_remaining: 0,
};

fn claimed(tx: &mut Tx, user_id: UserId, credential_id: &[u8]) -> Result<Option<KeyOwner>> {
    let Some(known) = passkeys::owner(tx, credential_id)?.filter(|known| known.user_id == user_id)
    else {
        return Ok(None);
    };
    let Some(user) = users::find(tx, user_id)?.filter(User::active) else {
        return Ok(None);
    };
    let on = |factor: &Factor| factor.id == known.factor_id && factor.state == FactorState::On;
    let factor = factors::of_user(tx, user_id)?.into_iter().find(on);
    Ok(factor.map(|factor| KeyOwner { user, factor }))
}

fn judge(
    act: &Act,
    claimed: &KeyOwner,
    state: &str,
    answer: &NamedAnswer,
) -> Result<Judgement<PasskeyUse>> {
    let key = Key::read(claimed.factor.clone())?;
    RelyingParty::of(&act.settings, REFUSED)?.finish_discoverable(key, state, answer)
}

fn open(
    tx: &mut Tx,
    act: &Act,
    draft: &session::Draft,
    user: &User,
    judged: &Judgement<PasskeyUse>,
) -> Result<session::UnsignedSession> {
    users::lock(tx, user.id)?;
    let user = users::find(tx, user.id)?
        .filter(User::active)
        .ok_or(REFUSED)?;
    let word = Some(FactorKind::Passkey.as_str());
    let used = match judged {
        Judgement::Right(used) => used,
        Judgement::Wrong => {
            act.audit(tx, user.id, Event::CodeWrong, word)?;
            return Err(REFUSED.into());
        }
        Judgement::RolledBack => return rolled_back(tx, act, &user),
    };
    if !passkeys::keep_use(tx, &used.factor, &used.credential, used.sign_count, act.now)? {
        return rolled_back(tx, act, &user);
    }
    factors::reset_attempts(tx, user.id, FactorKind::Passkey)?;
    let factors = factors::of_user(tx, user.id)?;
    lift_stops(tx, act, user.id)?;
    draft.open(tx, act, user, &factors, Proof::Passkey)
}

fn rolled_back<T>(tx: &mut Tx, act: &Act, user: &User) -> Result<T> {
    let word = Some(FactorKind::Passkey.as_str());
    act.audit(tx, user.id, Event::PasskeyRolledBack, word)?;
    tell_of_copy(tx, act, user)?;
    Err(REFUSED.into())
}
