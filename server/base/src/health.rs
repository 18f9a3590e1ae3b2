//! Watches whether messages leave. If none of a channel did for a minute though some wait, the log
//! says so once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::Time;
use crate::model::notice::{Channel, Lane};

/// For how many seconds no message may leave before the operator should know.
const PATIENCE: i64 = 60;

/// The state of this process's courier, for readiness and the log. A channel's failures are
/// forgotten when a message leaves, or when none waits any more.
#[derive(Default)]
pub struct Health {
    mail: Mutex<Pulse>,
    text: Mutex<Pulse>,
}

/// The state of one channel.
#[derive(Default)]
struct Pulse {
    /// When the first failed try since the last success began, and why the latest one failed.
    failing: Option<(Time, String)>,
    /// Whether this was logged.
    told: bool,
}

impl Health {
    /// Returns a channel through which nothing has left for a minute though something waits, if
    /// there is one.
    pub fn stuck(&self, now: Time) -> Option<Channel> {
        let stuck = |channel: &Channel| self.pulse(*channel).stuck_for(now).is_some();
        [Channel::Mail, Channel::Text].into_iter().find(stuck)
    }

    /// Records that a message left. The channel is `None` for a letter that cannot be read.
    pub fn sent(&self, channel: Option<Channel>) {
        if let Some(channel) = channel {
            self.pulse(channel).well(channel);
        }
    }

    /// Records that a message did not leave. The try began at `began`.
    pub fn failed(&self, channel: Option<Channel>, began: Time, why: &str) {
        let Some(channel) = channel else { return };
        let mut pulse = self.pulse(channel);
        let since = pulse.failing.take().map_or(began, |(since, _)| since);
        // A clock that went back must not prolong the minute.
        pulse.failing = Some((since.min(began), why.to_owned()));
    }

    /// Checks the channels against the lanes in which something waits, and logs what has changed.
    pub fn judge(&self, waiting: &[Lane], now: Time) {
        for channel in [Channel::Mail, Channel::Text] {
            let mut pulse = self.pulse(channel);
            if !waiting.iter().any(|lane| lane.channel() == channel) {
                pulse.well(channel);
            } else if !pulse.told
                && let Some((seconds, why)) = pulse.stuck_for(now)
            {
                let channel = channel.as_str();
                tracing::error!(
                    channel,
                    seconds,
                    why,
                    "messages wait, but none is delivered"
                );
                pulse.told = true;
            }
        }
    }

    fn pulse(&self, channel: Channel) -> MutexGuard<'_, Pulse> {
        let pulse = match channel {
            Channel::Mail => &self.mail,
            Channel::Text => &self.text,
        };
        pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// Returns for how many seconds nothing has left, and why, if that is too long.
    fn stuck_for(&self, now: Time) -> Option<(i64, &str)> {
        let (since, why) = self.failing.as_ref()?;
        let seconds = now.seconds() - since.seconds();
        (seconds >= PATIENCE).then_some((seconds, why.as_str()))
    }

    fn well(&mut self, channel: Channel) {
        self.failing = None;
        if std::mem::take(&mut self.told) {
            let channel = channel.as_str();
            tracing::info!(
                channel,
                "messages are delivered again, or none waits any more"
            );
        }
    }
}
