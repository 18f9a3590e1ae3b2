//! Validates a token for another service.

use crate::app::Ctx;
use crate::flow::session::{authenticate, view};
use crate::model::kinds::Scope;
use crate::model::session::Caller;
use crate::model::{Error, Refusal, Result, Secret};
use crate::outcome::{TokenFlaw, TokenJudgement};

/// Who wants to know whether a token is valid.
pub enum Validator {
    /// A service with an API key that has the scope `tokens:validate`, and the bearer that it sent beside the
    /// key, if any.
    Key(Option<Secret<String>>),
    /// A signed-in user, who may ask about their own token only.
    User(Box<Caller>),
}

/// The token to validate.
pub struct Validate {
    /// Who asks.
    pub by: Validator,
    /// The token. Without it, the bearer is meant.
    pub token: Option<Secret<String>>,
}

/// Checks a token for another service. The bearer itself must be valid, but a token that was sent apart may be
/// flawed: that is an outcome, not an error.
///
/// # Errors
/// Refuses a bad bearer, a service that sends no token at all, and a user who asks about another token than
/// their own.
pub async fn validate(ctx: &Ctx, command: Validate) -> Result<TokenJudgement> {
    match (command.by, command.token) {
        (Validator::Key(_), Some(token)) => judge(authenticate(ctx, token.expose()).await),
        (Validator::Key(Some(bearer)), None) => {
            Ok(valid(&authenticate(ctx, bearer.expose()).await?))
        }
        (Validator::Key(None), None) => {
            Err(Refusal::field("token", "Send the token to validate.").into())
        }
        (Validator::User(_), Some(_)) => {
            let scope = Scope::TokensValidate;
            Err(Refusal::InsufficientScope { scope }.into())
        }
        (Validator::User(caller), None) => Ok(valid(&caller)),
    }
}

fn judge(found: Result<Caller>) -> Result<TokenJudgement> {
    match found {
        Ok(caller) => Ok(valid(&caller)),
        Err(Error::Refused(Refusal::TokenExpired)) => {
            Ok(TokenJudgement::Flawed(TokenFlaw::Expired))
        }
        Err(Error::Refused(Refusal::TokenInvalid { .. })) => {
            Ok(TokenJudgement::Flawed(TokenFlaw::Invalid))
        }
        Err(error) => Err(error),
    }
}

fn valid(caller: &Caller) -> TokenJudgement {
    let (person, session) = view(caller);
    TokenJudgement::Valid {
        person: Box::new(person),
        session,
    }
}
