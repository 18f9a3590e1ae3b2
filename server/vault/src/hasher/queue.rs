//! The queue of the hashing pool: bounded, and shared among networks when it is full.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{Job, busy};

/// The jobs that wait, oldest first.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    room: usize,
}

struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Queue {
    /// Creates a queue for at most `room` jobs.
    pub(super) const fn new(room: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                jobs: VecDeque::new(),
                closed: false,
            }),
            wake: Condvar::new(),
            room,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No code can panic half-way through a change under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job. In a full queue, it displaces one whose network has more jobs waiting; `false` if there is
    /// none.
    pub(super) fn push(&self, job: Job) -> bool {
        let mut waiting = self.lock();
        let displaced = match waiting.jobs.len() < self.room {
            true => None,
            false => match waiting.displace(job.network) {
                None => return false,
                displaced => displaced,
            },
        };
        waiting.jobs.push_back(job);
        drop(waiting);
        self.wake.notify_one();
        if let Some(displaced) = displaced {
            // Its caller may have stopped waiting.
            drop(displaced.reply.send(Err(busy())));
        }
        true
    }

    /// Waits for the next job; `None` once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            let woken = self.wake.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the threads that wait for a job, once none is left.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }
}

impl Waiting {
    /// Removes a job that nobody waits for, otherwise the newest job of the network with the most, if it has
    /// more than this network would have.
    fn displace(&mut self, network: IpAddr) -> Option<Job> {
        let over = |job: &Job| job.reply.is_closed() || job.claimed.load(Ordering::Acquire);
        if let Some(at) = self.jobs.iter().position(over) {
            return self.jobs.remove(at);
        }
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for job in &self.jobs {
            *counts.entry(job.network).or_default() += 1;
        }
        let of = |network: &IpAddr| counts.get(network).copied().unwrap_or_default();
        let jobs = self.jobs.iter().enumerate();
        let (at, most) = jobs
            .map(|(at, job)| (at, of(&job.network)))
            .max_by_key(|(_, count)| *count)?;
        match most > of(&network) + 1 {
            true => self.jobs.remove(at),
            false => None,
        }
    }
}
