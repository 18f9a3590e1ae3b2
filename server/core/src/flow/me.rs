//! What users do with their own accounts: change password and names, see and end sessions, read what is kept,
//! delete it.

use crate::app::Ctx;
use crate::flow::{Act, List, accounts, api_keys, fresh, password};
use crate::model::audit::Event;
use crate::model::kinds::CodeSetKind;
use crate::model::session::{Caller, Session};
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{AuditId, Error, Refusal, Result, Secret, SessionId, UserId};
use crate::outcome::{
    Activity, ActivityEntry, AddressChange, Counter, Export, LetterRecord, Membership, MethodView,
    OpenSession, Page, Person, SessionRecord, SessionView, StepRecord,
};
use crate::store::{
    Tx, audit, code_sets, email_changes, email_undos, export, factors, organisations,
    password_resets, sessions, users,
};

/// The old password and the new one.
pub struct ChangePassword {
    /// The signed-in user.
    pub caller: Caller,
    /// The password that counts now, as typed.
    pub old: Secret<String>,
    /// The new one.
    pub new: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Changes the password of the caller's own account. Their session stays, all others end.
///
/// # Errors
/// Refuses a session without fresh proof, a wrong old password, and a new one that may not be set.
pub async fn change_password(ctx: &Ctx, command: ChangePassword) -> Result<()> {
    let ChangePassword {
        caller,
        old,
        new,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    fresh::judge_beside_password(&act, &caller)?;
    let named = |error: Error| password::under("newPassword", error);
    password::judge_length(ctx, &new).map_err(named)?;
    let user = caller.user.clone();
    // First, so that nothing is hashed while a wait lasts.
    let checked = password::check(ctx, &act, &user.email, old).await?;
    let words = password::own_words(&user.email, &[&user.first_name, &user.last_name]);
    let hash = password::hash_new(ctx, &act, new, words).await;
    let hash = hash.map_err(named)?;
    password::confirm(ctx, &act, checked, move |tx, act| {
        let caller = fresh::proved_beside_password(tx, act, &caller)?;
        password::set(tx, act, &caller.user, &hash, Some(caller.session.id), None)?;
        fresh::keep_password(tx, act, &caller)
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}

/// The names to change. What is `None` stays; an empty one goes.
pub struct Rename {
    /// The signed-in user.
    pub caller: Caller,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Changes the names of the caller's own account.
///
/// # Errors
/// Refuses a session that has ended.
pub async fn rename(ctx: &Ctx, command: Rename) -> Result<Person> {
    let act = Act::begin(ctx, command.source);
    ctx.write(move |tx| {
        let mut caller = fresh::hold(tx, &act, &command.caller)?;
        let user = &mut caller.user;
        let new = |typed: &Option<String>, old: &Option<String>| match typed {
            Some(name) => Some(name.clone()).filter(|name| !name.is_empty()),
            None => old.clone(),
        };
        user.first_name = new(&command.first_name, &user.first_name);
        user.last_name = new(&command.last_name, &user.last_name);
        let (first, last) = (user.first_name.as_deref(), user.last_name.as_deref());
        users::set_names(tx, user.id, first, last)?;
        act.audit(tx, user.id, Event::UserUpdated, Some("names"))?;
        Ok(Person::of(&caller))
    })
    .await
}

/// The proof that users mean to delete their own account.
pub struct Delete {
    /// The signed-in user.
    pub caller: Caller,
    /// The password, as typed.
    pub password: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Deletes the caller's own account, with every row that has its id, except those of the audit trail.
///
/// # Errors
/// Refuses a session without fresh proof where a method is on, a wrong password, and the last administrator.
pub async fn delete(ctx: &Ctx, command: Delete) -> Result<()> {
    let Delete {
        caller,
        password,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    fresh::judge_beside_password(&act, &caller)?;
    let user = caller.user.clone();
    password::confirmed(ctx, &act, &user, password, move |tx, act| {
        let caller = fresh::proved_beside_password(tx, act, &caller)?;
        accounts::remove(tx, act, &caller.user, None)
    })
    .await
}

/// How many rows of a kind an export has at most.
const EXPORTED: i64 = 1000;

/// Returns everything that is kept about the caller, without hashes and sealed values.
///
/// # Errors
/// Refuses a session without fresh proof: an export has what the lists mask, such as phone numbers.
pub async fn export(ctx: &Ctx, caller: Caller) -> Result<Export> {
    let act = Act::begin(ctx, Source::Console);
    fresh::judge(&act, &caller)?;
    ctx.read(move |tx| {
        let user = &caller.user;
        let kind = CodeSetKind::Recovery;
        let keys = export::api_keys(tx, user.id)?;
        let sessions = export::sessions(tx, user.id, EXPORTED)?;
        let letters = export::letters(tx, user.id, EXPORTED)?;
        let events = audit::page(tx, user.id, None, EXPORTED)?;
        Ok(Export {
            at: act.now,
            person: Person::of(&caller),
            membership: membership(tx, user)?,
            password_changes: user.password_changes,
            address_changes: address_changes(tx, user.id)?,
            methods: caller
                .factors
                .iter()
                .cloned()
                .map(MethodView::from)
                .collect(),
            recovery_codes: code_sets::remaining(tx, user.id, kind)?,
            recovery_codes_made_at: code_sets::live(tx, user.id, kind)?.map(|set| set.created_at),
            sessions: sessions.into_iter().map(SessionRecord::from).collect(),
            keys: keys.iter().map(api_keys::view).collect(),
            steps: steps(tx, user.id)?,
            letters: letters.into_iter().map(LetterRecord::from).collect(),
            counters: counters(tx, user.id)?,
            events: events.into_iter().map(ActivityEntry::from).collect(),
        })
    })
    .await
}

fn membership(tx: &mut Tx, user: &User) -> Result<Option<Membership>> {
    let Some((id, role)) = user.organisation_id.zip(user.organisation_role) else {
        return Ok(None);
    };
    let found = organisations::find(tx, id)?;
    Ok(found.map(|found| Membership {
        id,
        name: found.name,
        role,
    }))
}

fn address_changes(tx: &mut Tx, user_id: UserId) -> Result<Vec<AddressChange>> {
    let request = email_changes::find(tx, user_id)?.map(AddressChange::from);
    let undos = email_undos::of_user(tx, user_id, EXPORTED)?;
    let made = undos.into_iter().map(AddressChange::from);
    Ok(request.into_iter().chain(made).collect())
}

fn steps(tx: &mut Tx, user_id: UserId) -> Result<Vec<StepRecord>> {
    let challenges = export::challenges(tx, user_id, EXPORTED)?;
    let reset = password_resets::find(tx, user_id)?.map(StepRecord::from);
    let steps = challenges.into_iter().map(StepRecord::from);
    Ok(steps.chain(reset).collect())
}

fn counters(tx: &mut Tx, user_id: UserId) -> Result<Vec<Counter>> {
    let limits = export::limits(tx, user_id)?;
    let attempts = factors::all_attempts(tx, user_id)?;
    let wrong = attempts.into_iter().map(Counter::from);
    Ok(limits.into_iter().map(Counter::from).chain(wrong).collect())
}

/// Returns a page of the caller's open sessions, newest first.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn list_sessions(ctx: &Ctx, command: List<Caller>) -> Result<Page<OpenSession>> {
    let act = Act::begin(ctx, Source::Console);
    let List {
        by: caller,
        limit,
        offset,
    } = command;
    let (user_id, own) = (caller.user.id, caller.session.id);
    let idle = i64::from(act.policy().session_idle_seconds);
    let (page, total) = ctx
        .read(move |tx| {
            let idle_since = act.now.plus_seconds(-idle);
            sessions::open(tx, user_id, act.now, idle_since, (limit, offset))
        })
        .await?;
    let shown = |session: Session| OpenSession {
        view: SessionView::from(&session),
        current: session.id == own,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        source: session.source,
        program: session.program,
    };
    Ok(Page {
        items: page.into_iter().map(shown).collect(),
        total,
    })
}

/// Ends one of the caller's sessions.
///
/// # Errors
/// Refuses an id that none of their open sessions has.
pub async fn end_session(ctx: &Ctx, caller: Caller, id: SessionId, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    ctx.write(move |tx| {
        let caller = fresh::hold(tx, &act, &caller)?;
        let user_id = caller.user.id;
        let found = sessions::find(tx, user_id, id)?;
        let open = found.is_some_and(|one| one.judge(act.policy(), act.now).is_ok());
        if !open || !sessions::end(tx, user_id, id, act.now)? {
            return Err(Refusal::SessionNotFound.into());
        }
        let other = (id != caller.session.id).then_some("by another session");
        act.audit(tx, user_id, Event::SignedOut, other)
    })
    .await
}

/// Ends all of the caller's sessions but their own.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn end_other_sessions(ctx: &Ctx, caller: Caller, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    ctx.write(move |tx| {
        let caller = fresh::hold(tx, &act, &caller)?;
        let (user_id, own) = (caller.user.id, caller.session.id);
        sessions::end_others(tx, user_id, Some(own), act.now)?;
        act.audit(tx, user_id, Event::SessionsEnded, None)
    })
    .await
}

/// The part of what happened that is asked for.
pub struct ReadActivity {
    /// The signed-in user.
    pub caller: Caller,
    /// The greatest number of events.
    pub limit: usize,
    /// The event before which the part ends. Without it, it ends with the newest.
    pub before: Option<AuditId>,
}

/// Returns what happened to the caller's account, newest first.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn activity(ctx: &Ctx, command: ReadActivity) -> Result<Activity> {
    let ReadActivity {
        caller,
        limit,
        before,
    } = command;
    let user_id = caller.user.id;
    // One more tells whether there is a further page.
    let asked = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut events = ctx
        .read(move |tx| audit::page(tx, user_id, before, asked))
        .await?;
    let further = events.len() > limit;
    events.truncate(limit);
    Ok(Activity {
        next: events.last().map(|event| event.id).filter(|_| further),
        events: events.into_iter().map(ActivityEntry::from).collect(),
    })
}
