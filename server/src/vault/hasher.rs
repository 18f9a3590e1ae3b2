//! `Hasher`: password hashes on threads of their own, with a bounded queue and memory that is kept.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64_NOPAD;
use tokio::sync::oneshot;
use tokio::time::timeout;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::chance::Chance;
use crate::config::Settings;
use crate::model::source::Source;
use crate::model::user::PasswordHash;
use crate::model::{Error, Fault, Refusal, Result, Secret};
use crate::vault::same;
use queue::Queue;

mod queue;
#[cfg(test)]
#[path = "hasher_tests.rs"]
mod tests;

/// P-43: how long a password waits for a slot; past it the caller is told to come back.
const WAIT: Duration = Duration::from_secs(2);

/// What a caller who came too late is told to wait, in seconds.
const RETRY_AFTER: u32 = 2;

/// Bytes of a hash (P-03).
const HASH_BYTES: usize = 32;

/// P-38: what a derived hash costs (the floor of P-03), fixed, since all hashes of a set must be made
/// alike however the settings change: memory in KiB, passes, lanes.
const DERIVED_COSTS: (u32, u32, u32) = (19_456, 2, 1);

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Another password.
    Wrong,
    /// The password.
    Right {
        /// Whether the hash was made with other parameters than are set now, so that a new one is
        /// wanted (N-030).
        outdated: bool,
    },
}

/// The pool of hashing threads. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub struct Hasher {
    pool: Arc<Pool>,
    /// Whose jobs it takes.
    network: IpAddr,
}

/// What all clones share.
struct Pool {
    queue: Arc<Queue>,
    decoy: PasswordHash,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

enum Task {
    Hash([u8; 16]),
    Verify(PasswordHash),
    Derive([u8; 16]),
    Judge(Rule),
}

/// Whether a password may be set, by a rule that takes its time.
type Rule = Box<dyn Fn(&str) -> bool + Send>;

enum Done {
    Hashed(PasswordHash),
    Compared(Verified),
    Derived([u8; HASH_BYTES]),
    Judged(bool),
}

struct Job {
    password: Secret<String>,
    task: Task,
    /// Set by whoever is first: the thread that begins, or the caller who will wait no longer.
    claimed: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<Done>>,
    network: IpAddr,
}

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread, or the parameters are none argon2 knows.
    pub fn start(settings: &Settings, chance: &Chance) -> anyhow::Result<Self> {
        let params = Params::new(
            settings.argon2_memory_kib,
            settings.argon2_iterations,
            settings.argon2_parallelism,
            Some(HASH_BYTES),
        );
        let params = params.map_err(|error| anyhow!("the argon2 settings: {error}"))?;
        let queue = Arc::new(Queue::new(settings.hash_queue as usize));
        for slot in 0..settings.hash_slots {
            let mut slot_of = Slot::new(params.clone());
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("hasher-{slot}"))
                .spawn(move || slot_of.work(&queue))
                .context("starting a hashing thread")?;
        }
        let decoy = print(&params, &chance.salt(), chance.secret().expose());
        Ok(Self {
            pool: Arc::new(Pool { queue, decoy }),
            network: Source::Console.network(),
        })
    }

    /// The same pool, for jobs that come from here: when more wait than there is room for, networks
    /// share the room.
    #[must_use]
    pub fn of(&self, source: Source) -> Self {
        Self {
            pool: Arc::clone(&self.pool),
            network: source.network(),
        }
    }

    /// Hashes a password (argon2id, N-029).
    ///
    /// # Errors
    /// [`Refusal::Busy`] when the queue is full or the wait too long; a fault of the library.
    pub async fn hash(&self, password: Secret<String>, salt: [u8; 16]) -> Result<PasswordHash> {
        match self.run(password, Task::Hash(salt)).await? {
            Done::Hashed(hash) => Ok(hash),
            Done::Compared(_) | Done::Derived(_) | Done::Judged(_) => Err(mixed_up()),
        }
    }

    /// Compares a password with a hash, at the cost the hash was made with.
    ///
    /// # Errors
    /// As [`Hasher::hash`]; a fault when `phc` is no hash.
    pub async fn verify(&self, password: Secret<String>, phc: PasswordHash) -> Result<Verified> {
        match self.run(password, Task::Verify(phc)).await? {
            Done::Compared(verified) => Ok(verified),
            Done::Hashed(_) | Done::Derived(_) | Done::Judged(_) => Err(mixed_up()),
        }
    }

    /// The argon2id hash of a secret under a salt that several secrets share (P-38): always at the
    /// floor of P-03, so that one hash compares with all that were made under this salt.
    ///
    /// # Errors
    /// As [`Hasher::hash`].
    pub async fn derive(&self, secret: Secret<String>, salt: [u8; 16]) -> Result<[u8; HASH_BYTES]> {
        match self.run(secret, Task::Derive(salt)).await? {
            Done::Derived(hash) => Ok(hash),
            Done::Hashed(_) | Done::Compared(_) | Done::Judged(_) => Err(mixed_up()),
        }
    }

    /// Judges a new password by a rule that takes its time: here, where slow work has its own
    /// threads and a bounded queue.
    ///
    /// # Errors
    /// As [`Hasher::hash`].
    pub async fn judge(
        &self,
        password: Secret<String>,
        rule: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<bool> {
        match self.run(password, Task::Judge(Box::new(rule))).await? {
            Done::Judged(verdict) => Ok(verdict),
            Done::Hashed(_) | Done::Derived(_) | Done::Compared(_) => Err(mixed_up()),
        }
    }

    /// A hash that no password fits, with the parameters set now: what is compared for an unknown
    /// address, so that it takes as long as a known one (N-079).
    pub fn decoy(&self) -> PasswordHash {
        self.pool.decoy.clone()
    }

    async fn run(&self, password: Secret<String>, task: Task) -> Result<Done> {
        let claimed = Arc::new(AtomicBool::new(false));
        let (reply, mut answer) = oneshot::channel();
        let job = Job {
            password: normalized(&password),
            task,
            claimed: Arc::clone(&claimed),
            reply,
            network: self.network,
        };
        if !self.pool.queue.push(job) {
            return Err(busy());
        }
        let answered = match timeout(WAIT, &mut answer).await {
            Ok(answered) => answered,
            // Not begun in time: the claim makes the thread pass it over.
            Err(_) if !claimed.swap(true, Ordering::AcqRel) => return Err(busy()),
            Err(_) => answer.await,
        };
        answered.map_err(|_| gone())?
    }
}

fn busy() -> Error {
    let retry_after = RETRY_AFTER;
    Refusal::Busy { retry_after }.into()
}

fn mixed_up() -> Error {
    Fault::bug(anyhow!("a hashing thread answered another question")).into()
}

fn gone() -> Error {
    Fault::bug(anyhow!("the hashing threads have ended")).into()
}

/// The one form of a password that is hashed: NFC (63B §3.1.1.2, N-023).
fn normalized(password: &Secret<String>) -> Secret<String> {
    Secret::new(password.expose().nfc().collect())
}

/// One hashing thread's own: the parameters set now, and the memory it keeps between jobs.
struct Slot {
    params: Params,
    memory: Vec<Block>,
}

impl Slot {
    const fn new(params: Params) -> Self {
        Self {
            params,
            memory: Vec::new(),
        }
    }

    fn work(&mut self, queue: &Queue) {
        while let Some(job) = queue.next() {
            let unwanted = job.reply.is_closed();
            if unwanted || job.claimed.swap(true, Ordering::AcqRel) {
                continue;
            }
            // A bug in one job must not cost the pool a thread.
            let done = catch_unwind(AssertUnwindSafe(|| self.run(&job.password, &job.task)));
            let done = done.unwrap_or_else(|_| Err(anyhow!("hashing a password panicked")));
            // The caller may have gone meanwhile; nobody is left to tell.
            drop(job.reply.send(done.map_err(Error::from)));
        }
    }

    fn run(&mut self, password: &Secret<String>, task: &Task) -> anyhow::Result<Done> {
        let text = password.expose();
        let password = text.as_bytes();
        match task {
            Task::Judge(rule) => Ok(Done::Judged(rule(text))),
            Task::Hash(salt) => {
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
                let hash = self.compute(&argon2, password, salt, HASH_BYTES)?;
                Ok(Done::Hashed(print(&self.params, salt, &hash)))
            }
            Task::Verify(phc) => self.verify(password, phc).map(Done::Compared),
            Task::Derive(salt) => self.derive(password, salt).map(Done::Derived),
        }
    }

    fn verify(&mut self, password: &[u8], phc: &PasswordHash) -> anyhow::Result<Verified> {
        // What the parser has to say may quote the hash.
        let told = || anyhow!("a stored password hash is not one");
        let stored = phc::PasswordHash::new(phc.as_str()).map_err(|_| told())?;
        let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(|_| told())?;
        let version = stored.version.map_or(Ok(Version::V0x13), Version::try_from);
        let version = version.map_err(|_| told())?;
        let params = Params::try_from(&stored).map_err(|_| told())?;
        let salt = stored.salt.ok_or_else(told)?;
        let expected = stored.hash.ok_or_else(told)?;
        let outdated = algorithm != Algorithm::Argon2id
            || version != Version::V0x13
            || expected.as_bytes().len() != HASH_BYTES
            || costs(&params) != costs(&self.params);
        let argon2 = Argon2::new(algorithm, version, params);
        let hash = self.compute(&argon2, password, &salt, expected.as_bytes().len())?;
        if same(&hash, expected.as_bytes()) {
            Ok(Verified::Right { outdated })
        } else {
            Ok(Verified::Wrong)
        }
    }

    fn derive(&mut self, secret: &[u8], salt: &[u8]) -> anyhow::Result<[u8; HASH_BYTES]> {
        let (memory, passes, lanes) = DERIVED_COSTS;
        let params = Params::new(memory, passes, lanes, Some(HASH_BYTES));
        let params = params.map_err(|error| anyhow!("argon2: {error}"))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = self.compute(&argon2, secret, salt, HASH_BYTES)?;
        let mut bytes = [0; HASH_BYTES];
        bytes.copy_from_slice(&hash);
        Ok(bytes)
    }

    fn compute(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        bytes: usize,
    ) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        let needed = argon2.params().block_count();
        let usual = self.params.block_count();
        // Taken at the first job, not at the start: a server at rest, or a subcommand, needs none.
        if self.memory.is_empty() {
            self.memory.resize(usual, Block::new());
        }
        let mut hash = Zeroizing::new(vec![0; bytes]);
        let computed = if needed <= usual {
            let memory = self.memory.as_mut_slice();
            argon2.hash_password_into_with_memory(password, salt, &mut hash, memory)
        } else {
            // A hash from a time with more memory set: made for it alone, not kept.
            argon2.hash_password_into(password, salt, &mut hash)
        };
        computed.map_err(|error| anyhow!("argon2: {error}"))?;
        Ok(hash)
    }
}

const fn costs(params: &Params) -> (u32, u32, u32) {
    (params.m_cost(), params.t_cost(), params.p_cost())
}

/// The PHC string of an argon2id hash.
fn print(params: &Params, salt: &[u8], hash: &[u8]) -> PasswordHash {
    let (memory, passes, lanes) = costs(params);
    PasswordHash::new(format!(
        "$argon2id$v=19$m={memory},t={passes},p={lanes}${}${}",
        BASE64_NOPAD.encode(salt),
        BASE64_NOPAD.encode(hash)
    ))
}
