//! `user`: lists, shows, creates and changes accounts.

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::{Context, Result, anyhow, bail};
use clap::ArgMatches;
use serde_json::{Value, json};
use uuid::Uuid;

use super::terminal::{print, tell};
use super::{said, text};
use crate::app::{App, Ctx};
use crate::flow::operator;
use crate::model::factor::FactorAttempts;
use crate::model::ids::Id;
use crate::model::kinds::{FactorKind, OrganisationRole, Role};
use crate::model::{self, Error, Refusal, Secret, typed};
use crate::outcome::{Person, UserEntry, UserOverview};

/// The longest password that is read from standard input, in bytes.
const PASSWORD_MAX: u64 = 4096;

/// Lists the accounts.
pub(super) async fn list(app: &App, matches: &ArgMatches) -> Result<()> {
    let number = |name| matches.get_one::<i64>(name).copied().unwrap_or_default();
    let (limit, offset) = (number("limit"), number("offset"));
    let page = app.call(async |ctx: &Ctx| operator::overview(ctx, limit, offset).await);
    let page = page.await.map_err(said)?;
    if matches.get_flag("json") {
        let users: Vec<Value> = page.items.iter().map(as_json).collect();
        return print(&format!(
            "{:#}\n",
            json!({ "users": users, "total": page.total })
        ));
    }
    for entry in &page.items {
        let person = &entry.person;
        let state = if entry.disabled_at.is_some() {
            "disabled"
        } else {
            "active"
        };
        let methods = words(&person.methods);
        let role = person.role.as_str();
        print(&format!(
            "{:<40} {role:<14} {state:<9} {methods}\n",
            person.email
        ))?;
    }
    let (shown, total) = (page.items.len(), page.total);
    print(&format!("{shown} of {total} accounts\n"))
}

/// Shows one account.
async fn show(app: &App, email: &str, matches: &ArgMatches) -> Result<()> {
    let found = app.call(async |ctx: &Ctx| operator::show(ctx, email).await);
    let found = found.await.map_err(|error| unknown_or(error, email))?;
    let policy = &app.ctx().settings.policy;
    let now = app.ctx().now();
    let locked = counted(&found, |counter| counter.locked(policy));
    let waiting = counted(&found, |counter| counter.wait(policy, now) > 0);
    if matches.get_flag("json") {
        let mut user = as_json(&found.entry);
        user["openSessions"] = found.sessions.into();
        user["lockedMethods"] = locked.into();
        user["waitingMethods"] = waiting.into();
        return print(&format!("{user:#}\n"));
    }
    let person = &found.entry.person;
    let disabled = found.entry.disabled_at.map(|at| at.to_string());
    let rows = [
        ("account", person.email.clone()),
        (
            "id",
            format!("user-{}, number {}", person.id, person.number),
        ),
        ("role", person.role.as_str().to_owned()),
        ("created", person.created_at.to_string()),
        ("disabled", disabled.unwrap_or_else(|| "no".to_owned())),
        ("methods", words(&person.methods)),
        ("locked", listed(&locked)),
        ("waiting", listed(&waiting)),
        ("open sessions", found.sessions.to_string()),
    ];
    for (name, value) in rows {
        print(&format!("{name:<14} {value}\n"))?;
    }
    Ok(())
}

/// Returns what is counted by the counters that fit.
fn counted(found: &UserOverview, fits: impl Fn(&FactorAttempts) -> bool) -> Vec<&'static str> {
    let fitting = found.counters.iter().filter(|counter| fits(counter));
    fitting.map(|counter| counter.kind.as_str()).collect()
}

fn words(kinds: &[FactorKind]) -> String {
    listed(&kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
}

fn listed(words: &[&str]) -> String {
    match words {
        [] => "none".to_owned(),
        words => words.join(", "),
    }
}

fn as_json(entry: &UserEntry) -> Value {
    let person = &entry.person;
    json!({
        "id": format!("user-{}", person.id),
        "number": person.number,
        "email": person.email,
        "role": person.role.as_str(),
        "createdAt": person.created_at.to_string(),
        "disabledAt": entry.disabled_at.map(|at| at.to_string()),
        "mfaMethods": person.methods.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
    })
}

/// Turns a flow's error into one for the operator, who may have mistyped the address.
fn unknown_or(error: Error, email: &str) -> anyhow::Error {
    match error {
        Error::Refused(Refusal::UserNotFound) => {
            anyhow!(
                "there is no account {email:?}: check the address, or see `countersign user list`"
            )
        }
        error => said(error),
    }
}

/// Shows or creates the account of an address, or changes it.
pub(super) async fn help(app: &App, act: &str, matches: &ArgMatches) -> Result<()> {
    let email = text(matches, "email")?.to_owned();
    let said = |error: Error| unknown_or(error, &email);
    let (helped, done) = match act {
        "show" => return show(app, &email, matches).await,
        "create" => (create(app, &email, matches).await?, "created"),
        "set-password" => {
            // Nobody should type a password for an account that does not exist.
            let known = app.call(async |ctx: &Ctx| operator::show(ctx, &email).await);
            known.await.map_err(said)?;
            let password = read_password()?;
            let set = async |ctx: &Ctx| operator::set_password(ctx, &email, password).await;
            (app.call(set).await, "given a new password")
        }
        "disable" => {
            let disable = async |ctx: &Ctx| operator::disable(ctx, &email).await;
            (app.call(disable).await, "disabled")
        }
        "enable" => {
            let enable = async |ctx: &Ctx| operator::enable(ctx, &email).await;
            (app.call(enable).await, "enabled")
        }
        "delete" => {
            let delete = async |ctx: &Ctx| operator::delete(ctx, &email).await;
            (app.call(delete).await, "deleted")
        }
        "promote" => {
            let promote = async |ctx: &Ctx| operator::promote(ctx, &email).await;
            (app.call(promote).await, "made an administrator's")
        }
        "unlock" => {
            let unlock = async |ctx: &Ctx| operator::unlock(ctx, &email).await;
            (app.call(unlock).await, "unlocked")
        }
        "reset-mfa" => {
            let reset = async |ctx: &Ctx| operator::reset_mfa(ctx, &email).await;
            (
                app.call(reset).await,
                "reset: all its second factors were removed",
            )
        }
        "join" => (join(app, &email, matches).await?, "made a member"),
        unknown => bail!("{unknown:?} is not a subcommand of user"),
    };
    let Person {
        id, email, role, ..
    } = helped.map_err(said)?;
    let role = role.as_str();
    tell(&format!(
        "The account {email} (user-{id}, {role}) was {done}."
    ));
    Ok(())
}

async fn create(app: &App, email: &str, matches: &ArgMatches) -> Result<model::Result<Person>> {
    let role = match matches.get_flag("administrator") {
        true => Role::Administrator,
        false => Role::User,
    };
    // Check first: nobody should type a password for an address that cannot have an account.
    let judge = async |ctx: &Ctx| operator::judge_new_address(ctx, email).await;
    app.call(judge).await.map_err(said)?;
    let password = read_password()?;
    let create = async |ctx: &Ctx| operator::create_user(ctx, email, password, role).await;
    Ok(app.call(create).await)
}

async fn join(app: &App, email: &str, matches: &ArgMatches) -> Result<model::Result<Person>> {
    let organisation = matches.get_one::<Uuid>("organisation");
    let organisation = Id::new(*organisation.context("--organisation is missing")?);
    let role = OrganisationRole::parse(text(matches, "role")?);
    let role = role.context("--role must be owner, administrator or member")?;
    let join = async |ctx: &Ctx| operator::join(ctx, email, organisation, role).await;
    Ok(app.call(join).await)
}

/// Reads a password: twice from a terminal, without echo, or one line of standard input.
fn read_password() -> Result<Secret<String>> {
    if io::stdin().is_terminal() {
        let first = Secret::new(rpassword::prompt_password("Password: ")?);
        let again = Secret::new(rpassword::prompt_password("Once more: ")?);
        if first.expose() != again.expose() {
            bail!("the two passwords differ: nothing was changed, start again");
        }
        return Ok(first);
    }
    let mut line = zeroize::Zeroizing::new(String::new());
    let read = io::stdin().lock().take(PASSWORD_MAX).read_line(&mut line);
    read.map_err(|_| {
        anyhow!("the password on standard input is not UTF-8: send one line of text")
    })?;
    let password = password_of(&line);
    if password.is_empty() {
        bail!(
            "there is no password on standard input: send it there in one line, or run this in a terminal"
        );
    }
    // No request can contain it, so nobody could sign in with it.
    if password.contains('\0') {
        bail!(
            "the password contains the character U+0000, which no client can send: choose another one"
        );
    }
    Ok(Secret::new(password.to_owned()))
}

/// Returns the password of a line, whichever system wrote the line.
fn password_of(line: &str) -> &str {
    let line = typed::without_mark(line);
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::password_of;

    #[test]
    fn a_line_is_a_password_whatever_system_wrote_it() {
        for line in ["a b ", "a b \n", "a b \r\n", "\u{feff}a b \r\n"] {
            assert_eq!(password_of(line), "a b ");
        }
    }
}
