//! Mailed links: opening one shows the code for the device that asked, and approves nothing (P-27).

use crate::app::Ctx;
use crate::factor::sent_code::Sending;
use crate::flow::{Act, challenge};
use crate::model::audit::Event;
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::source::Source;
use crate::model::{Refusal, Result, Secret};
use crate::outcome::LinkOpened;
use crate::store::challenges;

/// Uses a link up, and shows the code that went with it, and when and from where it was asked for.
/// Who holds the challenge's reference finishes with the code; the link's opener finishes nothing.
///
/// # Errors
/// Refuses a link that is unknown, used, replaced or past its time.
pub async fn open(ctx: &Ctx, token: Secret<String>, source: Source) -> Result<LinkOpened> {
    let act = Act::begin(ctx, source);
    let seen = challenge::look_by_link(ctx, &act, &token).await?;
    let reference = Reference::parse_pasted(ReferenceKind::MagicLink, token.expose())
        .ok_or(Refusal::MfaTokenInvalid)?;
    let digits = act.policy().code_digits;
    let sending = Sending::new(&act.vault, seen.challenge.id, reference.secret, digits);
    let opened = LinkOpened {
        code: sending.code,
        purpose: seen.challenge.purpose,
        asked_at: seen
            .challenge
            .last_sent_at
            .unwrap_or(seen.challenge.created_at),
        asked_from: seen.challenge.source.clone(),
    };
    ctx.write(move |tx| {
        if !challenges::open_link(tx, &seen.challenge, act.now)? {
            return Err(Refusal::MfaTokenInvalid.into());
        }
        let word = Some(seen.challenge.purpose.as_str());
        act.audit(tx, seen.user.id, Event::LinkOpened, word)
    })
    .await?;
    Ok(opened)
}
