//! Who is in the sandbox from the beginning: somebody of every kind.

use super::{Person, Sandbox, Wish};
use crate::chance::Chance;
use crate::model::kinds::FactorKind::{Authenticator, Email, Passkey, Sms};
use crate::model::kinds::{FactorKind, OrganisationRole, Role};
use crate::model::organisation::Organisation;
use crate::model::{OrganisationId, Result};
use crate::store::organisations;

/// One of them: the part of the address before `@example.com`, the family name, what they are for, and
/// their methods.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [FactorKind],
);

const PEOPLE: [Row; 10] = [
    ("none", "Nolan", "no second factor", &[]),
    ("email", "Eames", "codes by e-mail", &[Email]),
    (
        "authenticator",
        "Archer",
        "codes from an authenticator app",
        &[Authenticator],
    ),
    ("sms", "Sims", "codes by text message", &[Sms]),
    (
        "passkey",
        "Perkins",
        "a passkey on the virtual device",
        &[Passkey],
    ),
    (
        "several",
        "Sanders",
        "all methods, and recovery codes",
        &[Authenticator, Email, Sms, Passkey],
    ),
    (
        "locked",
        "Locke",
        "codes from an authenticator app, which is locked after too many wrong ones",
        &[Authenticator],
    ),
    (
        "administrator",
        "Adler",
        "administers the server",
        &[Authenticator],
    ),
    (
        "owner",
        "Owens",
        "owns an organisation that demands a second factor",
        &[Authenticator],
    ),
    (
        "member",
        "Meyer",
        "a member of that organisation, without a method: sign-in asks for a mailed code",
        &[],
    ),
];

/// Puts all of them in. Their secrets follow from the seed.
pub(super) async fn seed(sandbox: &Sandbox) -> Result<Vec<Person>> {
    let chance = Chance::seeded(sandbox.seed());
    let organisation = organisation(sandbox, &chance).await?;
    let offered = !sandbox.page().is_empty();
    let mut people = Vec::with_capacity(PEOPLE.len());
    for (row, place) in PEOPLE.into_iter().zip(1..) {
        let mut wish = wish(row, place, organisation);
        // Not offered where the server is known by an IP address, or they are turned off.
        wish.methods.retain(|method| *method != Passkey || offered);
        people.push(sandbox.make(wish, &chance).await?);
    }
    Ok(people)
}

fn wish((name, family, about, methods): Row, place: u32, organisation: OrganisationId) -> Wish {
    Wish {
        email: format!("{name}@example.com"),
        names: (capitalized(name), family.to_owned()),
        about: about.to_owned(),
        role: match name {
            "administrator" => Role::Administrator,
            _other => Role::User,
        },
        methods: methods.to_vec(),
        recovery_codes: name == "several",
        locked: (name == "locked").then_some(Authenticator),
        member: match name {
            "owner" => Some((organisation, OrganisationRole::Owner)),
            "member" => Some((organisation, OrganisationRole::Member)),
            _other => None,
        },
        phone: format!("+1201555{:04}", 100 + place),
    }
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

async fn organisation(sandbox: &Sandbox, chance: &Chance) -> Result<OrganisationId> {
    let now = sandbox.now();
    let founded = Organisation {
        id: chance.id(now),
        name: "Example Ltd".to_owned(),
        mfa_enforced: true,
        created_at: now,
    };
    let id = founded.id;
    let ctx = sandbox.app().ctx();
    ctx.write(move |tx| organisations::insert(tx, &founded))
        .await?;
    Ok(id)
}
