//! `user`: creates an account or helps its owner.

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::{Context, Result, anyhow, bail};
use clap::ArgMatches;
use uuid::Uuid;

use super::{said, tell, text};
use crate::app::{App, Ctx};
use crate::flow::admin;
use crate::model::ids::Id;
use crate::model::kinds::{OrganisationRole, Role};
use crate::model::{Error, Refusal, Secret, typed};
use crate::outcome::Person;

/// The longest password that is read from standard input, in bytes.
const PASSWORD_MAX: u64 = 4096;

/// Creates the account of an address, or helps its owner.
pub(super) async fn help(app: &App, act: &str, matches: &ArgMatches) -> Result<()> {
    let email = text(matches, "email")?.to_owned();
    let said = |error: Error| match error {
        Error::Refused(Refusal::UserNotFound) => {
            anyhow!("there is no account {email:?}: check the address")
        }
        error => said(error),
    };
    let (helped, done) = match act {
        "create" => {
            let role = if matches.get_flag("administrator") {
                Role::Administrator
            } else {
                Role::User
            };
            // Check first: nobody should type a password for an address that cannot have an
            // account.
            let judge = async |ctx: &Ctx| admin::judge_new_address(ctx, &email).await;
            app.call(judge).await.map_err(said)?;
            let password = read_password()?;
            let create = async |ctx: &Ctx| admin::create_user(ctx, &email, password, role).await;
            (app.call(create).await, "made")
        }
        "promote" => (
            app.call(async |ctx| admin::promote(ctx, &email).await)
                .await,
            "promoted",
        ),
        "unlock" => (
            app.call(async |ctx| admin::unlock(ctx, &email).await).await,
            "unlocked",
        ),
        "reset-mfa" => {
            let reset = async |ctx: &Ctx| admin::reset_mfa(ctx, &email).await;
            (app.call(reset).await, "freed of its second steps")
        }
        "join" => {
            let organisation = matches.get_one::<Uuid>("organisation");
            let organisation = Id::new(*organisation.context("--organisation is missing")?);
            let role = OrganisationRole::parse(text(matches, "role")?);
            let role = role.context("--role must be owner, administrator or member")?;
            let join = async |ctx: &Ctx| admin::join(ctx, &email, organisation, role).await;
            (app.call(join).await, "made a member")
        }
        unknown => bail!("{unknown:?} is no subcommand of user"),
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

/// Reads a password: twice from a terminal, without echo, or one line of standard input.
fn read_password() -> Result<Secret<String>> {
    if io::stdin().is_terminal() {
        let first = Secret::new(rpassword::prompt_password("Password: ")?);
        let again = Secret::new(rpassword::prompt_password("Once more: ")?);
        if first.expose() != again.expose() {
            bail!("the two passwords differ, and no account was made: begin again");
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
            "no password came on standard input: send it there in one line, or run this in a terminal"
        );
    }
    // No request can contain it, so nobody could sign in with it.
    if password.contains('\0') {
        bail!(
            "the password holds the character U+0000, which no client can send: choose another one"
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
