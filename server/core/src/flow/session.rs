//! Sessions: the one place that begins them, the tokens that are signed for them, and how they end.

use uuid::Uuid;

use crate::app::Ctx;
use crate::flow::{Act, Question, demand};
use crate::model::audit::{AuditEvent, Event};
use crate::model::demand::Demand;
use crate::model::factor::Factor;
use crate::model::ids::{Id, RefreshRow, UserRow};
use crate::model::kinds::{AnswerKind, FactorKind};
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::{Caller, Proof, RefreshToken, Session};
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{Fault, RefreshId, Result, Secret, SessionId, Time, UserId};
use crate::outcome::{Person, SessionTokens, SessionView};
use crate::store::{Entry, Tx, sessions};
use crate::vault::{self, AccessClaims};

mod caller;
mod pending;
mod refresh;
mod sender;
mod validate;

pub use caller::authenticate;
pub(super) use caller::read as read_caller;
pub use pending::{as_bearer, is_pending, pending};
pub use refresh::refresh;
pub use sender::{Sender, leave, overview};
pub use validate::{Validate, Validator, validate};

/// The client that our own access tokens are issued to (`client_id`, RFC 9068 §2.2).
const CLIENT: &str = "countersign";

/// The ids and random bytes for the tokens of a session, drawn before the write.
#[derive(Clone)]
pub struct Draft {
    session_id: SessionId,
    refresh_id: RefreshId,
    refresh_secret: Secret<[u8; 32]>,
    token_id: Uuid,
}

/// A session that was written. Its tokens are signed after the commit.
pub struct UnsignedSession {
    user: User,
    session: Session,
    demanded: Demand,
}

/// A session that is about to be written, with what is written beside it.
struct SessionRows {
    opened: UnsignedSession,
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
        factors: &[Factor],
        proof: Proof,
    ) -> Result<UnsignedSession> {
        let demanded = demand::of(tx, &user, factors)?;
        let rows = self.rows(act, user, demanded, proof)?;
        act.log(&rows.event);
        sessions::begin(tx, &rows.opened.session, &rows.token, &rows.event)?;
        Ok(rows.opened)
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
        right: RightCode<'_>,
    ) -> Result<Option<UnsignedSession>> {
        let RightCode {
            question,
            factor,
            step,
        } = right;
        let proof = Proof::PasswordAnd(factor.kind.into());
        let (user, demanded) = (question.user.clone(), question.demanded.clone());
        let rows = self.rows(act, user, demanded, proof)?;
        let event = rows.event.clone();
        let entry = Entry {
            challenge: question.challenge.clone(),
            tries: act.policy().tries_per_challenge,
            counter: question.attempts,
            factor: factor.clone(),
            step,
            session: rows.opened.session.clone(),
            token: rows.token,
            event: rows.event,
        };
        let entered = ctx.store.enter(entry).await?;
        if entered {
            act.log(&event);
        }
        Ok(entered.then_some(rows.opened))
    }

    /// Judges the proof, and makes the rows of the session.
    fn rows(&self, act: &Act, user: User, demanded: Demand, proof: Proof) -> Result<SessionRows> {
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
            opened: UnsignedSession {
                user,
                session,
                demanded,
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
    pub fn sign(&self, act: &Act, opened: &UnsignedSession) -> Result<SessionTokens> {
        let access = access_token(act, &opened.session, self.token_id)?;
        let refresh = Reference::new(opened.user.id, self.refresh_id, self.refresh_secret.clone());
        Ok(SessionTokens {
            access_token: access.token,
            refresh_token: refresh.print(ReferenceKind::Refresh),
            expires_in: access.expires_at.seconds_after(act.now),
            issued_at: act.now,
            expires_at: access.expires_at,
            token_id: self.token_id,
            person: Person::new(&opened.user, opened.demanded.clone()),
            recovery_codes_remaining: None,
        })
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
pub fn access_token(act: &Act, session: &Session, token_id: Uuid) -> Result<AccessToken> {
    let policy = act.policy();
    let expires_at = session
        .expires_at
        .min(act.now.plus_seconds(i64::from(policy.access_token_seconds)));
    let claims = AccessClaims {
        iss: act.settings.issuer(),
        aud: act.settings.issuer(),
        sub: print_id("user", session.user_id),
        client_id: CLIENT.to_owned(),
        iat: act.now.seconds(),
        nbf: None,
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

/// Returns the caller as they may see themselves, with their session.
pub fn view(caller: &Caller) -> (Person, SessionView) {
    (Person::of(caller), SessionView::from(&caller.session))
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
