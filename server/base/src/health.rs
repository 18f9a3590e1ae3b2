//! Whether messages leave: since when none of a channel did though some wait, told once in the log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::Time;
use crate::model::notice::{Channel, Lane};

/// How long nothing may leave, in seconds, before somebody should know.
const PATIENCE: i64 = 60;

/// How the courier of this process does, for readiness and for the log. What is known of a channel ends
/// with the first message that leaves, and when none waits any more.
#[derive(Default)]
pub struct Health {
    mail: Mutex<Pulse>,
    text: Mutex<Pulse>,
}

/// What is known of one channel.
#[derive(Default)]
struct Pulse {
    /// When the first try since the last message that left began, and why the last one failed.
    failing: Option<(Time, String)>,
    /// Whether the log says so.
    told: bool,
}

impl Health {
    /// The channel by which nothing has left for a minute though something waits, if there is one.
    pub fn stuck(&self, now: Time) -> Option<Channel> {
        let stuck = |channel: &Channel| self.pulse(*channel).stuck_for(now).is_some();
        [Channel::Mail, Channel::Text].into_iter().find(stuck)
    }

    /// A message left; `None` for the channel of a letter that nobody can read.
    pub fn sent(&self, channel: Option<Channel>) {
        if let Some(channel) = channel {
            self.pulse(channel).well(channel);
        }
    }

    /// A message did not leave; the try began at `began`.
    pub fn failed(&self, channel: Option<Channel>, began: Time, why: &str) {
        let Some(channel) = channel else { return };
        let mut pulse = self.pulse(channel);
        let since = pulse.failing.take().map_or(began, |(since, _)| since);
        // A clock that went back must not make it wait for longer.
        pulse.failing = Some((since.min(began), why.to_owned()));
    }

    /// Looks at all channels, of which something waits in these lanes, and tells the log what is new.
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
                    "nothing leaves though something waits"
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
    /// For how many seconds nothing has left, and why, if that is too long.
    fn stuck_for(&self, now: Time) -> Option<(i64, &str)> {
        let (since, why) = self.failing.as_ref()?;
        let seconds = now.seconds() - since.seconds();
        (seconds >= PATIENCE).then_some((seconds, why.as_str()))
    }

    fn well(&mut self, channel: Channel) {
        self.failing = None;
        if std::mem::take(&mut self.told) {
            let channel = channel.as_str();
            tracing::info!(channel, "messages leave again, or none waits any more");
        }
    }
}
