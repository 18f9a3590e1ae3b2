//! `backup` and `restore`: runs them and reports the result in sentences.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use clap::ArgMatches;

use super::terminal::{tell, watched};
use super::text;
use crate::app::backup::{self, RestoreReport};
use crate::chance::Chance;
use crate::config::{DatabaseUrl, Settings};

/// Copies the database into the given file.
pub(super) fn back_up(settings: &Settings, matches: &ArgMatches) -> Result<()> {
    let settings = &backup::with_whole_paths(settings);
    must_exist(&settings.database_url)?;
    let to = named(text(matches, "to")?, "--to")?;
    let to = watched("Copying the database", || {
        backup::back_up(settings, &Chance::system(), to)
    })?;
    tell(&format!(
        "The database was copied to {}. The copy is useless without the key file {}: keep a copy of that in another place. \
         To go back to it, run `countersign restore --from FILE`.",
        to.display(),
        settings.key_file.display()
    ));
    Ok(())
}

/// Restores a backup, or begins the new epoch after somebody restored one by other means.
pub(super) fn restore(settings: &Settings, matches: &ArgMatches) -> Result<()> {
    let settings = &backup::with_whole_paths(settings);
    let keep_codes = matches.get_flag("keep-recovery-codes");
    let work = || match matches.get_one::<String>("from") {
        Some(from) => backup::restore(settings, named(from, "--from")?, keep_codes),
        None => {
            must_exist(&settings.database_url)?;
            backup::already_restored(settings, keep_codes)
        }
    };
    let restored = watched("Restoring the database", work)?;
    tell(report(&restored, keep_codes).trim_end());
    Ok(())
}

/// Returns the path of a flag's file.
fn named<'a>(path: &'a str, flag: &str) -> Result<&'a Path> {
    if path.is_empty() {
        bail!("{flag} is empty: name a file");
    }
    Ok(Path::new(path))
}

/// Fails if there is no database to copy or restore. Creating one would only hide that this is the
/// wrong folder.
fn must_exist(database: &DatabaseUrl) -> Result<()> {
    match database {
        DatabaseUrl::Sqlite(path) if !path.exists() => bail!(
            "there is no database at {}: run this where the server runs, or give --data-dir or --database-url",
            path.display()
        ),
        DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => Ok(()),
    }
}

fn report(restored: &RestoreReport, keep_codes: bool) -> String {
    let begun = &restored.begun;
    let mut text = format!(
        "A new epoch began at {}. What was open before is over: {} sessions with their refresh tokens, \
         {} challenges and registrations with their mailed codes and links. \
         Codes that {} authenticators have shown up to now are no longer accepted.\n",
        begun.mark.began(),
        begun.sessions,
        begun.challenges,
        begun.authenticators
    );
    text.push_str(&match (&restored.learned, &restored.unread) {
        (Some(learned), _) => format!(
            "From the database that was replaced: {} recovery codes were used since the backup and stay used, \
             {} sets of them ended since and stay ended, {} API keys were deleted since and stay deleted.\n",
            learned.codes_used, learned.sets_ended, learned.keys_deleted
        ),
        (None, unread) => {
            let why = unread.as_ref().map_or_else(String::new, |why| {
                format!("The replaced database cannot be used: {why}. ")
            });
            format!(
                "{why}Which recovery codes were used since the backup cannot be known: {}. \
                 API keys that were deleted since work again: look through them.\n",
                if keep_codes {
                    "those work again".to_owned()
                } else {
                    format!("all {} sets ended, and their owners need new ones", begun.code_sets)
                }
            )
        }
    });
    text.push_str(
        "Everything else is as in the backup: later changes of passwords, methods, accounts and roles are undone.\n",
    );
    if let Some(learned) = &restored.learned {
        for (what, whose) in [
            (
                "These accounts have their old passwords again",
                &learned.passwords,
            ),
            (
                "These accounts have the addresses of the backup again",
                &learned.addresses,
            ),
            (
                "These accounts have removed methods again",
                &learned.factors,
            ),
            ("These deleted accounts exist again", &learned.accounts),
        ] {
            if !whose.is_empty() {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{what}: {}.", whose.join(", "));
            }
        }
    }
    if let Some(aside) = &restored.aside {
        let _ = writeln!(
            text,
            "The database that was replaced is kept as {}.",
            aside.display()
        );
    }
    text
}
