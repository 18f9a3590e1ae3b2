//! Lists the methods of the caller's own account.

use crate::app::Ctx;
use crate::model::Result;
use crate::model::factor::starting;
use crate::model::kinds::{CodeSetKind, FactorState};
use crate::model::session::Caller;
use crate::outcome::{MethodList, MethodView};
use crate::store::{code_sets, factors};

/// Returns the proved factors, and how many recovery codes are left.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn list(ctx: &Ctx, caller: Caller) -> Result<MethodList> {
    let user_id = caller.user.id;
    ctx.read(move |tx| {
        let mut all = factors::of_user(tx, user_id)?;
        // A factor that is only being set up is not a method yet, and may never become one.
        all.retain(|factor| factor.state != FactorState::Pending);
        // If the owner chose none, sign-in still starts with one of them.
        let first = starting(&all).map(|factor| factor.id);
        for factor in &mut all {
            factor.is_primary = Some(factor.id) == first;
        }
        let codes = code_sets::live(tx, user_id, CodeSetKind::Recovery)?;
        Ok(MethodList {
            factors: all.into_iter().map(MethodView::from).collect(),
            recovery_codes_remaining: code_sets::remaining(tx, user_id, CodeSetKind::Recovery)?,
            recovery_codes_made_at: codes.map(|set| set.created_at),
            demanded: caller.demanded(),
            enforced: caller.enforced,
        })
    })
    .await
}
