//! The sandbox as a test uses it: where it is, codes of apps, the clock, and errors on purpose.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use countersign_sdk::identity::types::PasskeyCredential;
use countersign_sdk::sandbox::types::{
    AdvanceClockRequest, ForceErrorRequest, SandboxInfo, ShowAuthenticatorCodeRequest,
    UsePasskeyRequest,
};
use countersign_sdk::{Client, sandbox};
use serde_json::{Map, Value};

use crate::error::refused;
use crate::program::{Program, Start};
use crate::{Builder, Error};

/// A running sandbox. One that was started here ends when it is dropped, even if the test panics.
///
/// All tests of one sandbox share its clock. A test that moves the clock needs a sandbox of its own.
///
/// ```
/// # async fn example() -> Result<(), countersign_testkit::Error> {
/// let sandbox = countersign_testkit::Sandbox::start().await?;
/// println!("tell your back end that the server is at {}", sandbox.url());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) client: Client,
    pub(crate) tools: sandbox::Client,
    about: SandboxInfo,
    /// For each address, the number of the last message to it that a test has read.
    pub(crate) read: Mutex<HashMap<String, u64>>,
    _program: Option<Program>,
}

impl Sandbox {
    /// Starts a sandbox of its own, on a free port, with the program that `COUNTERSIGN_BIN` names,
    /// or else with `countersign` from `PATH`. It takes about a second.
    ///
    /// ```
    /// # async fn example() -> Result<(), countersign_testkit::Error> {
    /// let sandbox = countersign_testkit::Sandbox::start().await?;
    /// let alice = sandbox.user_with_totp().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Missing`] says how to install the program; [`Error::NotStarted`] has what it said.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Returns the settings of a sandbox that is to be started.
    ///
    /// ```
    /// # async fn example() -> Result<(), countersign_testkit::Error> {
    /// let sandbox = countersign_testkit::Sandbox::builder()
    ///     .program("target/release/countersign")
    ///     .seed(7)
    ///     .setting("access_token_seconds", "60")
    ///     .start()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Uses a sandbox that runs already. It stays when this is dropped.
    ///
    /// ```
    /// # async fn example() -> Result<(), countersign_testkit::Error> {
    /// let sandbox = countersign_testkit::Sandbox::at("http://localhost:8080").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Address`] if there can be no server at this address, [`Error::NoSandbox`] if there
    /// is no sandbox.
    pub async fn at(url: &str) -> Result<Self, Error> {
        Self::serving(url, None).await
    }

    /// Uses the sandbox that `COUNTERSIGN_URL` names, as `countersign sandbox --exec 'cargo test'`
    /// sets it, so that all tests share one. Without that variable it starts one.
    ///
    /// ```
    /// # async fn example() -> Result<(), countersign_testkit::Error> {
    /// let sandbox = countersign_testkit::Sandbox::from_env().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails as [`Sandbox::at`] or [`Sandbox::start`] does.
    pub async fn from_env() -> Result<Self, Error> {
        match std::env::var("COUNTERSIGN_URL") {
            Ok(url) if !url.is_empty() => Self::at(&url).await,
            _unset => Self::start().await,
        }
    }

    pub(crate) async fn run(start: Start) -> Result<Self, Error> {
        let (program, url) = start.run().await?;
        Self::serving(&url, Some(program)).await
    }

    async fn serving(url: &str, program: Option<Program>) -> Result<Self, Error> {
        // Whoever reaches a sandbox reads every code anyway, so TLS would keep nothing secret.
        let client = Client::builder(url).allow_plain_http().build();
        let client = client.map_err(Error::Address)?;
        let tools = sandbox::Client::from(&client);
        let about = tools
            .get_sandbox()
            .await
            .map_err(|error| Error::NoSandbox {
                url: url.to_owned(),
                failure: error.into(),
            })?;
        Ok(Self {
            client,
            tools,
            about,
            read: Mutex::default(),
            _program: program,
        })
    }

    /// Returns the address of the server, without a slash at its end.
    ///
    /// ```
    /// # fn example(sandbox: countersign_testkit::Sandbox) {
    /// let health = format!("{}/healthz", sandbox.url());
    /// # }
    /// ```
    #[must_use]
    pub fn url(&self) -> &str {
        self.client.url()
    }

    /// Returns the issuer and audience of its access tokens (RFC 9068 §2.2), for a back end that
    /// checks tokens itself.
    ///
    /// ```
    /// # fn example(sandbox: countersign_testkit::Sandbox) {
    /// assert!(sandbox.issuer().ends_with("/sandbox"));
    /// # }
    /// ```
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.about.issuer
    }

    /// Returns a client of the native API with nobody signed in, a new one at each call.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    /// let alice = sandbox.user_with_totp().await?;
    /// let step = sandbox.client().sign_in(&alice.email, &alice.password).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.new_session()
    }

    /// Returns the client of the sandbox's own API, for what has no method here.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    /// let people = sandbox.tools().list_people().await?.people;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tools(&self) -> &sandbox::Client {
        &self.tools
    }

    /// Returns the code that an authenticator app with this secret (base32) shows now, by the
    /// sandbox's clock (RFC 6238). A code works once: for another one, advance the clock by 30
    /// seconds.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let code = sandbox.totp_code("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if it is no secret.
    pub async fn totp_code(&self, secret: &str) -> Result<String, Error> {
        let whose = ShowAuthenticatorCodeRequest::new().secret(secret);
        let shown = self.tools.show_authenticator_code(whose).await;
        Ok(shown.map_err(refused)?.code)
    }

    /// Uses the passkey of a user, as their browser would: takes the `publicKey` options of a
    /// sign-in or a step-up, and returns the credential to send.
    ///
    /// ```
    /// # use countersign_sdk::identity::SignIn;
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    /// let alice = sandbox.user_with_passkey().await?;
    /// let step = sandbox.client().sign_in(&alice.email, &alice.password).await?;
    /// if let SignIn::Challenge(challenge) = step {
    ///     let options = challenge.passkey_options().await?.public_key;
    ///     let credential = sandbox.use_passkey(&alice.email, &options).await?;
    ///     challenge.passkey(credential).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if the user has no passkey that the options allow.
    pub async fn use_passkey(
        &self,
        email: &str,
        options: &Map<String, Value>,
    ) -> Result<PasskeyCredential, Error> {
        let request = UsePasskeyRequest::new(options.clone()).email(email);
        let used = self.tools.use_passkey(request).await;
        let credential = Value::Object(used.map_err(refused)?.credential);
        serde_json::from_value(credential).map_err(|_| Error::Unfit("a passkey's credential"))
    }

    /// Lets time pass at once: what ends meanwhile is over. Parts of a second count as a whole one.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// sandbox.advance(Duration::from_secs(3600)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if it is more than ten years.
    pub async fn advance(&self, time: Duration) -> Result<(), Error> {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let request = AdvanceClockRequest::new(seconds);
        self.tools.advance_clock(request).await.map_err(refused)?;
        Ok(())
    }

    /// Has the next call of an operation answered with one of its documented errors, whoever calls.
    /// In a sandbox that several tests share, use [`Sandbox::force_for`].
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// sandbox.force("login", "TOO_MANY_PASSWORD_ATTEMPTS").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if there is no such operation, or it does not document the error.
    pub async fn force(&self, operation: &str, error: &str) -> Result<(), Error> {
        self.forced(ForceErrorRequest::new(error).operation_id(operation))
            .await
    }

    /// Has the next call of an operation for this address answered with one of its documented
    /// errors. A call is for an address if it carries the address or a token of its account.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let alice = sandbox.user_with_totp().await?;
    /// sandbox.force_for(&alice.email, "verifyMfaLogin", "MFA_TOKEN_EXPIRED").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails as [`Sandbox::force`] does.
    pub async fn force_for(&self, email: &str, operation: &str, error: &str) -> Result<(), Error> {
        self.force_times(email, operation, error, 1).await
    }

    /// Has so many calls of an operation for this address answered with an error.
    pub(crate) async fn force_times(
        &self,
        email: &str,
        operation: &str,
        error: &str,
        times: u32,
    ) -> Result<(), Error> {
        let request = ForceErrorRequest::new(error).operation_id(operation);
        self.forced(request.email(email).times(times)).await
    }

    /// Has every call for this address answered with an error, wherever it is documented, until
    /// [`Sandbox::reset`].
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let alice = sandbox.user_with_totp().await?;
    /// sandbox.force_all_for(&alice.email, "SERVICE_UNAVAILABLE").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if no operation documents the error.
    pub async fn force_all_for(&self, email: &str, error: &str) -> Result<(), Error> {
        self.forced(ForceErrorRequest::new(error).email(email))
            .await
    }

    async fn forced(&self, request: ForceErrorRequest) -> Result<(), Error> {
        self.tools.force_error(request).await.map_err(refused)?;
        Ok(())
    }

    /// Begins anew: only the people of the beginning, no sessions, no messages, no errors on
    /// purpose, and the true time. Users that were made before are gone.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// sandbox.reset().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if the sandbox does not answer.
    pub async fn reset(&self) -> Result<(), Error> {
        self.tools.reset_sandbox().await.map_err(refused)?;
        self.read().clear();
        Ok(())
    }
}
