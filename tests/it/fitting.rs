//! Which kinds of references fit where, and how an answer shows that one was accepted.

use contract_tests::Answer;
use contract_tests::contract::Operation;

/// What waits for the second step of a sign-in.
const LOGINS: [&str; 2] = ["login", "login by a passkey"];

/// What waits for the proof of a method.
const SETUPS: [&str; 3] = ["setup", "setup of a passkey", "setup of the mailbox"];

/// What waits for further proof in a session.
const STEP_UPS: [&str; 2] = ["step-up", "step-up by a passkey"];

/// What waits for the second step of a sign-in or of a new password.
const LOGINS_AND_RESETS: [&str; 3] = [LOGINS[0], LOGINS[1], "reset"];

/// What Netevia's codes can answer.
const LOGINS_AND_SETUPS: [&str; 5] = [LOGINS[0], LOGINS[1], SETUPS[0], SETUPS[1], SETUPS[2]];

/// Everything that waits for a code.
const CHALLENGES: [&str; 9] = [
    "disable",
    "reset",
    LOGINS[0],
    LOGINS[1],
    SETUPS[0],
    SETUPS[1],
    SETUPS[2],
    STEP_UPS[0],
    STEP_UPS[1],
];

/// Returns the kinds of references that fit a field of an operation. A field that is not listed
/// makes the test fail.
pub fn fitting(operation: &Operation, field: &str) -> Option<&'static [&'static str]> {
    Some(match (operation.name().as_str(), field) {
        ("identity verifyRegistration", "registrationToken") => &["registration"],
        (_, "refreshToken" | "refresh_token") => &["refresh"],
        // Validates any token, for a service with a key.
        ("identity validateToken", "token") => &["access"],
        ("identity verifyMfaSetup" | "identity verifyPasskeySetup", "mfaToken")
        | ("veeam acceptMfa" | "veeam acceptMfaV81", "token") => &SETUPS,
        ("identity verifyPasswordReset" | "identity verifyPasskeyPasswordReset", "mfaToken") => {
            &["reset"]
        }
        ("identity resetPassword" | "flashback resetPassword", "token") => &["link of reset"],
        ("identity undoEmailChange", "token") => &["link of undo"],
        ("identity switchMfaMethod" | "identity getPasskeyOptions", "mfaToken") => {
            &LOGINS_AND_RESETS
        }
        (
            "identity verifyMfaLogin"
            | "identity verifyPasskeyLogin"
            | "netevia completeAuthentication",
            "mfaToken",
        )
        | ("veeam requestToken", "mfa_token") => &LOGINS,
        ("identity verifyMfaDisable", "mfaToken") => &["disable"],
        ("identity resendMfaCode", "mfaToken") => &CHALLENGES,
        ("identity verifyStepUp" | "identity verifyPasskeyStepUp", "mfaToken") => &STEP_UPS,
        ("netevia sendVerificationCode" | "netevia checkVerificationCode", "mfaToken") => {
            &LOGINS_AND_SETUPS
        }
        ("identity openMagicLink", "token") => &[
            "link of disable",
            "link of login",
            "link of setup",
            "link of step-up",
        ],
        ("identity signInWithPasskey", "passkeyToken") => &["passkey"],
        // Another name of `code`. A mailed link also answers a challenge.
        ("netevia completeAuthentication" | "flashback verifyMfaLogin", "token") => {
            &["link of login"]
        }
        ("flashback activateMagicLink", "token") => &["link of setup"],
        ("flashback preVerifyEmail" | "flashback verifyEmail", "token") => &["registration link"],
        _ => return None,
    })
}

/// Tells whether an answer shows that the reference was accepted: then only the code beside it is
/// wrong. A reference that answers a challenge itself is accepted if nothing is wrong.
pub fn took(answer: &Answer, fits: &[&str]) -> bool {
    let beyond = [
        "AUTHENTICATOR_CLOCK_OFF",
        "INVALID_MFA_CODE",
        "INVALID_REGISTRATION_CODE",
        "PASSKEY_REFUSED",
        "RESEND_COOLDOWN",
        "RESEND_ONLY_FOR_EMAIL",
    ];
    if let Some(judged) = answer["valid"].as_bool() {
        return judged;
    }
    let answers = fits.iter().any(|kind| kind.starts_with("link"));
    let code = answer["code"].as_str();
    // The link is right, and the account has a second factor beside it.
    let needs_more = code == Some("MFA_REQUIRED");
    let wrong_beside = !answers && code.is_some_and(|code| beyond.contains(&code));
    answer.status < 300 || needs_more || wrong_beside
}

/// Tells whether a call with this answer leaves the references unchanged.
pub fn changes_nothing(operation: &Operation, answer: &Answer) -> bool {
    // A sign-in with a passkey alone is over once it is answered.
    match operation.name().as_str() {
        "identity signInWithPasskey" => false,
        "identity validateToken" => true,
        _other => answer.status >= 400,
    }
}
