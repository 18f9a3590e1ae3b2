//! The limits and lifetimes of `security.md` §4, as plain numbers that flows and rules take.

/// Limits and lifetimes, each with its parameter id. Times in seconds unless said otherwise.
///
/// `config.rs` reads them, within their bounds, and documents them for operators.
#[derive(Clone, Debug)]
pub struct Policy {
    /// P-01: fewest code points of a new password.
    pub password_min: u32,
    /// P-02: most code points of a new password; 256 of them, the most that can be set, have 1,024 bytes at most.
    pub password_max: u32,
    /// P-10: digits of a mailed code.
    pub code_digits: u32,
    /// P-11: tries per challenge or registration.
    pub tries_per_challenge: u32,
    /// P-12: lifetime of a mailed code.
    pub mail_code_seconds: u32,
    /// P-12: lifetime of a code sent as a text message.
    pub sms_code_seconds: u32,
    /// P-13: wrong codes since the last right one after which waits start.
    pub soft_limit: u32,
    /// P-14: the first wait; it doubles with each further wrong code.
    pub wait_first_seconds: u32,
    /// P-14: the longest wait.
    pub wait_max_seconds: u32,
    /// P-15: wrong codes since the last right one that stop the factor.
    pub hard_limit: u32,
    /// P-16: live challenges per account; the oldest dies.
    pub challenges_per_account: u32,
    /// P-17: wrong passwords per address and source before waits start.
    pub password_free_tries: u32,
    /// P-17: the longest wait after wrong passwords; the first is one second, doubling.
    pub password_wait_max_seconds: u32,
    /// P-18: lifetime of a challenge.
    pub challenge_seconds: u32,
    /// P-20: whether the step after the current one is accepted as well.
    pub totp_accept_next_step: bool,
    /// P-21: the first resend cooldown; it doubles with each resend.
    pub resend_cooldown_seconds: u32,
    /// P-22: resends per challenge.
    pub resends_per_challenge: u32,
    /// P-23: code mails per account and hour.
    pub code_mails_per_hour: u32,
    /// P-23: code mails per account and day.
    pub code_mails_per_day: u32,
    /// P-24: notices per address and hour.
    pub notices_per_hour: u32,
    /// P-24: notices per address and day.
    pub notices_per_day: u32,
    /// Registration mails per address and hour, a budget of their own.
    pub registration_mails_per_hour: u32,
    /// P-25: mail-causing calls per source and hour.
    pub mail_calls_per_source: u32,
    /// Sign-ins by passkey alone that a source may begin per hour.
    pub passkey_sign_ins_per_source: u32,
    /// P-25: mails of all kinds per hour over the whole server; 0 for no such limit.
    pub mails_per_hour: u32,
    /// P-27: lifetime of a mailed link, and of a challenge that mailed one.
    pub magic_link_seconds: u32,
    /// P-26: text messages per number and hour.
    pub sms_per_number_hour: u32,
    /// P-26: text messages per number and day.
    pub sms_per_number_day: u32,
    /// P-26: text messages per hour to numbers with the same first seven digits.
    pub sms_per_prefix_hour: u32,
    /// P-26: text messages per account and day.
    pub sms_per_account_day: u32,
    /// P-26: text messages per day over the whole server.
    pub sms_per_day: u32,
    /// Sets of recovery or scratch codes that an account may have made per hour: each costs a slow hash
    /// for every code.
    pub code_sets_per_hour: u32,
    /// P-29: lifetime of the link that proves a new address.
    pub address_link_seconds: u32,
    /// P-30: lifetime of an access token.
    pub access_token_seconds: u32,
    /// P-31: a session's overall lifetime.
    pub session_seconds: u32,
    /// P-32: a session's idle time.
    pub session_idle_seconds: u32,
    /// How long a refresh token that was exchanged gets the same successor once more; 0 for never.
    pub refresh_reuse_seconds: u32,
    /// P-33: how fresh a sign-in must be to change factors.
    pub fresh_for_factors_seconds: u32,
    /// P-33: how fresh a sign-in must be for administration and API keys.
    pub fresh_for_administration_seconds: u32,
    /// P-34: clock leeway when tokens are judged.
    pub token_leeway_seconds: u32,
    /// P-39: lifetime of a pending enrolment.
    pub enrolment_seconds: u32,
    /// P-41: an API key's lifetime when none is asked for, in days.
    pub api_key_default_days: u32,
    /// P-41: an API key's longest lifetime, in days.
    pub api_key_max_days: u32,
    /// P-41: live API keys per user.
    pub api_keys_per_user: u32,
    /// P-46: how long ended challenges and registrations are kept.
    pub keep_challenges_seconds: u32,
    /// P-46: how long ended sessions are kept.
    pub keep_sessions_seconds: u32,
    /// P-46: how long audit events are kept.
    pub keep_audit_seconds: u32,
    /// P-48: how long the courier tries to deliver a notice that carries no code.
    pub notice_seconds: u32,
    /// P-48: notices waiting at most.
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
/// P-14 with `first` 30 s, P-17 with `first` 1 s; RFC 6238 §5.2 asks for throttling, 63B §3.2.2
/// names 30 s up to 1 h.
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
