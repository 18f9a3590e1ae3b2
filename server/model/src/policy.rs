//! Limits and lifetimes as plain numbers. `server/PARAMETERS.md` says where each comes from.

use crate::notice::Channel;

/// Limits and lifetimes. Times are in seconds unless the field says otherwise.
///
/// The `config` module reads them, checks their bounds, and describes them for operators.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Fewest code points of a new password.
    pub password_min: u32,
    /// Most code points of a new password. It can be set to 256 at most, which are at most 1,024 bytes.
    pub password_max: u32,
    /// Digits of a mailed code or a code by SMS.
    pub code_digits: u32,
    /// Tries per challenge or registration.
    pub tries_per_challenge: u32,
    /// Lifetime of a mailed code.
    pub mail_code_seconds: u32,
    /// Lifetime of a code sent as a text message.
    pub sms_code_seconds: u32,
    /// Wrong codes since the last right one, after which waits begin.
    pub soft_limit: u32,
    /// The first wait. Each further wrong code doubles it.
    pub wait_first_seconds: u32,
    /// The longest wait.
    pub wait_max_seconds: u32,
    /// Wrong codes since the last right one that lock the method.
    pub hard_limit: u32,
    /// Live challenges of each session, and of an account's sign-ins together. Past that, the oldest ends.
    pub challenges_per_account: u32,
    /// Wrong passwords per address and network before waits begin.
    pub password_free_tries: u32,
    /// The longest wait after wrong passwords. The first is one second, and each doubles.
    pub password_wait_max_seconds: u32,
    /// Lifetime of a challenge.
    pub challenge_seconds: u32,
    /// Whether an authenticator's code for the next time step is accepted too.
    pub totp_accept_next_step: bool,
    /// The wait before the first resend. Each resend doubles it.
    pub resend_cooldown_seconds: u32,
    /// Resends per challenge.
    pub resends_per_challenge: u32,
    /// Mailed codes per account and hour.
    pub code_mails_per_hour: u32,
    /// Mailed codes per account and day.
    pub code_mails_per_day: u32,
    /// Notices per account and hour.
    pub notices_per_hour: u32,
    /// Notices per account and day.
    pub notices_per_day: u32,
    /// Registration mails per address and hour. They do not count as mailed codes.
    pub registration_mails_per_hour: u32,
    /// Calls that cause mail or SMS, per network and hour. As many wrong codes for new passwords are taken.
    pub mail_calls_per_source: u32,
    /// Sign-ins by passkey alone that a network may begin per hour.
    pub passkey_sign_ins_per_source: u32,
    /// Mails of all kinds per hour, for the whole server; 0 for no limit.
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
    /// Text messages per day, for the whole server.
    pub sms_per_day: u32,
    /// Recovery or scratch code sets that an account may have made per hour. Each costs a slow hash per code.
    pub code_sets_per_hour: u32,
    /// Lifetime of the link that proves a new address.
    pub address_link_seconds: u32,
    /// Lifetime of an access token.
    pub access_token_seconds: u32,
    /// The longest life of a session.
    pub session_seconds: u32,
    /// The longest time that a session may be idle.
    pub session_idle_seconds: u32,
    /// How long an exchanged refresh token gets the same successor once more; 0 for never.
    pub refresh_reuse_seconds: u32,
    /// The greatest age of the proof for changes to factors.
    pub fresh_for_factors_seconds: u32,
    /// The greatest age of the proof for administration and API keys.
    pub fresh_for_administration_seconds: u32,
    /// How far the clocks may differ when tokens are checked.
    pub token_leeway_seconds: u32,
    /// Lifetime of a set-up that is not proved yet.
    pub enrolment_seconds: u32,
    /// Lifetime of an API key if its maker asks for none, in days.
    pub api_key_default_days: u32,
    /// Longest lifetime of an API key, in days.
    pub api_key_max_days: u32,
    /// Live API keys per user.
    pub api_keys_per_user: u32,
    /// How long ended challenges and registrations are kept.
    pub keep_challenges_seconds: u32,
    /// How long ended sessions are kept.
    pub keep_sessions_seconds: u32,
    /// How long audit events are kept.
    pub keep_audit_seconds: u32,
    /// How long the courier tries to deliver a notice without a code.
    pub notice_seconds: u32,
    /// The greatest number of notices in the queue.
    pub courier_queue: u32,
}

impl Policy {
    /// Returns the lifetime of a code that is sent by this channel.
    pub const fn code_seconds(&self, channel: Channel) -> u32 {
        match channel {
            Channel::Mail => self.mail_code_seconds,
            Channel::Text => self.sms_code_seconds,
        }
    }
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

/// Returns the wait after `failures` in a row, in seconds: 0 below `free`, then `first`, which doubles up to
/// `max`.
///
/// For wrong codes `first` is 30 s, for wrong passwords 1 s. RFC 6238 §5.2 asks for throttling, and NIST SP
/// 800-63B-4 §3.2.2 names waits from 30 s to 1 h.
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
