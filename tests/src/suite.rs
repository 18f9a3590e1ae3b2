//! The test harness: names tests, gives each a runtime of its own, and cleans up after it, whether
//! it passed or not.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::future::Future;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use tokio::runtime::Builder;

use crate::{coverage, database, logs, prepared};

/// How many modules are named when all is over, those first that took longest.
const NAMED: usize = 15;

/// How long each test took, by its module.
static TOOK: Mutex<Vec<(String, Duration)>> = Mutex::new(Vec::new());

/// Work to do when a test is over.
type Cleanup = Pin<Box<dyn Future<Output = ()> + Send>>;

tokio::task_local! {
    static NAME: String;
    static CLEANUPS: RefCell<Vec<Cleanup>>;
    static SERVERS: Cell<u64>;
}

/// The body of a test.
type Body = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// A program that some tests require.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// An authenticator app that we did not write.
    Oathtool,
    /// A browser and its driver.
    Chromium,
    /// A pooler for PostgreSQL connections.
    Pgbouncer,
    /// A browser, and axe-core, which finds what keeps people with disabilities out. `cargo xtask
    /// test` installs both.
    Axe,
    /// Vendors' own clients and their Python. `cargo xtask test` installs them.
    VendorClients,
}

impl Tool {
    /// Returns the programs that it consists of.
    fn programs(self) -> Vec<PathBuf> {
        match self {
            Self::Oathtool => vec!["oathtool".into()],
            Self::Axe | Self::Chromium => vec!["chromium".into(), "chromedriver".into()],
            Self::Pgbouncer => vec!["pgbouncer".into()],
            Self::VendorClients => vec![vendor_python()],
        }
    }

    /// Tells whether it is installed on this machine. It is looked for once, since starting a browser takes a while.
    pub fn is_there(self) -> bool {
        static KNOWN: Mutex<BTreeMap<Tool, bool>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(self).or_insert_with(|| self.answers())
    }

    fn answers(self) -> bool {
        if self == Self::Axe && !axe().is_file() {
            return false;
        }
        self.programs().iter().all(|program| {
            let mut command = Command::new(program);
            command
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        })
    }
}

/// Returns the Python with vendors' clients, in the folder that this program was built into.
pub fn vendor_python() -> PathBuf {
    built_beside("vendor-clients/bin/python")
}

/// Returns the script of axe-core, in the folder that this program was built into.
pub fn axe() -> PathBuf {
    built_beside("axe/node_modules/axe-core/axe.min.js")
}

fn built_beside(path: &str) -> PathBuf {
    let path = Path::new(path);
    let own = std::env::current_exe().unwrap_or_default();
    let built_to = own.ancestors().map(|folder| folder.join(path));
    let mut there = built_to.filter(|place| place.is_file());
    there.next().unwrap_or_else(|| path.to_owned())
}

/// One test of a module.
pub struct Test {
    name: String,
    body: Body,
    needs: Option<Tool>,
    on_sqlite: bool,
}

impl Test {
    /// Names a test after its module and function.
    pub fn new(module: &str, function: &str, body: Body) -> Self {
        let module = module.split_once("::").map_or(module, |(_, rest)| rest);
        Self {
            name: format!("{module}::{function}"),
            body,
            needs: None,
            on_sqlite: false,
        }
    }

    /// Declares that the test needs no database of its own, as those of a sandbox's pages, which takes a while
    /// and has an SQLite file in any case. It runs with the other tests on SQLite, and with no others.
    #[must_use]
    pub fn on_sqlite(mut self) -> Self {
        self.on_sqlite = true;
        self
    }

    /// Declares that the test needs a tool. Without it, the test is ignored; in CI it fails.
    #[must_use]
    pub fn needs(mut self, tool: Tool) -> Self {
        self.needs = Some(tool);
        self
    }

    fn trial(self) -> Trial {
        let Self {
            name, body, needs, ..
        } = self;
        let missing = needs.filter(|tool| !tool.is_there());
        let ignored = missing.is_some() && !is_ci();
        if let Some(tool) = missing {
            eprintln!(
                "{name} needs {tool:?}, which is missing: {}",
                if ignored { "skipped" } else { "fails" }
            );
        }
        let run = move |name: String| match missing {
            Some(tool) => Err(Failed::from(format!("{tool:?} is missing"))),
            None => {
                run(name, body);
                Ok(())
            }
        };
        let named = name.clone();
        Trial::test(name, move || run(named)).with_ignored_flag(ignored)
    }
}

/// The tests of one module.
pub struct Module(pub fn() -> Vec<Test>);

inventory::collect!(Module);

/// Names the tests of a module, each an `async fn` without arguments. A test that is left out is
/// dead code, which the compiler reports.
#[macro_export]
macro_rules! tests {
    (on_sqlite: $($name:ident $(needs $tool:ident)?),+ $(,)?) => {
        $crate::inventory::submit! {
            $crate::suite::Module(|| vec![
                $($crate::Test::new(module_path!(), stringify!($name), || Box::pin($name()))
                    $(.needs($crate::suite::Tool::$tool))?.on_sqlite(),)+
            ])
        }
    };
    ($($name:ident $(needs $tool:ident)?),+ $(,)?) => {
        $crate::inventory::submit! {
            $crate::suite::Module(|| vec![
                $($crate::Test::new(module_path!(), stringify!($name), || Box::pin($name()))
                    $(.needs($crate::suite::Tool::$tool))?,)+
            ])
        }
    };
}

/// Tells whether a missing tool is a failure instead of a skipped test.
fn is_ci() -> bool {
    let set = |value: &std::ffi::OsStr| !value.is_empty() && value != "0" && value != "false";
    std::env::var_os("CI").is_some_and(|value| set(&value))
}

/// Returns a number that is the same in every run for each server of each test, and differs between
/// them (FNV-1a of the test's name).
pub fn seed() -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let started = SERVERS.with(|count| count.replace(count.get() + 1));
    let hash = NAME.with(|name| name.bytes().fold(0xcbf2_9ce4_8422_2325, mix));
    hash.wrapping_add(started)
}

/// Runs work when the current test is over, whether it passed or not.
pub fn afterwards(cleanup: impl Future<Output = ()> + Send + 'static) {
    CLEANUPS.with(|cleanups| cleanups.borrow_mut().push(Box::pin(cleanup)));
}

fn run(name: String, body: Body) {
    let module = name.split("::").next().unwrap_or_default().to_owned();
    let began = Instant::now();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let outcome = runtime.block_on(NAME.scope(
        name,
        CLEANUPS.scope(
            RefCell::default(),
            SERVERS.scope(Cell::new(0), async {
                let outcome = AssertUnwindSafe(body()).catch_unwind().await;
                let cleanups = CLEANUPS.with(RefCell::take);
                for cleanup in cleanups.into_iter().rev() {
                    cleanup.await;
                }
                outcome
            }),
        ),
    ));
    runtime.shutdown_timeout(Duration::from_secs(5));
    let mut took = TOOK.lock().unwrap_or_else(PoisonError::into_inner);
    took.push((module, began.elapsed()));
    drop(took);
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Returns where the time went: the modules that took longest. Several tests run at once, so the sum is more than what
/// a clock on the wall shows.
fn slowest() -> String {
    let took = TOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let mut modules: BTreeMap<&str, (u32, Duration)> = BTreeMap::new();
    for (module, one) in took.iter() {
        let (tests, all) = modules.entry(module).or_default();
        *tests += 1;
        *all += *one;
    }
    let mut modules: Vec<_> = modules.into_iter().collect();
    modules.sort_by_key(|(_, (_, all))| Reverse(*all));
    let line = |(module, (tests, all)): &(&str, (u32, Duration))| {
        format!("{module} {} s ({tests} tests)", all.as_secs())
    };
    let lines: Vec<String> = modules.iter().take(NAMED).map(line).collect();
    lines.join(", ")
}

/// Runs all tests. If really all of them ran, also checks what they left unexercised and what the
/// servers logged.
pub fn main(unexercised: &str) -> Conclusion {
    let modules = inventory::iter::<Module>();
    let mut tests: Vec<Test> = modules.flat_map(|module| (module.0)()).collect();
    // Those with a browser take longest, so they begin first.
    tests.sort_by_key(|test| (test.needs != Some(Tool::Chromium), test.name.clone()));
    let mut arguments = Arguments::from_args();
    // Tests wait for disks, clocks and mails more than they compute.
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    arguments.test_threads.get_or_insert(3 * cores);
    logs::capture();
    prepared::watch();
    // Where and why is enough: a trace through the harness helps nobody.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let (elsewhere, tests): (Vec<Test>, Vec<Test>) = tests
        .into_iter()
        .partition(|test| test.on_sqlite && database::is_a_cluster());
    if !elsewhere.is_empty() {
        println!("{} tests run on SQLite alone", elsewhere.len());
    }
    let trials = tests.into_iter().map(Test::trial).collect();
    let listed = arguments.list;
    let mut conclusion = libtest_mimic::run(&arguments, trials);
    if listed {
        return conclusion;
    }
    println!("where the time went: {}", slowest());
    let mut judged = vec![
        ("no secret is in any log line", logs::judge()),
        ("no statement is parsed twice", prepared::judge()),
    ];
    if conclusion.num_filtered_out == 0 && conclusion.num_ignored == 0 && conclusion.num_failed == 0
    {
        let seen = coverage::judge(unexercised);
        judged.push((
            "every declared answer is exercised, or listed with a reason",
            seen,
        ));
    }
    for (what, verdict) in judged {
        match verdict {
            Ok(told) => println!("afterwards: {what} ... ok ({told})"),
            Err(told) => {
                println!("afterwards: {what} ... FAILED\n{told}");
                conclusion.num_failed += 1;
            }
        }
    }
    conclusion
}
