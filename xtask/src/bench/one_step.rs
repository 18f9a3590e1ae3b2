//! Measures calls that wait for no disk: the check of a bearer against bare actix, and the password
//! step against argon2id alone.

use std::path::Path;

use anyhow::Result;
use countersign_base::config::Settings;

use super::Sizes;
use super::bare;
use super::calls::{self, Client};
use super::engine;
use super::load::{Load, Pace};
use super::report::{Comparison, Report};
use super::second_step::under_load;
use super::server::{self, Build, Server};
use super::users;

/// Sessions whose bearers are sent in turn.
const SESSIONS: u32 = 256;

/// Password steps that wait while others are hashed: enough to keep every slot busy.
const WAITING: u32 = 2;

/// Measures both on a copy of the seeded folder.
///
/// # Errors
/// Fails if the server does not start, or an answer is not a success.
pub fn measure(build: &Build, folder: &Path, sizes: &Sizes, report: &mut Report) -> Result<()> {
    let copy = server::copied(folder)?;
    let server = server::start(build, copy.path(), None)?;
    bearer(&server, sizes, report)?;
    password(&server, copy.path(), sizes, report)
}

fn bearer(server: &Server, sizes: &Sizes, report: &mut Report) -> Result<()> {
    let mut client = Client::connect(server.address)?;
    let mut bearers = Vec::new();
    for number in 0..SESSIONS.min(sizes.users()) {
        let number = users::nth(number, sizes.users());
        bearers.push(client.tokens(&calls::verify(number)?)?.access);
    }
    let size = match bearers.first() {
        Some(bearer) => client.call(&calls::me(bearer))?.len(),
        None => 0,
    };
    let requests = |path: &str| -> Vec<Vec<u8>> {
        let all = bearers.iter();
        all.map(|bearer| calls::get(path, bearer)).collect()
    };
    let load = |address, path: &str| Load {
        addresses: vec![address],
        connections: sizes.connections,
        duration: sizes.duration(),
        pace: Pace::Closed,
        requests: calls::in_turn(requests(path)),
    };
    let (child, address) = bare::start(size)?;
    let limit = under_load(
        &format!("actix alone, as long a body ({size} bytes)"),
        &load(address, bare::PATH),
        &|| Ok(vec![child.0.id()]),
    )?;
    drop(child);
    let ours = under_load("Countersign", &load(server.address, calls::ME), &|| {
        Ok(vec![server.process()])
    })?;
    report.compare(Comparison {
        name: "bearer_check",
        title: "Check of a bearer, GET /identity/me".to_owned(),
        limit,
        ours,
    });
    Ok(())
}

fn password(server: &Server, folder: &Path, sizes: &Sizes, report: &mut Report) -> Result<()> {
    let settings = Settings::for_test(folder)?;
    let limit = engine::argon2id(&settings, sizes.duration())?;
    let load = Load {
        addresses: vec![server.address],
        connections: (settings.hash_slots + WAITING) as usize,
        duration: sizes.duration(),
        pace: Pace::Closed,
        requests: calls::password_steps(sizes.users()),
    };
    let ours = under_load("Countersign", &load, &|| Ok(vec![server.process()]))?;
    report.compare(Comparison {
        name: "password_step",
        title: "First step by password, argon2id".to_owned(),
        limit,
        ours,
    });
    Ok(())
}
