//! What the SDK knows of single fields, document by document: open enums, secrets, and what works once.

/// The enums of each document that become open: document, name in the SDK, the places that have it inline.
///
/// A place is `Schema.property`; of a list, its members are meant. A component of its own has no places. A name once
/// shipped stays: it is part of the SDK's interface.
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
        &["SessionInfo.acr", "StepUpCompleteResponse.acr"],
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

/// A row of the list: document, name, places.
pub type Listed = (&'static str, &'static str, &'static [&'static str]);

/// Objects that stand inline in the document: document, name in the SDK, the places that have it inline, as in [`OPEN`].
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

/// Fields of errors that say nothing which the variant does not say.
pub const UNSAID: &[&str] = &[
    "code",
    "error",
    "status",
    "statusCode",
    "success",
    "title",
    "type",
];

/// Fields that are secret wherever they stand, alone or in a list.
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

/// Fields that are secret in what a client sends; in an answer, `code` is the name of an error.
pub const SECRET_IN_REQUESTS: &[&str] = &["code", "mfa_code", "newPassword", "oldPassword"];

/// Fields that work once: a request that carries one is never repeated without being asked. Of the `token`s, one of
/// `identity` is looked at and stays good.
pub const ONE_TIME: &[(&str, &str)] = &[
    ("", "code"),
    ("", "mfa_code"),
    ("", "recoveryCode"),
    ("", "refreshToken"),
    ("", "refresh_token"),
    ("", "scratchCode"),
    ("", "scratchCodes"),
    ("flashback", "token"),
    ("netevia", "token"),
    ("veeam", "token"),
];
