//! Errors that calls are to be answered with: which ones wait, and which of them is a call's.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::catalogue::Operation;

mod edge;
mod whose;

pub use edge::force;

/// An error that calls are to be answered with.
#[derive(Clone)]
pub struct ForcedAnswer {
    /// Its number, from 1 on.
    pub number: u64,
    /// The calls that are meant.
    pub calls: Calls,
    /// The code of the error.
    pub code: String,
    /// How many calls are left; `None` if there is no limit.
    pub left: Option<u32>,
}

/// Which calls are meant. One of the two is always there.
#[derive(Clone, Default)]
pub struct Calls {
    /// Those of an operation: its document, and its id.
    pub of: Option<(&'static str, String)>,
    /// Those for an address, in its canonical form.
    pub email: Option<String>,
}

/// All errors that wait, oldest first.
#[derive(Default)]
pub struct ForcedAnswers(Mutex<(Vec<ForcedAnswer>, u64)>);

impl Calls {
    /// Whether the operation is meant, so that it matters whose call it is.
    fn may_mean(&self, operation: &Operation) -> bool {
        self.of
            .as_ref()
            .is_none_or(|(api, id)| *api == operation.api && *id == operation.id)
    }
}

impl ForcedAnswers {
    /// Has one wait.
    pub fn add(&self, calls: Calls, code: String, left: Option<u32>) -> ForcedAnswer {
        let mut list = self.list();
        list.1 += 1;
        let forced = ForcedAnswer {
            number: list.1,
            calls,
            code,
            left,
        };
        list.0.push(forced.clone());
        forced
    }

    /// All of them.
    pub fn all(&self) -> Vec<ForcedAnswer> {
        self.list().0.clone()
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        *self.list() = Default::default();
    }

    /// Whether one may be for this operation, and whether it then depends on whose call it is.
    fn concern(&self, operation: &Operation) -> Concern {
        let list = self.list();
        let mut found = Concern::None;
        for one in list.0.iter().filter(|one| one.is_for(operation)) {
            match one.calls.email {
                Some(_) => return Concern::Someone,
                None => found = Concern::Everyone,
            }
        }
        found
    }

    /// Takes the error of a call of this operation by these people; the oldest one, if several wait.
    fn take(&self, operation: &Operation, people: &[String]) -> Option<String> {
        let mut list = self.list();
        let meant = |one: &ForcedAnswer| {
            let email = one.calls.email.as_ref();
            one.is_for(operation) && email.is_none_or(|email| people.contains(email))
        };
        let place = list.0.iter().position(meant)?;
        let one = list.0.get_mut(place)?;
        let code = one.code.clone();
        match &mut one.left {
            Some(left @ 2..) => *left -= 1,
            Some(_) => drop(list.0.remove(place)),
            None => {}
        }
        Some(code)
    }

    fn list(&self) -> MutexGuard<'_, (Vec<ForcedAnswer>, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For whose calls of an operation an error waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Concern {
    /// Nobody's.
    None,
    /// Anybody's.
    Everyone,
    /// Somebody's: it depends.
    Someone,
}

impl ForcedAnswer {
    fn is_for(&self, operation: &Operation) -> bool {
        self.calls.may_mean(operation) && operation.error(&self.code).is_some()
    }
}
