//! Mailed links: opening one shows the code to type on the device that asked. It approves nothing.

use crate::app::Ctx;
use crate::factor::sent_code::Sending;
use crate::flow::{Act, challenge};
use crate::model::audit::Event;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::source::Source;
use crate::model::{Refusal, Result, Secret, Time};
use crate::outcome::LinkView;
use crate::store::challenges;

/// Seconds after an opening in which opening the link again writes nothing. A person or a mail scanner may
/// open it often.
const SAME_OPENING: u32 = 60;

/// Shows the code that goes with a link, and when and from where it was asked for. A live link can be opened
/// as often as needed: on another device, or after a reload. The client that holds the challenge's reference
/// finishes with the code. Opening the link finishes nothing.
///
/// # Errors
/// Refuses a link that is unknown, replaced or expired, and one whose challenge is over.
pub async fn open(ctx: &Ctx, token: Secret<String>, source: Source) -> Result<LinkView> {
    let act = Act::begin(ctx, source);
    let link = Reference::parse_pasted(ReferenceKind::MagicLink, token.expose())
        .ok_or(Refusal::MfaTokenInvalid)?;
    let question = challenge::find_by_link(ctx, &act, &link).await?;
    let digits = act.policy().code_digits;
    let sending = Sending::new(&act.vault, question.challenge.id, link.secret, digits);
    let opened = LinkView {
        code: sending.code,
        purpose: question.challenge.purpose,
        asked_at: question
            .challenge
            .last_sent_at
            .unwrap_or(question.challenge.created_at),
        asked_from: question.challenge.source.clone(),
    };
    let opened_at = question.challenge.opened_at;
    let ends = |at: Time| at.plus_seconds(i64::from(SAME_OPENING));
    if opened_at.is_some_and(|at| ends(at).left_of(SAME_OPENING, act.now) > 0) {
        return Ok(opened);
    }
    ctx.write(move |tx| {
        if !challenges::open_link(tx, &question.challenge, act.now)? {
            return Err(Refusal::MfaTokenInvalid.into());
        }
        let word = Some(question.challenge.purpose.as_str());
        act.audit(tx, question.user.id, Event::LinkOpened, word)
    })
    .await?;
    Ok(opened)
}
