//! The limits and lifetimes as plain numbers that flows and rules take; `server/PARAMETERS.md` says where each comes from.

/// Limits and lifetimes. Times are in seconds unless said otherwise.
///
/// `config.rs` reads them, within their bounds, and documents them for operators.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Fewest code points of a new password.
    pub password_min: u32,
    /// Most code points of a new password; 256 of them, the most that can be set, have 1,024 bytes at most.
    pub password_max: u32,
    /// Digits of a code by mail or text message.
    pub code_digits: u32,
    /// Tries per challenge or registration.
    pub tries_per_challenge: u32,
    /// Lifetime of a mailed code.
    pub mail_code_seconds: u32,
    /// Lifetime of a code sent as a text message.
    pub sms_code_seconds: u32,
    /// Wrong codes since the last right one after which waits start.
    pub soft_limit: u32,
    /// The first wait; it doubles with each further wrong code.
    pub wait_first_seconds: u32,
    /// The longest wait.
    pub wait_max_seconds: u32,
    /// Wrong codes since the last right one that stop the factor.
    pub hard_limit: u32,
    /// Live challenges per account; the oldest dies.
    pub challenges_per_account: u32,
    /// Wrong passwords per address and source before waits start.
    pub password_free_tries: u32,
    /// The longest wait after wrong passwords; the first is one second, doubling.
    pub password_wait_max_seconds: u32,
    /// Lifetime of a challenge.
    pub challenge_seconds: u32,
    /// Whether the step after the current one is accepted as well.
    pub totp_accept_next_step: bool,
    /// The first resend cooldown; it doubles with each resend.
    pub resend_cooldown_seconds: u32,
    /// Resends per challenge.
    pub resends_per_challenge: u32,
    /// Code mails per account and hour.
    pub code_mails_per_hour: u32,
    /// Code mails per account and day.
    pub code_mails_per_day: u32,
    /// Notices per account and hour.
    pub notices_per_hour: u32,
    /// Notices per account and day.
    pub notices_per_day: u32,
    /// Registration mails per address and hour, a budget of their own.
    pub registration_mails_per_hour: u32,
    /// Mail-causing calls per source and hour.
    pub mail_calls_per_source: u32,
    /// Sign-ins by passkey alone that a source may begin per hour.
    pub passkey_sign_ins_per_source: u32,
    /// Mails of all kinds per hour over the whole server; 0 for no such limit.
    pub mails_per_hour: u32,
    /// Lifetime of a mailed link, and of a challenge that mailed one.
    pub magic_link_seconds: u32,
    /// Text messages per number and hour.
    pub sms_per_number_hour: u32,
    /// Text messages per number and day.
    pub sms_per_number_day: u32,
    /// Text messages per hour to numbers with the same first seven digits.
    pub sms_per_prefix_hour: u32,
    /// Text messages per account and day.
    pub sms_per_account_day: u32,
    /// Text messages per day over the whole server.
    pub sms_per_day: u32,
    /// Sets of recovery or scratch codes that an account may have made per hour: each costs a slow hash
    /// for every code.
    pub code_sets_per_hour: u32,
    /// Lifetime of the link that proves a new address.
    pub address_link_seconds: u32,
    /// Lifetime of an access token.
    pub access_token_seconds: u32,
    /// A session's overall lifetime.
    pub session_seconds: u32,
    /// A session's idle time.
    pub session_idle_seconds: u32,
    /// How long a refresh token that was exchanged gets the same successor once more; 0 for never.
    pub refresh_reuse_seconds: u32,
    /// How fresh a sign-in must be to change factors.
    pub fresh_for_factors_seconds: u32,
    /// How fresh a sign-in must be for administration and API keys.
    pub fresh_for_administration_seconds: u32,
    /// Clock leeway when tokens are judged.
    pub token_leeway_seconds: u32,
    /// Lifetime of a pending enrolment.
    pub enrolment_seconds: u32,
    /// An API key's lifetime when none is asked for, in days.
    pub api_key_default_days: u32,
    /// An API key's longest lifetime, in days.
    pub api_key_max_days: u32,
    /// Live API keys per user.
    pub api_keys_per_user: u32,
    /// How long ended challenges and registrations are kept.
    pub keep_challenges_seconds: u32,
    /// How long ended sessions are kept.
    pub keep_sessions_seconds: u32,
    /// How long audit events are kept.
    pub keep_audit_seconds: u32,
    /// How long the courier tries to deliver a notice that carries no code.
    pub notice_seconds: u32,
    /// Notices waiting at most.
    pub courier_queue: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            password_min: 15,
            password_max: 256,
            code_digits: 6,
            tries_per_challenge: 5,
            mail_code_seconds: 600,
            magic_link_seconds: 900,
            sms_code_seconds: 300,
            soft_limit: 10,
            wait_first_seconds: 30,
            wait_max_seconds: 3600,
            hard_limit: 50,
            challenges_per_account: 5,
            password_free_tries: 5,
            password_wait_max_seconds: 900,
            challenge_seconds: 600,
            totp_accept_next_step: false,
            resend_cooldown_seconds: 60,
            resends_per_challenge: 3,
            code_mails_per_hour: 6,
            code_mails_per_day: 20,
            notices_per_hour: 8,
            notices_per_day: 30,
            registration_mails_per_hour: 3,
            mail_calls_per_source: 30,
            passkey_sign_ins_per_source: 600,
            mails_per_hour: 0,
            sms_per_number_hour: 4,
            sms_per_number_day: 8,
            sms_per_prefix_hour: 20,
            sms_per_account_day: 6,
            sms_per_day: 1000,
            code_sets_per_hour: 10,
            address_link_seconds: 86_400,
            access_token_seconds: 900,
            session_seconds: 86_400,
            session_idle_seconds: 3600,
            refresh_reuse_seconds: 10,
            fresh_for_factors_seconds: 300,
            fresh_for_administration_seconds: 600,
            token_leeway_seconds: 10,
            enrolment_seconds: 600,
            api_key_default_days: 90,
            api_key_max_days: 365,
            api_keys_per_user: 20,
            keep_challenges_seconds: 86_400,
            keep_sessions_seconds: 30 * 86_400,
            keep_audit_seconds: 400 * 86_400,
            notice_seconds: 6 * 3600,
            courier_queue: 10_000,
        }
    }
}

/// The wait that `failures` in a row earn: nothing up to `free`, then `first` doubling up to `max`.
///
/// Wrong codes begin with `first` 30 s, wrong passwords with 1 s. RFC 6238 §5.2 asks for throttling, and
/// NIST SP 800-63B-4 §3.2.2 names 30 s up to 1 h.
pub fn growing_wait(failures: u32, free: u32, first: u32, max: u32) -> u32 {
    if failures < free {
        return 0;
    }
    let doublings = (failures - free).min(31);
    first.saturating_mul(1 << doublings).min(max)
}

#[cfg(test)]
mod tests {
    use super::growing_wait;

    #[test]
    fn waits_double_up_to_the_cap() {
        let waits: Vec<u32> = (9..19).map(|n| growing_wait(n, 10, 30, 3600)).collect();
        assert_eq!(waits, [0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(growing_wait(u32::MAX, 10, 30, 3600), 3600);
    }
}
