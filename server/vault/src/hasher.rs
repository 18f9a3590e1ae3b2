//! `Hasher`: hashes passwords on its own threads, with a bounded queue and reused memory.

use std::collections::HashSet;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
use crate::same;
use queue::Queue;

mod queue;
#[cfg(test)]
#[path = "hasher_tests.rs"]
mod tests;

/// How long a job waits for a thread. After that, the caller is told to try again.
const WAIT: Duration = Duration::from_secs(2);

/// The seconds after which that caller may try again.
const RETRY_AFTER: u32 = 2;

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// The cost of a derived hash: memory in KiB, passes, lanes. It is the least that the settings allow, and
/// fixed, since all hashes of a code set must be made alike, whatever the settings are. Only a test has
/// settings below it; its code sets then cost no more than its passwords.
const DERIVED_COSTS: (u32, u32, u32) = (19_456, 2, 1);

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordVerdict {
    /// The password is wrong.
    Wrong,
    /// The password is right.
    Right {
        /// Whether the hash was made with other parameters than the present ones, so that a new one is
        /// needed.
        outdated: bool,
    },
}

/// A typed password, hashed like the stored one. This slow part is done before the try is taken. The result
/// may be read only after it.
pub struct Comparison {
    hash: Zeroizing<Vec<u8>>,
    expected: Zeroizing<Vec<u8>>,
    outdated: bool,
}

impl Comparison {
    /// Returns whether the password was right.
    pub fn verdict(&self) -> PasswordVerdict {
        match same(&self.hash, &self.expected) {
            true => PasswordVerdict::Right {
                outdated: self.outdated,
            },
            false => PasswordVerdict::Wrong,
        }
    }
}

/// The pool of hashing threads. Clones share it, and it ends with the last of them.
#[derive(Clone)]
pub struct Hasher {
    pool: Arc<Pool>,
    /// The network whose jobs this clone queues.
    network: IpAddr,
}

/// What all clones share.
struct Pool {
    queue: Arc<Queue>,
    decoy: PasswordHash,
    /// The cost of the most expensive hash in use, in KiB written. Every comparison does this much work.
    dearest: Arc<AtomicU64>,
    /// Outdated hashes that are being replaced right now.
    renewing: Mutex<HashSet<String>>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

enum Task {
    Hash([u8; 16]),
    Compare(PasswordHash),
    Derive([u8; 16]),
    Judge(Rule),
}

/// A slow rule that decides whether a password may be set.
type Rule = Box<dyn Fn(&str) -> bool + Send>;

enum TaskResult {
    Hashed(PasswordHash),
    Compared(Comparison),
    Derived([u8; HASH_BYTES]),
    Judged(bool),
}

struct Job {
    password: Secret<String>,
    task: Task,
    /// Set by whoever is first: the thread that starts the job, or the caller who stops waiting.
    claimed: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<TaskResult>>,
    network: IpAddr,
}

/// The niceness of hashing threads. If processors are short, they get about a quarter of another thread's
/// share.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 6;

/// Lowers this thread's priority. A flood of passwords must not delay second steps, which cost a thousandth.
/// On Linux, each thread has its own priority (setpriority(2), "C library/kernel differences").
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS)
    {
        tracing::debug!(%error, "the priority of the hashing threads could not be lowered");
    }
}

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// Returns an error if a thread cannot be started, or argon2 does not accept the parameters.
    pub fn start(settings: &Settings, chance: &Chance) -> anyhow::Result<Self> {
        let params = Params::new(
            settings.argon2_memory_kib,
            settings.argon2_iterations,
            settings.argon2_parallelism,
            Some(HASH_BYTES),
        );
        let params = params.map_err(|error| anyhow!("the argon2 settings: {error}"))?;
        let queue = Arc::new(Queue::new(settings.hash_queue as usize));
        let dearest = Arc::new(AtomicU64::new(work(&params)));
        for slot in 0..settings.hash_slots {
            let mut slot_of = Slot::new(params.clone(), Arc::clone(&dearest));
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("hasher-{slot}"))
                .spawn(move || {
                    step_back();
                    slot_of.work(&queue);
                })
                .context("starting a hashing thread")?;
        }
        let decoy = print(&params, &chance.salt(), chance.secret().expose());
        Ok(Self {
            pool: Arc::new(Pool {
                queue,
                decoy,
                dearest,
                renewing: Mutex::default(),
            }),
            network: Source::Console.network(),
        })
    }

    /// Returns the same pool, for jobs from this source. If the queue is full, networks share it.
    #[must_use]
    pub fn of(&self, source: Source) -> Self {
        Self {
            pool: Arc::clone(&self.pool),
            network: source.network(),
        }
    }

    /// Hashes a password (argon2id, RFC 9106).
    ///
    /// # Errors
    /// Returns [`Refusal::Busy`] if the queue is full or the wait too long, and a fault if the library fails.
    pub async fn hash(&self, password: Secret<String>, salt: [u8; 16]) -> Result<PasswordHash> {
        match self.run(password, Task::Hash(salt)).await? {
            TaskResult::Hashed(hash) => Ok(hash),
            TaskResult::Compared(_) | TaskResult::Derived(_) | TaskResult::Judged(_) => {
                Err(mixed_up())
            }
        }
    }

    /// Hashes a password with the parameters of `phc`, to be compared with it. The work is always that of the
    /// most expensive hash in use, so the time reveals nothing about `phc` (ASVS 6.3.8).
    ///
    /// # Errors
    /// As [`Hasher::hash`]. Also returns a fault if `phc` is not a hash.
    pub async fn compare(&self, password: Secret<String>, phc: PasswordHash) -> Result<Comparison> {
        match self.run(password, Task::Compare(phc)).await? {
            TaskResult::Compared(comparison) => Ok(comparison),
            TaskResult::Hashed(_) | TaskResult::Derived(_) | TaskResult::Judged(_) => {
                Err(mixed_up())
            }
        }
    }

    /// Hashes a right password again, whose hash `old` is outdated. Returns `None` if another caller is doing
    /// so, or the queue is full. Then the next sign-in does it.
    pub async fn renew(
        &self,
        password: Secret<String>,
        old: &PasswordHash,
        salt: [u8; 16],
    ) -> Option<PasswordHash> {
        let _mine = Renewing::begin(&self.pool.renewing, old)?;
        self.hash(password, salt).await.ok()
    }

    /// Learns the parameters of the stored hashes (`m=19456,t=2,p=1`, as in their PHC strings), so that all
    /// comparisons cost as much as the most expensive of them.
    pub fn learn<'a>(&self, parameters: impl IntoIterator<Item = &'a str>) {
        for text in parameters {
            if let Some(work) = work_of(text) {
                self.pool.dearest.fetch_max(work, Ordering::Relaxed);
            }
        }
    }

    /// Returns the argon2id hash of a secret with a salt that several secrets share. The cost is always the
    /// same, so that one hash can be compared with all that were made with this salt.
    ///
    /// # Errors
    /// As [`Hasher::hash`].
    pub async fn derive(&self, secret: Secret<String>, salt: [u8; 16]) -> Result<[u8; HASH_BYTES]> {
        match self.run(secret, Task::Derive(salt)).await? {
            TaskResult::Derived(hash) => Ok(hash),
            TaskResult::Hashed(_) | TaskResult::Compared(_) | TaskResult::Judged(_) => {
                Err(mixed_up())
            }
        }
    }

    /// Judges a new password by a slow rule. It runs here, since slow work has its own threads and a bounded
    /// queue.
    ///
    /// # Errors
    /// As [`Hasher::hash`].
    pub async fn judge(
        &self,
        password: Secret<String>,
        rule: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<bool> {
        match self.run(password, Task::Judge(Box::new(rule))).await? {
            TaskResult::Judged(verdict) => Ok(verdict),
            TaskResult::Hashed(_) | TaskResult::Derived(_) | TaskResult::Compared(_) => {
                Err(mixed_up())
            }
        }
    }

    /// Returns a hash that no password matches. It is compared for an unknown address, so that this takes as
    /// long as a known one (ASVS 6.3.8).
    pub fn decoy(&self) -> PasswordHash {
        self.pool.decoy.clone()
    }

    async fn run(&self, password: Secret<String>, task: Task) -> Result<TaskResult> {
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
            // The job was not started in time. The claim makes the thread skip it.
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

/// Returns the form of a password that is hashed: NFC (NIST SP 800-63B-4 §3.1.1.2).
fn normalized(password: &Secret<String>) -> Secret<String> {
    Secret::new(password.expose().nfc().collect())
}

/// Marks an outdated hash that is being replaced, until it is dropped.
struct Renewing<'a> {
    all: &'a Mutex<HashSet<String>>,
    old: &'a PasswordHash,
}

impl<'a> Renewing<'a> {
    fn begin(all: &'a Mutex<HashSet<String>>, old: &'a PasswordHash) -> Option<Self> {
        let mut renewing = all.lock().unwrap_or_else(PoisonError::into_inner);
        let first = renewing.insert(old.as_str().to_owned());
        // Only the first caller makes one, since dropping it removes the mark.
        first.then(|| Self { all, old })
    }
}

impl Drop for Renewing<'_> {
    fn drop(&mut self) {
        let mut renewing = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        renewing.remove(self.old.as_str());
    }
}

/// What one hashing thread owns: the present parameters, and the memory it reuses.
struct Slot {
    params: Params,
    memory: Vec<Block>,
    dearest: Arc<AtomicU64>,
    /// What the comparisons so far have cost, for the test that all cost the same.
    #[cfg(test)]
    worked: u64,
}

impl Slot {
    const fn new(params: Params, dearest: Arc<AtomicU64>) -> Self {
        Self {
            params,
            memory: Vec::new(),
            dearest,
            #[cfg(test)]
            worked: 0,
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
            // The caller may have stopped waiting.
            drop(job.reply.send(done.map_err(Error::from)));
        }
    }

    fn run(&mut self, password: &Secret<String>, task: &Task) -> anyhow::Result<TaskResult> {
        let text = password.expose();
        let password = text.as_bytes();
        match task {
            Task::Judge(rule) => Ok(TaskResult::Judged(rule(text))),
            Task::Hash(salt) => {
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
                let hash = self.compute(&argon2, password, salt, HASH_BYTES)?;
                Ok(TaskResult::Hashed(print(&self.params, salt, &hash)))
            }
            Task::Compare(phc) => self.compare(password, phc).map(TaskResult::Compared),
            Task::Derive(salt) => self.derive(password, salt).map(TaskResult::Derived),
        }
    }

    fn compare(&mut self, password: &[u8], phc: &PasswordHash) -> anyhow::Result<Comparison> {
        // The parser's message may quote the hash.
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
        let done = work(&params);
        let argon2 = Argon2::new(algorithm, version, params);
        let hash = self.compute(&argon2, password, &salt, expected.as_bytes().len())?;
        self.make_up(done, password, &salt)?;
        Ok(Comparison {
            hash,
            expected: Zeroizing::new(expected.as_bytes().to_vec()),
            outdated,
        })
    }

    /// Does the work that is missing to the most expensive hash in use. A cheap hash, from before the
    /// settings were raised, must not show by its time that there is an account.
    fn make_up(&mut self, done: u64, password: &[u8], salt: &[u8]) -> anyhow::Result<()> {
        let dearest = self.dearest.fetch_max(done, Ordering::Relaxed);
        let missing = dearest.saturating_sub(done);
        let memory = self.params.m_cost();
        let passes = u32::try_from(missing / u64::from(memory)).unwrap_or(u32::MAX);
        let rest = u32::try_from(missing % u64::from(memory)).unwrap_or(0);
        for (memory, passes) in [(memory, passes), (rest, 1)] {
            // Work below argon2's minimum is too short to be measured.
            if passes == 0 || memory < Params::MIN_M_COST {
                continue;
            }
            let params = Params::new(memory, passes, 1, Some(HASH_BYTES));
            let params = params.map_err(|error| anyhow!("argon2: {error}"))?;
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            self.compute(&argon2, password, salt, HASH_BYTES)?;
        }
        Ok(())
    }

    fn derive(&mut self, secret: &[u8], salt: &[u8]) -> anyhow::Result<[u8; HASH_BYTES]> {
        let (memory, passes, lanes) = DERIVED_COSTS;
        let memory = memory.min(self.params.m_cost());
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
        #[cfg(test)]
        {
            self.worked += work(argon2.params());
        }
        let needed = argon2.params().block_count();
        let usual = self.params.block_count();
        // The memory is taken at the first job, since an idle server or a subcommand needs none.
        if self.memory.is_empty() {
            self.memory.resize(usual, Block::new());
        }
        let mut hash = Zeroizing::new(vec![0; bytes]);
        let computed = if needed <= usual {
            let memory = self.memory.as_mut_slice();
            argon2.hash_password_into_with_memory(password, salt, &mut hash, memory)
        } else {
            // The hash was made with more memory than is set now. This memory is not kept.
            argon2.hash_password_into(password, salt, &mut hash)
        };
        computed.map_err(|error| anyhow!("argon2: {error}"))?;
        Ok(hash)
    }
}

const fn costs(params: &Params) -> (u32, u32, u32) {
    (params.m_cost(), params.t_cost(), params.p_cost())
}

/// Returns the cost of a hash with these parameters: KiB written, over all passes. Lanes make no difference,
/// since one thread works on all of them.
fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// Returns the cost from the parameters of a PHC string; `None` if the text has none.
fn work_of(parameters: &str) -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        let mut all = parameters.split(',');
        all.find_map(|one| one.strip_prefix(name)?.parse().ok())
    };
    number("m=")?.checked_mul(number("t=")?)
}

/// Returns the PHC string of an argon2id hash.
fn print(params: &Params, salt: &[u8], hash: &[u8]) -> PasswordHash {
    let (memory, passes, lanes) = costs(params);
    PasswordHash::new(format!(
        "$argon2id$v=19$m={memory},t={passes},p={lanes}${}${}",
        BASE64_NOPAD.encode(salt),
        BASE64_NOPAD.encode(hash)
    ))
}
