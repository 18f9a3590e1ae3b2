//! Fixtures: somebody, a bearer, a live challenge and the right code, whatever an operation needs for its example to succeed.

use serde_json::{Map, Value};

use super::catalogue::Operation;
use super::{Person, Sandbox};
use crate::model::Result;

mod flashback;
mod identity;
mod netevia;
mod stage;
mod veeam;

use stage::Stage;

/// What an operation needs for the example of its request to succeed.
#[derive(Default)]
pub struct Fixture {
    /// Values by the names of the request's properties and parameters.
    pub variables: Map<String, Value>,
    /// What to send as the bearer, where the operation takes one.
    pub bearer: Option<String>,
    /// Whose it all is, if anybody's.
    pub person: Option<Person>,
}

impl Fixture {
    /// For somebody, who signs in by address and password.
    fn of(person: Person) -> Self {
        Self {
            person: Some(person.clone()),
            ..Self::default()
        }
        .with("email", person.wish.email)
        .with("password", super::PASSWORD)
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    fn bearing(mut self, bearer: String) -> Self {
        self.bearer = Some(bearer);
        self
    }
}

impl Sandbox {
    /// Prepares a call of an operation.
    ///
    /// # Errors
    /// A fault when one of the calls that it takes does not go well.
    pub async fn fixture(&self, operation: &Operation) -> Result<Fixture> {
        let stage = Stage::set(self)?;
        match operation.api {
            "netevia" => netevia::fixture(&stage, &operation.id).await,
            "flashback" => flashback::fixture(&stage, &operation.id).await,
            "veeam" => veeam::fixture(&stage, &operation.id).await,
            "identity" => identity::fixture(&stage, &operation.id).await,
            // A message that is there already: nobody waits for it.
            _sandbox if operation.id == "listMessages" => {
                let (fixture, person) = identity::mailed(&stage).await?;
                Ok(fixture.with("to", person.wish.email))
            }
            // What else the sandbox itself does needs nothing.
            _sandbox => Ok(Fixture::default()),
        }
    }
}
