//! Flows of more than one call, as conversations that the compiler checks: what is open can be answered, and
//! what was answered cannot be answered again.

use std::error::Error;
use std::fmt;

use super::Client;
use super::types::{
    BeginStepUpError, DisableMfaError, GetPasskeyOptionsError, LoginAnswer, LoginError,
    LoginRequest, MfaDisableRequest, MfaLoginVerifyResponse, MfaMethod, MfaResendRequest,
    MfaSetupRequest, MfaSetupResponse, MfaSwitchMethodRequest, MfaVerifyDisableResponse,
    MfaVerifyRequest, MfaVerifySetupResponse, PasskeyCredential, PasskeyOptionsRequest,
    PasskeyOptionsResponse, PasskeyVerifyRequest, RegisterRequest, RegisterUserError,
    RegisterVerifyRequest, ResendMfaCodeError, SetupMfaError, StepUpChallengeResponse,
    StepUpCompleteResponse, StepUpRequest, StepUpResponse, SwitchMfaMethodError, TokenResponse,
    User, VerifyMfaDisableError, VerifyMfaLoginError, VerifyMfaSetupError, VerifyPasskeyLoginError,
    VerifyPasskeySetupError, VerifyPasskeyStepUpError, VerifyRegistrationError, VerifyStepUpError,
};
use crate::{Failure, Lifted, Problem, Secret};

/// A step that was refused, and what is still open.
///
/// Match on `error` to find out whether another try makes sense:
///
/// ```no_run
/// # use countersign_sdk::identity::types::VerifyMfaLoginError;
/// # use countersign_sdk::identity::{Challenge, Refused};
/// # use countersign_sdk::Failure;
/// # async fn answer(mut challenge: Challenge) -> Result<(), Failure> {
/// loop {
///     match challenge.answer("123456").await {
///         Ok(_signed_in) => return Ok(()),
///         Err(Refused {
///             open,
///             error: VerifyMfaLoginError::InvalidMfaCode { attempts_remaining, .. },
///         }) if attempts_remaining > 0 => challenge = open,
///         Err(refused) => return Err(refused.into()),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Refused<O, E> {
    /// What was asked before. It can be answered again, unless `error` says that it is over.
    pub open: O,
    /// Why the step was refused.
    pub error: E,
}

impl<O, E: fmt::Display> fmt::Display for Refused<O, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl<O: fmt::Debug, E: Error> Error for Refused<O, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl<O: fmt::Debug, E: Problem> Problem for Refused<O, E> {
    fn failure(&self) -> &Failure {
        self.error.failure()
    }
}

impl<O, E: Into<Failure>> From<Refused<O, E>> for Failure {
    fn from(refused: Refused<O, E>) -> Self {
        refused.error.into()
    }
}

/// Gives back what is still open together with an error.
fn kept<O, T, E>(open: O, done: Result<T, E>) -> Result<(O, T), Refused<O, E>> {
    match done {
        Ok(done) => Ok((open, done)),
        Err(error) => Err(Refused { open, error }),
    }
}

/// Where a sign-in stands after the password.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignIn {
    /// The user is signed in: the client makes further calls as this user.
    Done(SignedIn),
    /// A second factor is asked for.
    Challenge(Challenge),
}

/// A user who has just signed in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedIn {
    /// The user.
    pub user: User,
    /// How many recovery codes are left, if one was used.
    pub recovery_codes_remaining: Option<u32>,
}

impl SignedIn {
    fn of(client: &Client, answer: TokenResponse) -> Self {
        client.sign_in_with(&answer);
        Self {
            user: answer.user,
            recovery_codes_remaining: None,
        }
    }

    fn proved(client: &Client, answer: MfaLoginVerifyResponse) -> Self {
        client.sign_in_with(&answer);
        Self {
            user: answer.user,
            recovery_codes_remaining: answer.recovery_codes_remaining,
        }
    }
}

/// The password was right, and a second factor is asked for.
#[derive(Clone, Debug)]
pub struct Challenge {
    client: Client,
    mfa_token: Secret,
    method: MfaMethod,
    methods: Vec<MfaMethod>,
    message: String,
    resend_after: Option<u32>,
}

impl Challenge {
    /// Returns the method that is asked for now.
    #[must_use]
    pub fn method(&self) -> &MfaMethod {
        &self.method
    }

    /// Returns all methods to switch to, the current one included.
    #[must_use]
    pub fn methods(&self) -> &[MfaMethod] {
        &self.methods
    }

    /// Returns one sentence for the user: where to find the code.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns in how many seconds another code may be sent, after [`Challenge::resend`].
    #[must_use]
    pub fn resend_after(&self) -> Option<u32> {
        self.resend_after
    }

    /// Sends what the user typed: the code of the method, or a recovery code. Then the client makes further
    /// calls as this user.
    ///
    /// # Errors
    /// Gives the challenge back with the reason, for example a wrong code and the tries that are left.
    pub async fn answer(
        self,
        code: impl Into<Secret>,
    ) -> Result<SignedIn, Refused<Self, VerifyMfaLoginError>> {
        let proof = MfaVerifyRequest::new(self.mfa_token.clone(), code);
        let done = self.client.verify_mfa_login(proof).await;
        kept(self, done).map(|(this, answer)| SignedIn::proved(&this.client, answer))
    }

    /// Lets the user finish by another method. A code by mail or SMS is sent now.
    ///
    /// # Errors
    /// Gives the challenge back with the reason, for example a method that is not on.
    pub async fn switch_to(
        self,
        method: MfaMethod,
    ) -> Result<Self, Refused<Self, SwitchMfaMethodError>> {
        let request = MfaSwitchMethodRequest::new(self.mfa_token.clone(), method);
        let done = self.client.switch_mfa_method(request).await;
        kept(self, done).map(|(this, answer)| Self {
            mfa_token: answer.mfa_token,
            method: answer.method,
            message: answer.message,
            resend_after: None,
            ..this
        })
    }

    /// Sends another code by mail or SMS.
    ///
    /// # Errors
    /// Gives the challenge back with the reason, for example how long to wait.
    pub async fn resend(self) -> Result<Self, Refused<Self, ResendMfaCodeError>> {
        let request = MfaResendRequest::new(self.mfa_token.clone());
        let done = self.client.resend_mfa_code(request).await;
        kept(self, done).map(|(this, answer)| Self {
            mfa_token: answer.mfa_token,
            message: answer.message,
            resend_after: Some(answer.retry_after),
            ..this
        })
    }

    /// Fetches the options for a passkey, which the browser or the platform's API takes. They are good for
    /// one answer.
    ///
    /// # Errors
    /// Says why there are none, for example that no passkey is on.
    pub async fn passkey_options(&self) -> Result<PasskeyOptionsResponse, GetPasskeyOptionsError> {
        let request = PasskeyOptionsRequest::new(self.mfa_token.clone());
        self.client.get_passkey_options(request).await
    }

    /// Finishes with what the passkey answered to [`Challenge::passkey_options`].
    ///
    /// # Errors
    /// Gives the challenge back with the reason.
    pub async fn passkey(
        self,
        credential: impl Into<PasskeyCredential>,
    ) -> Result<SignedIn, Refused<Self, VerifyPasskeyLoginError>> {
        let proof = PasskeyVerifyRequest::new(self.mfa_token.clone(), credential);
        let done = self.client.verify_passkey_login(proof).await;
        kept(self, done).map(|(this, answer)| SignedIn::proved(&this.client, answer))
    }
}

/// A registration whose address is still to be proved.
#[derive(Clone, Debug)]
pub struct Registration {
    client: Client,
    registration_token: Secret,
    message: String,
}

impl Registration {
    /// Returns one sentence for the user: where to find the code.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Proves the address with the code from the mail. Then the client makes further calls as this user.
    ///
    /// # Errors
    /// Gives the registration back with the reason, for example a wrong code.
    pub async fn verify(
        self,
        code: impl Into<Secret>,
    ) -> Result<SignedIn, Refused<Self, VerifyRegistrationError>> {
        let proof = RegisterVerifyRequest::new(self.registration_token.clone(), code);
        let done = self.client.verify_registration(proof).await;
        kept(self, done).map(|(this, answer)| SignedIn::of(&this.client, answer))
    }
}

/// A method that is being set up. Sign-in asks for it once it is proved.
#[derive(Clone, Debug)]
pub struct SetUp {
    client: Client,
    mfa_token: Secret,
    details: MfaSetupResponse,
}

impl SetUp {
    /// Returns what the user needs: an app's secret and QR code, or the options for a new passkey.
    #[must_use]
    pub fn details(&self) -> &MfaSetupResponse {
        &self.details
    }

    /// Proves the method with its first code, which turns it on.
    ///
    /// # Errors
    /// Gives the set-up back with the reason, for example a wrong code.
    pub async fn verify(
        self,
        code: impl Into<Secret>,
    ) -> Result<MfaVerifySetupResponse, Refused<Self, VerifyMfaSetupError>> {
        let proof = MfaVerifyRequest::new(self.mfa_token.clone(), code);
        let done = self.client.verify_mfa_setup(proof).await;
        kept(self, done).map(|(_, answer)| answer)
    }

    /// Proves a passkey with what it answered to the options in [`SetUp::details`].
    ///
    /// # Errors
    /// Gives the set-up back with the reason.
    pub async fn verify_passkey(
        self,
        credential: impl Into<PasskeyCredential>,
    ) -> Result<MfaVerifySetupResponse, Refused<Self, VerifyPasskeySetupError>> {
        let proof = PasskeyVerifyRequest::new(self.mfa_token.clone(), credential);
        let done = self.client.verify_passkey_setup(proof).await;
        kept(self, done).map(|(_, answer)| answer)
    }

    /// Sends another code by mail or SMS.
    ///
    /// # Errors
    /// Gives the set-up back with the reason, for example how long to wait.
    pub async fn resend(self) -> Result<Self, Refused<Self, ResendMfaCodeError>> {
        let request = MfaResendRequest::new(self.mfa_token.clone());
        let done = self.client.resend_mfa_code(request).await;
        kept(self, done).map(|(this, answer)| Self {
            mfa_token: answer.mfa_token,
            ..this
        })
    }
}

/// A method that is being turned off. It stays on until a code confirms that.
#[derive(Clone, Debug)]
pub struct TurnOff {
    client: Client,
    mfa_token: Secret,
    message: String,
}

impl TurnOff {
    /// Returns one sentence for the user: where to find the code.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Turns the method off with its code, or a recovery code.
    ///
    /// # Errors
    /// Gives the conversation back with the reason, for example a wrong code.
    pub async fn verify(
        self,
        code: impl Into<Secret>,
    ) -> Result<MfaVerifyDisableResponse, Refused<Self, VerifyMfaDisableError>> {
        let proof = MfaVerifyRequest::new(self.mfa_token.clone(), code);
        let done = self.client.verify_mfa_disable(proof).await;
        kept(self, done).map(|(_, answer)| answer)
    }
}

/// Where a step-up stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SteppingUp {
    /// The session has fresh proof, and the client continues with its new access token. Return this from the
    /// callback of [`Builder::step_up`](crate::Builder::step_up); elsewhere it can be dropped.
    Done(Lifted),
    /// A second factor is asked for.
    Challenge(StepUpChallenge),
}

/// A second factor is asked for, in a session that is open.
#[derive(Clone, Debug)]
pub struct StepUpChallenge {
    client: Client,
    /// How often somebody had signed in or out when this began.
    sign_ins: u64,
    asked: StepUpChallengeResponse,
}

impl StepUpChallenge {
    /// Returns what is asked for: the method, a sentence for the user, the options for a passkey.
    #[must_use]
    pub fn asked(&self) -> &StepUpChallengeResponse {
        &self.asked
    }

    /// Sends what the user typed: the code of the method, or a recovery code. Then the client continues
    /// with the new access token, unless somebody else has signed in meanwhile.
    ///
    /// # Errors
    /// Gives the challenge back with the reason, for example a wrong code.
    pub async fn answer(
        self,
        code: impl Into<Secret>,
    ) -> Result<Lifted, Refused<Self, VerifyStepUpError>> {
        let proof = MfaVerifyRequest::new(self.asked.mfa_token.clone(), code);
        let done = self.client.verify_step_up(proof).await;
        let (this, answer) = kept(self, done)?;
        Ok(lifted(&this.client, &answer, this.sign_ins).await)
    }

    /// Finishes with what a passkey answered to the options in [`StepUpChallenge::asked`]. Then the client
    /// continues with the new access token, as after [`StepUpChallenge::answer`].
    ///
    /// # Errors
    /// Gives the challenge back with the reason.
    pub async fn passkey(
        self,
        credential: impl Into<PasskeyCredential>,
    ) -> Result<Lifted, Refused<Self, VerifyPasskeyStepUpError>> {
        let proof = PasskeyVerifyRequest::new(self.asked.mfa_token.clone(), credential);
        let done = self.client.verify_passkey_step_up(proof).await;
        let (this, answer) = kept(self, done)?;
        Ok(lifted(&this.client, &answer, this.sign_ins).await)
    }
}

/// Gives the session of a client its fresh proof, unless somebody else has signed in since.
async fn lifted(client: &Client, answer: &StepUpCompleteResponse, sign_ins: u64) -> Lifted {
    let lifted = Lifted::from(answer);
    client.core.lift(&lifted, sign_ins).await;
    lifted
}

/// The flows of more than one call, each as a conversation.
impl Client {
    /// Begins a sign-in.
    ///
    /// ```no_run
    /// # async fn example(client: countersign_sdk::Client) -> Result<(), countersign_sdk::Failure> {
    /// use countersign_sdk::identity::SignIn;
    ///
    /// match client.sign_in("alice@example.com", "correct horse battery staple").await? {
    ///     SignIn::Done(_) => {}
    ///     SignIn::Challenge(challenge) => {
    ///         println!("{}", challenge.message());
    ///         challenge.answer("123456").await?;
    ///     }
    ///     other => panic!("this program is too old for {other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Says why the password was refused.
    pub async fn sign_in(
        &self,
        email: impl Into<String>,
        password: impl Into<Secret>,
    ) -> Result<SignIn, LoginError> {
        Ok(
            match self.login(LoginRequest::new(email, password)).await? {
                LoginAnswer::SignedIn(answer) => SignIn::Done(SignedIn::of(self, answer)),
                LoginAnswer::MfaRequired(asked) => SignIn::Challenge(Challenge {
                    client: self.clone(),
                    mfa_token: asked.mfa_token,
                    method: asked.method,
                    methods: asked.mfa_methods,
                    message: asked.message,
                    resend_after: None,
                }),
            },
        )
    }

    /// Begins a registration. A code is mailed to the address.
    ///
    /// # Errors
    /// Says why it was refused, for example that the password is too short.
    pub async fn register(
        &self,
        request: RegisterRequest,
    ) -> Result<Registration, RegisterUserError> {
        let answer = self.register_user(request).await?;
        Ok(Registration {
            client: self.clone(),
            registration_token: answer.registration_token,
            message: answer.message,
        })
    }

    /// Begins to set a method up.
    ///
    /// # Errors
    /// Says why it was refused, for example a wrong password.
    pub async fn set_up(&self, request: MfaSetupRequest) -> Result<SetUp, SetupMfaError> {
        let details = self.setup_mfa(request).await?;
        let mfa_token = match &details {
            MfaSetupResponse::Email(answer) => &answer.mfa_token,
            MfaSetupResponse::Authenticator(answer) => &answer.mfa_token,
            MfaSetupResponse::Sms(answer) => &answer.mfa_token,
            MfaSetupResponse::Passkey(answer) => &answer.mfa_token,
        };
        Ok(SetUp {
            client: self.clone(),
            mfa_token: mfa_token.clone(),
            details,
        })
    }

    /// Begins a step-up: fresh proof in the open session. While no method is on, the request needs the password.
    /// At its end the client continues with the new access token, which shows the proof to your services.
    ///
    /// ```no_run
    /// # async fn example(client: countersign_sdk::Client) -> Result<(), countersign_sdk::Failure> {
    /// use countersign_sdk::identity::{SteppingUp, types::StepUpRequest};
    ///
    /// if let SteppingUp::Challenge(challenge) = client.step_up(StepUpRequest::new()).await? {
    ///     println!("{}", challenge.asked().message);
    ///     challenge.answer("123456").await?;
    /// }
    /// client.generate_recovery_codes().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Says why it was refused.
    pub async fn step_up(&self, request: StepUpRequest) -> Result<SteppingUp, BeginStepUpError> {
        let sign_ins = self.core.sign_ins();
        Ok(match self.begin_step_up().body(request).await? {
            StepUpResponse::SteppedUp(answer) => {
                SteppingUp::Done(lifted(self, &answer, sign_ins).await)
            }
            StepUpResponse::MfaRequired(asked) => SteppingUp::Challenge(StepUpChallenge {
                client: self.clone(),
                sign_ins,
                asked,
            }),
        })
    }

    /// Begins to turn a method off.
    ///
    /// # Errors
    /// Says why it was refused, for example a wrong password.
    pub async fn turn_off(&self, request: MfaDisableRequest) -> Result<TurnOff, DisableMfaError> {
        let answer = self.disable_mfa(request).await?;
        Ok(TurnOff {
            client: self.clone(),
            mfa_token: answer.mfa_token,
            message: answer.message,
        })
    }
}
