//! Sessions: the one place that begins them, and how they are refreshed, checked and ended.

use uuid::Uuid;

use crate::app::Ctx;
use crate::flow::{Act, Question, demand};
use crate::model::audit::{AuditEvent, Event};
use crate::model::factor::{Factor, kinds_on};
use crate::model::ids::{Id, RefreshRow, SessionRow, UserRow};
use crate::model::kinds::{AnswerKind, FactorKind};
use crate::model::notice::Message;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::{Again, Caller, Proof, RefreshToken, Session};
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{Error, Fault, RefreshId, Refusal, Result, Secret, SessionId, Time, UserId};
use crate::outcome::{Person, SessionView, SignedIn};
use crate::store::{Entry, Tx, factors, sessions, users};
use crate::vault::{self, AccessClaims};

mod pending;
mod sender;
mod validate;

pub use pending::{as_bearer, is_pending, pending};
pub use sender::{Sender, leave, overview};
pub use validate::{Validate, Validator, validate};

/// The client that our own access tokens are issued to (`client_id`, RFC 9068 §2.2).
const CLIENT: &str = "countersign";
/// A session's last use is written once a minute, not once a call.
const TOUCH_SECONDS: i64 = 60;

/// The ids and random bytes for the tokens of a session, drawn before the write.
#[derive(Clone)]
pub struct Draft {
    session_id: SessionId,
    refresh_id: RefreshId,
    refresh_secret: Secret<[u8; 32]>,
    token_id: Uuid,
}

/// A session that was written. Its tokens are signed after the commit.
pub struct OpenSession {
    user: User,
    factors: Vec<Factor>,
    session: Session,
    asked: bool,
}

/// A session that is about to be written, with what is written beside it.
struct SessionRows {
    opened: OpenSession,
    token: RefreshToken,
    event: AuditEvent,
}

/// A right code of an authenticator app.
pub struct RightCode<'a> {
    /// The challenge that it answers.
    pub question: &'a Question,
    /// The authenticator, which must be on.
    pub factor: &'a Factor,
    /// The time step of the code.
    pub step: i64,
}

impl Draft {
    /// Draws the random bytes for one session or one exchange.
    pub fn new(ctx: &Ctx, act: &Act) -> Self {
        Self {
            session_id: ctx.chance.id(act.now),
            refresh_id: ctx.chance.id(act.now),
            refresh_secret: ctx.chance.secret(),
            token_id: ctx.chance.id::<()>(act.now).uuid(),
        }
    }

    /// Begins a session: **the one place** where proofs and policy turn into one. Every way of signing in
    /// comes through here, so none can leave out the second factor.
    ///
    /// # Errors
    /// Returns a fault if a factor is on and was not proved. A flow that gets here without it is wrong, and
    /// no token is issued.
    pub fn open(
        &self,
        tx: &mut Tx,
        act: &Act,
        user: User,
        factors: Vec<Factor>,
        proof: Proof,
    ) -> Result<OpenSession> {
        let demanded = demand::methods(tx, &user, &factors)?;
        let begun = self.begun(act, user, factors, &demanded, proof)?;
        act.log(&begun.event);
        sessions::begin(tx, &begun.opened.session, &begun.token, &begun.event)?;
        Ok(begun.opened)
    }

    /// Begins the session of a right code of an authenticator, in the write that uses the code up. Returns
    /// `None`, with nothing changed, if anything is against it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn enter(
        &self,
        ctx: &Ctx,
        act: &Act,
        found: RightCode<'_>,
    ) -> Result<Option<OpenSession>> {
        let RightCode {
            question,
            factor,
            step,
        } = found;
        let proof = Proof::PasswordAnd(factor.kind.into());
        let (user, factors) = (question.user.clone(), question.factors.clone());
        let begun = self.begun(act, user, factors, &question.demanded, proof)?;
        let event = begun.event.clone();
        let entry = Entry {
            challenge: question.challenge.clone(),
            tries: act.policy().tries_per_challenge,
            counter: question.attempts,
            factor: factor.clone(),
            step,
            session: begun.opened.session.clone(),
            token: begun.token,
            event: begun.event,
        };
        let entered = ctx.store.enter(entry).await?;
        if entered {
            act.log(&event);
        }
        Ok(entered.then_some(begun.opened))
    }

    /// Judges the proof, and makes the rows of the session.
    fn begun(
        &self,
        act: &Act,
        user: User,
        factors: Vec<Factor>,
        demanded: &[FactorKind],
        proof: Proof,
    ) -> Result<SessionRows> {
        let proved = match proof {
            Proof::NewAccount { .. } | Proof::Password => demanded.is_empty(),
            Proof::PasswordAnd(AnswerKind::CodeSet(_)) => !demanded.is_empty(),
            Proof::PasswordAnd(AnswerKind::Method(kind)) => demanded.contains(&kind),
            Proof::Passkey => demanded.contains(&FactorKind::Passkey),
        };
        if !proved || !user.active() {
            return Err(Fault::bug(anyhow::anyhow!("a sign-in that leaves out a factor")).into());
        }
        let session = self.session(act, user.id, proof);
        Ok(SessionRows {
            token: self.refresh_token(act, &session),
            event: act.event(user.id, None, Event::SignedIn, Some(&session.amr)),
            opened: OpenSession {
                asked: !demanded.is_empty(),
                user,
                factors,
                session,
            },
        })
    }

    fn session(&self, act: &Act, user_id: UserId, proof: Proof) -> Session {
        let ends_in = i64::from(act.policy().session_seconds);
        Session {
            user_id,
            id: self.session_id,
            acr: proof.acr(),
            amr: proof.amr().to_owned(),
            auth_time: act.now,
            created_at: act.now,
            last_used_at: act.now,
            expires_at: act.now.plus_seconds(ends_in),
            ended_at: None,
            proved_at: Some(proof.proved_at(act.now)),
            second_step_at: proof.second_step().then_some(act.now),
            source: Some(act.source.to_string()),
            program: act.program.clone(),
        }
    }

    fn refresh_token(&self, act: &Act, session: &Session) -> RefreshToken {
        RefreshToken {
            user_id: session.user_id,
            id: self.refresh_id,
            session_id: session.id,
            secret_hash: vault::digest(self.refresh_secret.expose()).to_vec(),
            created_at: act.now,
            replaced_at: None,
            successor_id: None,
            replaced_from: None,
            repeated_at: None,
        }
    }

    /// Returns the draft of the token that `old` is exchanged for. Its secret is derived from the old secret
    /// and the new id with a key of the server. So it can be given again without being stored, and whoever
    /// has both the old token and the database still lacks the key.
    fn succeeding(&self, act: &Act, old: &Reference, next: RefreshId) -> Self {
        let (user, row) = (old.user::<UserRow>(), old.row::<RefreshRow>());
        let parts: &[&[u8]] = &[
            user.as_bytes(),
            row.as_bytes(),
            next.as_bytes(),
            old.secret.expose(),
        ];
        let secret = act.vault.keyed_hash("refresh successor", parts);
        Self {
            refresh_id: next,
            refresh_secret: Secret::new(secret),
            ..self.clone()
        }
    }

    /// Signs the tokens of a committed session.
    ///
    /// # Errors
    /// Returns a fault if the key ring cannot sign.
    pub fn sign(&self, act: &Act, opened: &OpenSession) -> Result<SignedIn> {
        let access = access_token(act, opened, self.token_id)?;
        let refresh = Reference::new(opened.user.id, self.refresh_id, self.refresh_secret.clone());
        Ok(SignedIn {
            access_token: access.token,
            refresh_token: refresh.print(ReferenceKind::Refresh),
            expires_in: access.expires_at.seconds_after(act.now),
            issued_at: act.now,
            expires_at: access.expires_at,
            token_id: self.token_id,
            person: person(&opened.user, &opened.factors).while_enforced(opened.asked),
            recovery_codes_remaining: None,
        })
    }
}

impl OpenSession {
    /// Wraps an open session, as a step-up has just written it.
    pub const fn of(user: User, factors: Vec<Factor>, session: Session, asked: bool) -> Self {
        Self {
            asked,
            user,
            factors,
            session,
        }
    }

    /// Returns the session.
    pub const fn session(&self) -> &Session {
        &self.session
    }
}

/// An access token, and when it expires.
pub struct AccessToken {
    /// The signed token.
    pub token: Secret<String>,
    /// When it expires: never after its session.
    pub expires_at: Time,
}

/// Signs an access token for an open session.
///
/// # Errors
/// Returns a fault if the key ring cannot sign.
pub fn access_token(act: &Act, opened: &OpenSession, token_id: Uuid) -> Result<AccessToken> {
    let OpenSession { user, session, .. } = opened;
    let policy = act.policy();
    let expires_at = session
        .expires_at
        .min(act.now.plus_seconds(i64::from(policy.access_token_seconds)));
    let claims = AccessClaims {
        iss: act.settings.issuer(),
        aud: act.settings.issuer(),
        sub: print_id("user", user.id),
        client_id: CLIENT.to_owned(),
        iat: act.now.seconds(),
        exp: expires_at.seconds(),
        jti: token_id.to_string(),
        auth_time: session.auth_time.seconds(),
        acr: session.acr.as_str().to_owned(),
        amr: session.amr.split(' ').map(str::to_owned).collect(),
        sid: print_id("session", session.id),
    };
    Ok(AccessToken {
        token: act.vault.sign(&claims)?,
        expires_at,
    })
}

/// Prints an id as clients see it: `user-0192…`.
fn print_id<K>(kind: &str, id: Id<K>) -> String {
    format!("{kind}-{id}")
}

fn read_id<K>(kind: &str, text: &str) -> Option<Id<K>> {
    let uuid = text.strip_prefix(kind)?.strip_prefix('-')?;
    Uuid::try_parse(uuid).ok().map(Id::new)
}

/// Returns a user as clients may see them. The methods do not include what a policy demands.
pub fn person(user: &User, factors: &[Factor]) -> Person {
    Person {
        id: user.id,
        number: user.number,
        email: user.email.clone(),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        role: user.role,
        asked: !kinds_on(factors).is_empty(),
        methods: kinds_on(factors),
        created_at: user.created_at,
        mailbox: user.mailbox,
        description: user.description.clone(),
        organisation: user.organisation_id.zip(user.organisation_role),
    }
}

/// Returns the caller as they may see themselves, with their session.
pub fn view(caller: &Caller) -> (Person, SessionView) {
    let person = person(&caller.user, &caller.factors).while_enforced(caller.enforced);
    (person, SessionView::from(&caller.session))
}

/// Finds the caller of a bearer token. The signature must be right, and the session and the user must be
/// alive in the database now (ASVS 7.4.1 and 8.3.2).
///
/// # Errors
/// Refuses an invalid token, and an expired one.
pub async fn authenticate(ctx: &Ctx, bearer: &str) -> Result<Caller> {
    let now = ctx.now();
    let invalid = Refusal::TokenInvalid { sent: true };
    let claims = ctx.vault.verify(bearer, now).map_err(|flaw| match flaw {
        vault::TokenFlaw::Invalid => invalid.clone(),
        vault::TokenFlaw::Expired => Refusal::TokenExpired,
    })?;
    let user_id = read_id::<UserRow>("user", &claims.sub).ok_or_else(|| invalid.clone())?;
    let session_id =
        read_id::<SessionRow>("session", &claims.sid).ok_or_else(|| invalid.clone())?;
    let settings = ctx.settings.clone();
    let found = ctx
        .read(move |tx| {
            let found = sessions::find_with_user(tx, user_id, session_id)?;
            let (session, user) = found.ok_or_else(|| invalid.clone())?;
            session.judge(&settings.policy, now)?;
            if !user.active() {
                return Err(invalid.clone().into());
            }
            let factors = factors::of_user(tx, user_id)?;
            let enforced = users::enforced(tx, &user)?;
            Ok(Caller {
                user,
                session,
                factors,
                enforced,
            })
        })
        .await;
    let caller = match found {
        Err(Error::Refused(Refusal::TokenExpired)) => {
            // It has expired, so it is ended. It must not come alive again if the clock goes back.
            let ended = ctx.write(move |tx| sessions::end(tx, user_id, session_id, now));
            if let Err(error) = ended.await {
                tracing::warn!(?error, "an expired session could not be ended");
            }
            return Err(Refusal::TokenExpired.into());
        }
        found => found?,
    };
    if caller.session.last_used_at.is_to_come(now) {
        let session = caller.session.without_proof(now);
        let kept = session.clone();
        if let Err(error) = ctx.write(move |tx| sessions::lift(tx, &kept)).await {
            // The caller of this request has no proof in any case. Reading still works when writing does not.
            tracing::warn!(?error, "a proof from the future could not be removed");
        }
        return Ok(Caller { session, ..caller });
    }
    if caller.session.last_used_at.plus_seconds(TOUCH_SECONDS) <= now {
        let touched = ctx
            .write(move |tx| sessions::touch(tx, user_id, session_id, now))
            .await;
        if let Err(error) = touched {
            // The session only seems idle a little longer. Reading still works when writing does not.
            tracing::warn!(?error, "the last use of a session could not be stored");
        }
    }
    Ok(caller)
}

/// Exchanges a refresh token. Each is good for one exchange. If it is sent again within
/// `refresh_reuse_seconds`, it gets the same successor once more. If it is sent later, its session ends,
/// since the token or its successor was stolen.
///
/// # Errors
/// Refuses an invalid, used or expired token.
pub async fn refresh(ctx: &Ctx, token: Secret<String>, source: Source) -> Result<SignedIn> {
    let act = Act::begin(ctx, source);
    let draft = Draft::new(ctx, &act);
    let invalid = Refusal::TokenInvalid { sent: true };
    let reference = Reference::parse(ReferenceKind::Refresh, token.expose()).ok_or(invalid)?;
    let (draft, opened) = {
        let act = act.clone();
        ctx.write(move |tx| exchange(tx, &act, &draft, &reference))
            .await?
    };
    draft.sign(&act, &opened)
}

fn exchange(
    tx: &mut Tx,
    act: &Act,
    draft: &Draft,
    reference: &Reference,
) -> Result<(Draft, OpenSession)> {
    let invalid = || Refusal::TokenInvalid { sent: true };
    let user_id: UserId = reference.user();
    let id: RefreshId = reference.row::<RefreshRow>();
    // A user who is being deleted must not get a new row.
    users::lock(tx, user_id)?;
    let known = sessions::find_refresh(tx, user_id, id)?
        .filter(|kept| vault::same(&vault::digest(reference.secret.expose()), &kept.secret_hash))
        .ok_or_else(invalid)?;
    let session = sessions::find(tx, user_id, known.session_id)?.ok_or_else(invalid)?;
    let user = users::find(tx, user_id)?
        .filter(User::active)
        .ok_or_else(invalid)?;
    judge_open(tx, act, &session)?;
    let from = act.source.network().to_string();
    let next = draft.refresh_id;
    let draft = if sessions::replace_refresh(tx, &known, next, &from, act.now)? {
        let draft = draft.succeeding(act, reference, next);
        sessions::insert_refresh(tx, &draft.refresh_token(act, &session))?;
        draft
    } else {
        let next = again(tx, act, &user, &known, &from)?;
        draft.succeeding(act, reference, next)
    };
    sessions::touch(tx, user_id, session.id, act.now)?;
    let factors = factors::of_user(tx, user_id)?;
    let opened = OpenSession {
        asked: !demand::methods(tx, &user, &factors)?.is_empty(),
        user,
        factors,
        session,
    };
    Ok((draft, opened))
}

/// Checks that a session is open. An expired one is ended here, so that it stays over if the clock goes back.
fn judge_open(tx: &mut Tx, act: &Act, session: &Session) -> Result<()> {
    let judged = session.judge(act.policy(), act.now);
    if let Err(Refusal::TokenExpired) = judged {
        sessions::end(tx, session.user_id, session.id, act.now)?;
    }
    Ok(judged?)
}

/// Returns the id of the token that `known` was exchanged for, if it may be given once more.
fn again(
    tx: &mut Tx,
    act: &Act,
    user: &User,
    known: &RefreshToken,
    from: &str,
) -> Result<RefreshId> {
    let invalid = || Refusal::TokenInvalid { sent: true };
    let successor = match known.successor_id {
        Some(next) => sessions::find_refresh(tx, user.id, next)?,
        None => None,
    };
    let window = act.policy().refresh_reuse_seconds;
    match known.judge_again(successor.as_ref(), from, window, act.now) {
        Again::Same if sessions::repeat_refresh(tx, known, act.now)? => {
            act.audit(tx, user.id, Event::RefreshRepeated, None)?;
            Ok(successor.map(|next| next.id).ok_or_else(invalid)?)
        }
        Again::Same | Again::Enough => Err(invalid().into()),
        Again::Reuse => {
            sessions::end(tx, user.id, known.session_id, act.now)?;
            act.audit(tx, user.id, Event::RefreshReused, None)?;
            act.notify(tx, user, Message::SessionEnded)?;
            Err(invalid().into())
        }
    }
}

/// Ends the caller's session. None of its tokens works from then on (ASVS 7.4.1).
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn logout(ctx: &Ctx, caller: Caller, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    ctx.write(move |tx| {
        if sessions::end(tx, caller.user.id, caller.session.id, act.now)? {
            act.audit(tx, caller.user.id, Event::SignedOut, None)?;
        }
        Ok(())
    })
    .await
}
