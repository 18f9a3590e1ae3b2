//! Every refusal, declared once with code, class and sentence; and the fault, which is the server's own
//! failure.

use std::borrow::Cow;
use std::fmt;

use crate::model::kinds::Scope;

/// What kind of refusal it is. `http/status.rs` maps each class to one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The request cannot be accepted as it is.
    Invalid,
    /// The caller is unknown, or not authenticated well enough.
    Unauthenticated,
    /// The caller is known, but not allowed to do this.
    Forbidden,
    /// What the request names does not exist.
    Missing,
    /// It conflicts with the present state.
    Conflict,
    /// Too many calls. The answer says when to try again.
    TooMany,
    /// The server cannot do it right now. The answer says when to try again.
    Unavailable,
}

/// A field of a request that cannot be accepted: its JSON name, and a sentence about it.
///
/// It never contains the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The JSON name of the field, dotted if nested, or `body` for the whole body.
    pub field: String,
    /// What to do about it. It may contain the value of a setting.
    pub message: Cow<'static, str>,
}

/// Declares the table of refusals.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$fdoc:meta])* $field:ident: $type:ty),+ })? $code:literal $class:ident $sentence:literal;)+) => {
        /// Why a request is refused. A refusal commits what the flow wrote before it.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Refusal {
            $($(#[$doc])* $name $({ $($(#[$fdoc])* $field: $type),+ })?,)+
        }

        impl Refusal {
            /// Returns the stable code for programs.
            pub const fn code(&self) -> &'static str {
                match self { $(Self::$name $({ $($field: _),+ })? => $code,)+ }
            }

            /// Returns the class, which decides the status.
            pub const fn class(&self) -> Class {
                match self { $(Self::$name $({ $($field: _),+ })? => Class::$class,)+ }
            }

            /// Returns one sentence that says what to do.
            pub const fn sentence(&self) -> &'static str {
                match self { $(Self::$name $({ $($field: _),+ })? => $sentence,)+ }
            }
        }
    };
}

refusals! {
    /// Fields of the request cannot be read or accepted.
    Validation {
        /// The fields, each with a sentence.
        errors: Vec<FieldError>
    } "VALIDATION" Invalid "The request could not be accepted. Correct the fields listed in errors and send it again.";
    /// The password that confirms an act is wrong.
    InvalidPassword "INVALID_PASSWORD" Invalid "The password is not correct. Please check it and try again.";
    /// The method is already on.
    MfaAlreadyEnabled "MFA_ALREADY_ENABLED" Invalid "This method is already enabled. Give a further one a name of its own, or disable it first.";
    /// No method is on.
    MfaNotEnabled "MFA_NOT_ENABLED" Invalid "No MFA method is enabled on this account. Set one up first.";
    /// This method is not on.
    MfaMethodNotEnabled "MFA_METHOD_NOT_ENABLED" Invalid "This MFA method is not enabled on this account. Choose one of the enabled methods.";
    /// The challenge reference is unknown, used, or belongs to somebody else.
    MfaTokenInvalid "MFA_TOKEN_INVALID" Invalid "This mfaToken is not valid or was already used. Please start again.";
    /// The challenge has expired.
    MfaTokenExpired "MFA_TOKEN_EXPIRED" Invalid "This mfaToken has expired. Please start again.";
    /// The challenge was made for another purpose.
    MfaWrongPurpose "MFA_WRONG_PURPOSE" Invalid "This mfaToken was issued for another step. Send it to the operation it was issued for.";
    /// The code is wrong.
    InvalidMfaCode {
        /// Tries left for this challenge.
        attempts_remaining: u32
    } "INVALID_MFA_CODE" Invalid "The code is not correct. Check it and try again.";
    /// The code is right but was already used (RFC 6238 §5.2).
    UsedMfaCode {
        /// Tries left for this challenge.
        attempts_remaining: u32,
        /// Seconds until the authenticator shows a code that was not used.
        retry_after: u32
    } "INVALID_MFA_CODE" Invalid "This code was already used. Wait for the next code and try again.";
    /// The method was never set up.
    MfaMethodNotConfigured "MFA_METHOD_NOT_CONFIGURED" Invalid "This MFA method is not set up on this account. Set it up and prove it first.";
    /// The server does not offer this method, or not for this phone number.
    MfaMethodUnavailable "MFA_METHOD_UNAVAILABLE" Invalid "This MFA method is not offered here. Choose another method.";
    /// A passkey's answer cannot be verified.
    PasskeyRefused {
        /// Tries left for this challenge.
        attempts_remaining: u32
    } "PASSKEY_REFUSED" Invalid "The passkey was not accepted. Ask for new options and try again.";
    /// The code is right for another time: the device's clock is wrong.
    AuthenticatorClockOff {
        /// Tries left for this challenge.
        attempts_remaining: u32,
        /// Seconds by which the device's clock is ahead; negative if it is behind.
        offset_seconds: i32
    } "AUTHENTICATOR_CLOCK_OFF" Invalid "The code fits another time. Set the clock of the authenticator's device automatically and try again.";
    /// The user belongs to no organisation.
    NoOrganisation "NO_ORGANISATION" Invalid "This account belongs to no organisation. Register one first.";
    /// Another factor of the same kind, or another account, has this name.
    NameTaken "NAME_TAKEN" Invalid "This name is taken. Choose another one.";
    /// The authenticator that this challenge was to prove no longer exists.
    AuthenticatorNotConfigured "AUTHENTICATOR_NOT_CONFIGURED" Invalid "No authenticator app is being set up on this account. Start the set-up again.";
    /// The method cannot be used for this.
    InvalidMfaMethod "INVALID_MFA_METHOD" Invalid "This MFA method cannot be used here. Choose another method.";
    /// The method's codes are not sent, so they cannot be sent again.
    ResendOnlyForEmail "RESEND_ONLY_FOR_EMAIL" Invalid "Only codes by e-mail or SMS can be sent again. Use your authenticator app or passkey.";
    /// The registration reference is unknown or used.
    RegistrationTokenInvalid "REGISTRATION_TOKEN_INVALID" Invalid "This registrationToken is not valid or was already used. Please register again.";
    /// The registration has expired.
    RegistrationTokenExpired "REGISTRATION_TOKEN_EXPIRED" Invalid "This registration has expired. Please register again.";
    /// The registration's code is wrong.
    InvalidRegistrationCode {
        /// Tries left for this registration.
        attempts_remaining: u32
    } "INVALID_REGISTRATION_CODE" Invalid "The code is not correct. Check the latest e-mail and try again.";
    /// The link or the code for a new password is unknown, used, or replaced by a newer one.
    ResetTokenInvalid "RESET_TOKEN_INVALID" Invalid "This link or code is not valid or was already used. Please ask for a new mail.";
    /// The link or the code for a new password has expired.
    ResetTokenExpired "RESET_TOKEN_EXPIRED" Invalid "This link or code has expired. Please ask for a new mail.";
    /// The code for a new password is wrong.
    InvalidResetCode {
        /// Tries left for the code of this mail.
        attempts_remaining: u32
    } "INVALID_RESET_CODE" Invalid "The code is not correct. Check the latest e-mail and try again.";
    /// The address is unknown or the password is wrong: one answer for both (ASVS 6.3.8).
    InvalidCredentials "INVALID_CREDENTIALS" Unauthenticated "The e-mail address or the password is not correct. Please check both and try again.";
    /// The token is missing, forged or of another kind, or its session has ended.
    TokenInvalid {
        /// Whether a token was sent at all. Only then does the header have an `error` (RFC 6750 §3).
        sent: bool
    } "TOKEN_INVALID" Unauthenticated "The token is missing or not valid. Please sign in again.";
    /// The token was valid, but has expired.
    TokenExpired "TOKEN_EXPIRED" Unauthenticated "The token has expired. Refresh it, or sign in again.";
    /// The session's proof is too old or too weak for this act (RFC 9470).
    InsufficientUserAuthentication {
        /// The greatest age of the proof, in seconds.
        max_age: u32
    } "INSUFFICIENT_USER_AUTHENTICATION" Unauthenticated "This needs a sign-in of the last minutes, second step included. Step up or sign in again, and repeat the request.";
    /// The API key is unknown, expired, deleted or mistyped.
    ApiKeyInvalid "API_KEY_INVALID" Unauthenticated "The API key is missing or not valid. Check the X-API-Key header, or ask an administrator for a new key.";
    /// The caller lacks the administrator role.
    Forbidden "FORBIDDEN" Forbidden "This needs the administrator role. Ask an administrator to do it or to give you the role.";
    /// A member of an organisation cannot act on an administrator of the server.
    BeyondServerAdministrator "FORBIDDEN" Forbidden "This user is an administrator of the server. Ask another administrator of the server to do it.";
    /// An administrator of an organisation cannot act on its owners.
    BeyondOwner "FORBIDDEN" Forbidden "This user is an owner of the organisation. Ask an owner or an administrator of the server to do it.";
    /// The credentials lack a scope.
    InsufficientScope {
        /// The missing scope.
        scope: Scope
    } "INSUFFICIENT_SCOPE" Forbidden "The credentials do not carry the scope this needs. Use an API key that has the scope named in scope.";
    /// A policy demands a second factor, and this would remove the last one.
    MfaEnforced "MFA_ENFORCED" Forbidden "Your organisation demands a second factor. Set up another method before you turn this one off.";
    /// The method was added after the session began, so it cannot prove the person in it.
    MfaMethodTooNew "MFA_METHOD_TOO_NEW" Forbidden "This method was added after this session began. Use an older method, or sign in again.";
    /// Too many wrong codes have locked the method.
    MfaMethodLocked "MFA_METHOD_LOCKED" Forbidden "This method is locked after too many wrong codes. Use another method or ask an administrator for help.";
    /// The user was deleted or disabled since the step before.
    UserNotFound "USER_NOT_FOUND" Missing "This account no longer exists. Please register again.";
    /// No user has this number or id.
    UnknownUser "USER_NOT_FOUND" Missing "There is no user with this id. List the users to find the right one.";
    /// The user has no factor with this id.
    FactorNotFound "FACTOR_NOT_FOUND" Missing "There is no MFA method with this id on your account. List the methods to find the right one.";
    /// The user has no open session with this id.
    SessionNotFound "SESSION_NOT_FOUND" Missing "There is no open session with this id. List the sessions to find the right one.";
    /// No API key has this id.
    ApiKeyNotFound "API_KEY_NOT_FOUND" Missing "There is no API key with this id. List the keys to find the right one.";
    /// No operation has this path.
    NotFound "NOT_FOUND" Missing "There is nothing at this address. Check the path against the API description.";
    /// The server would have no administrator left.
    LastAdministrator "LAST_ADMINISTRATOR" Conflict "This is the last administrator. Make somebody else an administrator first.";
    /// The caller already has the greatest number of live API keys.
    ApiKeyLimit "API_KEY_LIMIT" Conflict "You have reached the limit of live API keys. Delete one that is no longer needed and try again.";
    /// All tries of the challenge are used. A new challenge can be started at once.
    MfaChallengeUsedUp "TOO_MANY_MFA_ATTEMPTS" TooMany "All tries of this mfaToken are used up. Please start again.";
    /// The method accepts no codes for now.
    TooManyMfaAttempts {
        /// Seconds until it does again.
        retry_after: u32
    } "TOO_MANY_MFA_ATTEMPTS" TooMany "Too many wrong codes. Wait for the time given in retryAfter and start again.";
    /// The account reached its limit of mailed codes.
    TooManyMfaEmails {
        /// Seconds until the next one may be sent.
        retry_after: u32
    } "TOO_MANY_MFA_EMAILS" TooMany "Too many codes were sent to this account. Wait for the time given in retryAfter and try again.";
    /// The account or the phone number reached its limit of text messages.
    TooManyMfaSms {
        /// Seconds until the next one may be sent.
        retry_after: u32
    } "TOO_MANY_MFA_SMS" TooMany "Too many SMS were sent to this account or number. Wait for the time given in retryAfter or use another method.";
    /// The challenge reached its limit of resends.
    MaxResendLimit {
        /// Seconds until a new challenge may send a code.
        retry_after: u32
    } "MAX_RESEND_LIMIT" TooMany "The code cannot be sent again for this mfaToken. Wait for the time given in retryAfter and start again.";
    /// The last code of the challenge was sent too recently.
    ResendCooldown {
        /// Seconds until it may be sent again.
        retry_after: u32
    } "RESEND_COOLDOWN" TooMany "A code was sent a moment ago. Check your inbox, or wait for the time given in retryAfter and try again.";
    /// Too many wrong passwords for this address from this network.
    TooManyPasswordAttempts {
        /// Seconds until the next password is compared.
        retry_after: u32
    } "TOO_MANY_PASSWORD_ATTEMPTS" TooMany "Too many wrong passwords. Wait for the time given in retryAfter and try again.";
    /// All tries of the registration are used.
    TooManyRegistrationAttempts {
        /// Seconds until a new registration can be started.
        retry_after: u32
    } "TOO_MANY_REGISTRATION_ATTEMPTS" TooMany "Too many wrong codes. Wait for the time given in retryAfter and register again.";
    /// All tries of the code for a new password are used, or too many wrong ones came for this address.
    TooManyResetAttempts {
        /// Seconds until another code can be judged.
        retry_after: u32
    } "TOO_MANY_RESET_ATTEMPTS" TooMany "Too many wrong codes. Open the link in the e-mail, or wait for the time given in retryAfter and ask for a new mail.";
    /// The network or the account made too many calls of a kind that is limited.
    TooManyRequests {
        /// Seconds until the next call is accepted.
        retry_after: u32
    } "TOO_MANY_REQUESTS" TooMany "This was asked for too often. Wait for the time given in retryAfter and try again.";
    /// A queue is full, or the server's mails of this hour are used. Nothing was done.
    Busy {
        /// Seconds after which to try again.
        retry_after: u32
    } "SERVICE_UNAVAILABLE" Unavailable "The service is busy. Wait for the time given in retryAfter and try again.";
}

impl Refusal {
    /// Returns the refusal of one field.
    pub fn field(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Validation {
            errors: vec![FieldError {
                field: field.to_owned(),
                message: message.into(),
            }],
        }
    }
}

/// A failure of the server or of a part it depends on. It is rolled back, logged once, and never shown to
/// clients.
#[derive(Debug)]
pub struct Fault {
    /// Whether a dependency failed (503, try again) and not the server's own code (500).
    pub dependency: bool,
    /// What happened, for the log only.
    pub cause: anyhow::Error,
}

impl Fault {
    /// A bug of this server: status 500.
    pub fn bug(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            dependency: false,
            cause: cause.into(),
        }
    }

    /// A dependency that fails: status 503.
    pub fn dependency(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            dependency: true,
            cause: cause.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.cause)
    }
}

/// Why an operation failed. A refusal commits what was written before it, a fault rolls it back.
#[derive(Debug)]
pub enum Error {
    /// The caller may not do this, or must do it differently.
    Refused(Refusal),
    /// The server or a part it depends on failed.
    Fault(Fault),
}

/// What flows, factors and the store return.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<anyhow::Error> for Error {
    fn from(cause: anyhow::Error) -> Self {
        Self::Fault(Fault::bug(cause))
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::DatabaseErrorKind as Kind;
        use diesel::result::Error as Diesel;
        let dependency = match &error {
            // Both drivers report a lock, a full disk, an I/O error and a server that is shutting down as
            // `Unknown`.
            Diesel::DatabaseError(
                Kind::ClosedConnection
                | Kind::UnableToSendCommand
                | Kind::SerializationFailure
                | Kind::ReadOnlyTransaction
                | Kind::Unknown,
                _,
            )
            | Diesel::BrokenTransactionManager => true,
            _ => false,
        };
        let cause = anyhow::Error::new(error).context("database");
        Self::Fault(Fault { dependency, cause })
    }
}
