//! People for tests: somebody new for each, so that tests that run at once do not meet.

use countersign_sdk::identity::SetUp;
use countersign_sdk::identity::types::{CreateApiKeyRequest, MfaMethod, MfaSetupRequest};
use countersign_sdk::{Client, Secret, Session};
use serde_json::Value;

use crate::error::refused;
use crate::{Error, Sandbox};

/// Somebody with an account, and what is needed to sign in.
///
/// ```
/// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
/// let alice = sandbox.user_with_totp().await?;
/// let code = sandbox.totp_code(alice.totp_secret()).await?;
/// println!("{} signs in with {code}", alice.email);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct User {
    /// The id, as `sub` of access tokens has it.
    pub id: String,
    /// The address.
    pub email: String,
    /// The password.
    pub password: Secret,
    /// The secret of the authenticator app, in base32, if there is one.
    pub totp_secret: Option<Secret>,
    /// The number for text messages, in E.164: the one in use, or one that can be set up.
    pub phone_number: Option<String>,
    /// The recovery codes, each good once; empty if there are none.
    pub recovery_codes: Vec<Secret>,
    client: Client,
}

impl User {
    /// Returns a client that is signed in as this user, with fresh proof from when the user was made.
    /// It is a session of its own, apart from those of your back end.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    /// let alice = sandbox.user().await?;
    /// assert_eq!(alice.client().get_current_user().await?.email, alice.email);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the secret of the authenticator app, in base32. It is empty if there is none.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let alice = sandbox.user_with_totp().await?;
    /// let code = sandbox.totp_code(alice.totp_secret()).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn totp_secret(&self) -> &str {
        self.totp_secret.as_ref().map_or("", Secret::expose)
    }
}

/// People. Each call makes somebody new.
impl Sandbox {
    /// Makes somebody without a second factor.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let alice = sandbox.user().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if the sandbox does not answer.
    pub async fn user(&self) -> Result<User, Error> {
        self.of_fixture("getCurrentUser").await
    }

    /// Makes somebody with an authenticator app, none of whose codes was used.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let alice = sandbox.user_with_totp().await?;
    /// let code = sandbox.totp_code(alice.totp_secret()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if the sandbox does not answer.
    pub async fn user_with_totp(&self) -> Result<User, Error> {
        self.of_fixture("beginStepUp").await
    }

    /// Makes somebody with codes by mail.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let alice = sandbox.user_with_email().await?;
    /// // … your page signs Alice in with her password …
    /// let code = sandbox.last_code_to(&alice.email).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if the sandbox does not answer.
    pub async fn user_with_email(&self) -> Result<User, Error> {
        self.of_fixture("listMfaMethods").await
    }

    /// Makes somebody with codes by text message.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let alice = sandbox.user_with_sms().await?;
    /// // … your page signs Alice in with her password …
    /// let code = sandbox.last_code_to(alice.phone_number.as_deref().unwrap_or_default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if the sandbox does not answer.
    pub async fn user_with_sms(&self) -> Result<User, Error> {
        let user = self.of_fixture("setupMfa").await?;
        let number = user.phone_number.clone();
        let number = number.ok_or(Error::Unfit("a fixture has no phone number"))?;
        let request = MfaSetupRequest::new(MfaMethod::Sms, &user.password).phone_number(&number);
        self.pass_over(&number).await?;
        let begun: SetUp = user.client.set_up(request).await.map_err(refused)?;
        let code = self.last_code_to(&number).await?;
        begun.verify(code).await.map_err(refused)?;
        Ok(user)
    }

    /// Makes somebody with a passkey on the sandbox's virtual device; see [`Sandbox::use_passkey`].
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let alice = sandbox.user_with_passkey().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if the sandbox does not answer, or is known by an IP address, for which there are no
    /// passkeys (WebAuthn Level 3 §5.1.2).
    pub async fn user_with_passkey(&self) -> Result<User, Error> {
        self.of_fixture("verifyPasskeyStepUp").await
    }

    /// Makes somebody with an authenticator app and ten recovery codes, none of which was used.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let alice = sandbox.user_with_recovery_codes().await?;
    /// assert_eq!(alice.recovery_codes.len(), 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if the sandbox does not answer.
    pub async fn user_with_recovery_codes(&self) -> Result<User, Error> {
        let mut user = self.user_with_totp().await?;
        let made = user.client.generate_recovery_codes().await;
        user.recovery_codes = made.map_err(refused)?.recovery_codes;
        Ok(user)
    }

    /// Makes somebody who administers the server, with an authenticator app.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    /// let admin = sandbox.administrator().await?;
    /// println!("{} users", admin.client().list_users().await?.total_count);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if the sandbox does not answer.
    pub async fn administrator(&self) -> Result<User, Error> {
        self.of_fixture("createApiKey").await
    }

    /// Makes an API key for your back end. Scopes are those of `POST /identity/api-keys`, such as
    /// `tokens:validate`.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let key = sandbox.api_key(["tokens:validate"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if there is no such scope.
    pub async fn api_key<'a>(
        &self,
        scopes: impl IntoIterator<Item = &'a str>,
    ) -> Result<Secret, Error> {
        let request = CreateApiKeyRequest::new("A back end in a test", scopes);
        let administrator = self.administrator().await?;
        let made = administrator.client.create_api_key(request).await;
        Ok(made.map_err(refused)?.api_key)
    }

    /// Makes the person of a fixture, with the session that the fixture has.
    async fn of_fixture(&self, operation: &str) -> Result<User, Error> {
        let made = self.tools.make_fixture(operation).api("identity").await;
        let made = made.map_err(refused)?;
        let person = made
            .person
            .ok_or(Error::Unfit("a fixture belongs to nobody"))?;
        let bearer = made.bearer.ok_or(Error::Unfit("a fixture has no bearer"))?;
        let client = self.client();
        client.sign_in_with(Session::bearer(bearer));
        // The mails that the fixture itself needed.
        self.pass_over(&person.email).await?;
        let number = made.variables.get("phoneNumber").and_then(Value::as_str);
        Ok(User {
            id: person.id,
            email: person.email,
            password: person.password,
            totp_secret: person.authenticator_secret.map(Secret::from),
            phone_number: person.phone_number.or(number.map(str::to_owned)),
            recovery_codes: person.recovery_codes,
            client,
        })
    }
}
