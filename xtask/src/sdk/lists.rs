//! What the SDK knows about single fields of each document: open enums, secrets, and values that
//! work once.

/// The enums of each document that become open: document, name in the SDK, and the places that have
/// it inline.
///
/// A place is `Schema.property`; if that is a list, its members are meant. A component has no
/// places. A shipped name stays, since it is part of the SDK's interface.
pub const OPEN: &[Listed] = &[
    ("identity", "MfaMethod", &[]),
    (
        "identity",
        "Role",
        &["User.role", "GetCurrentUserAnswer.role"],
    ),
    (
        "identity",
        "Acr",
        &[
            "ExportedSession.acr",
            "OpenSession.acr",
            "SessionInfo.acr",
            "StepUpCompleteResponse.acr",
        ],
    ),
    ("identity", "FactorState", &["MfaFactor.state"]),
    ("identity", "LinkPurpose", &["MagicLinkResponse.purpose"]),
    ("identity", "InvalidReason", &["ValidateTokenAnswer.reason"]),
    (
        "identity",
        "InvalidCodeReason",
        &["InvalidMfaCodeErrorResponse.reason"],
    ),
    (
        "identity",
        "Scope",
        &[
            "ApiKeyInfo.scopes",
            "CreateApiKeyAnswer.scopes",
            "CreateApiKeyRequest.scopes",
        ],
    ),
    ("flashback", "MfaType", &[]),
    (
        "flashback",
        "InvalidCodeReason",
        &["InvalidMfaCodeErrorResponse.reason"],
    ),
    (
        "flashback",
        "UserVerification",
        &["PasskeyAuthOptions.userVerification"],
    ),
    (
        "flashback",
        "OrganisationRole",
        &[
            "OrganizationUser.orgRoleDescription",
            "Profile.orgRoleDescription",
        ],
    ),
    ("netevia", "MfaMethod", &[]),
    (
        "netevia",
        "SignInMethod",
        &[
            "AuthMfaRequiredResponse.mfaMethod",
            "AuthMfaRequiredResponse.mfaMethods",
        ],
    ),
    (
        "netevia",
        "InvalidCodeReason",
        &["InvalidMfaCodeErrorResponse.reason"],
    ),
    (
        "veeam",
        "Role",
        &["TokenResponse.roleName", "User.role", "UserV81.role"],
    ),
    ("veeam", "AskedMethod", &["TokenResponse.mfa_method"]),
    (
        "veeam",
        "InvalidCodeReason",
        &["InvalidMfaCodeErrorResponse.reason"],
    ),
    ("sandbox", "PersonMethod", &[]),
    ("sandbox", "PersonRole", &["SandboxPerson.role"]),
    (
        "sandbox",
        "OrganisationRole",
        &["SandboxPerson.organisationRole"],
    ),
    ("sandbox", "MessageChannel", &[]),
    ("sandbox", "DocumentName", &[]),
];

/// A row of a list: document, name, places.
pub type Listed = (&'static str, &'static str, &'static [&'static str]);

/// Inline objects of the documents: document, name in the SDK, and the places that have it, as in
/// [`OPEN`].
pub const NAMED: &[Listed] = &[
    (
        "identity",
        "InvalidField",
        &["ValidationErrorResponse.errors"],
    ),
    (
        "identity",
        "ReadinessChecks",
        &["ReadinessResponse.checks", "NotReadyErrorResponse.checks"],
    ),
    (
        "flashback",
        "InvalidField",
        &["ValidationErrorResponse.errors"],
    ),
    (
        "netevia",
        "InvalidField",
        &["ValidationErrorResponse.errors"],
    ),
    (
        "sandbox",
        "InvalidField",
        &["ValidationErrorResponse.errors"],
    ),
];

/// Fields of errors that only repeat what the variant says.
pub const UNSAID: &[&str] = &[
    "code",
    "error",
    "status",
    "statusCode",
    "success",
    "title",
    "type",
];

/// Fields that are secret everywhere, alone or in a list.
pub const SECRET_EVERYWHERE: &[&str] = &[
    "accessToken",
    "access_token",
    "apiKey",
    "backupCodes",
    "fullAccessToken",
    "mfaToken",
    "mfa_token",
    "otpauthUri",
    "otpauthUrl",
    "passkeyToken",
    "password",
    "qrCode",
    "qrString",
    "recoveryCodes",
    "refreshToken",
    "refresh_token",
    "registrationToken",
    "scratchCodes",
    "secret",
    "secretKey",
    "token",
];

/// Fields that are secret in what a client sends. In an answer, `code` is the name of an error.
pub const SECRET_IN_REQUESTS: &[&str] = &["code", "mfa_code", "newPassword", "oldPassword"];

/// Fields that work once: everywhere, in a document, or in one operation of it. A request with one of them is
/// never repeated unless the caller asks. One `token` of `identity` is only inspected and stays valid.
pub const ONE_TIME: &[(&str, &str)] = &[
    ("", "code"),
    ("", "mfa_code"),
    ("", "recoveryCode"),
    ("", "refreshToken"),
    ("", "refresh_token"),
    ("", "scratchCode"),
    ("", "scratchCodes"),
    ("flashback", "token"),
    ("identity undoEmailChange", "token"),
    ("netevia", "token"),
    ("veeam", "token"),
];
