//! Runs the server: accepts connections, starts background tasks, and stops everything in order.

use std::future::Future;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::App as Web;
use actix_web::dev::{AppConfig, Server, ServerHandle};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::Data;
use anyhow::{Context, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::api::{Document, documents};
use crate::app::App;
use crate::config::Settings;
use crate::courier::Courier;
use crate::http::connection::{Patience, Stream};
use crate::http::contract::{Contract, Source};
use crate::http::docs::{self, Look, Page, Plugin};
use crate::http::files::{self, File};
use crate::http::pages;
use crate::http::trace::{Edge, trace};
use crate::sandbox::Sandbox;
use crate::sandbox::forced::force;
use crate::sandbox::{PLUGIN, all_documents, api::ENVELOPE};

mod door;
pub mod sandbox;

use door::Door;

/// How often expired rows are deleted.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// How often the key file is checked for changes. A token whose key was revoked stays valid for at
/// most a second, as `server/OPERATING.md` says.
const KEYS_EVERY: Duration = Duration::from_millis(250);

/// How long to wait before asking the database again for the cost of stored hashes, if it did not
/// answer.
const LEARN_AGAIN: Duration = Duration::from_secs(60);
/// How often the server stores how far the database has come. It notices a database that went back
/// to before that.
const MARK_EVERY: Duration = Duration::from_secs(60);
/// How long a client may go on sending data that is no longer read, before the connection is
/// closed. In that time its answer can reach it.
const LINGER: Duration = Duration::from_secs(1);

/// A running server.
pub struct Running {
    /// The address that it listens on.
    pub address: SocketAddr,
    edge: Arc<Edge>,
    handle: ServerHandle,
    serving: JoinHandle<io::Result<()>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Counts the answers so far with a code that their operation does not declare. Each one is a
    /// bug.
    pub fn undeclared(&self) -> usize {
        self.edge.undeclared()
    }

    /// Accepts no new requests, lets running ones finish, then stops the background tasks.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        self.end_tasks().await;
    }

    async fn end_tasks(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            // A task that panicked has logged it, and needs no stopping.
            let _ended = task.await;
        }
    }
}

/// Binds the server's address before anything is created. Also checks that the settings for mail
/// and text messages can work.
///
/// # Errors
/// Fails if the address cannot be used, or the settings for mail or text messages cannot work.
pub fn listen(settings: &Settings) -> anyhow::Result<TcpListener> {
    Courier::check(settings)?;
    TcpListener::bind(settings.listen).map_err(|error| {
        let mend = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there: stop it, or choose another port"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need the capability CAP_NET_BIND_SERVICE: choose a higher port, and give the low one to the proxy in front"
            }
            io::ErrorKind::AddrNotAvailable => "this machine does not have the address",
            _ => "choose another address",
        };
        anyhow!("cannot listen on {} (setting listen): {error}: {mend}", settings.listen)
    })
}

/// Serves until stopped by SIGTERM or Ctrl-C.
///
/// # Errors
/// Fails if the listener cannot be used, or the server ends on its own.
pub async fn run(app: App, listener: TcpListener) -> anyhow::Result<()> {
    door::open_all_doors();
    let threads = app.ctx().settings.http_threads as usize;
    // Registered before the server accepts connections, so that no signal is missed.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut running = begin(&app, None, listener, threads)?;
    greet(greeting(&app, running.address));
    tokio::select! {
        ended = &mut running.serving => {
            running.end_tasks().await;
            return ended?.context("the server ended");
        }
        _ = terminate.recv() => {}
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

/// Serves on a listener with one thread. Many such servers can run in one process, as tests do.
///
/// # Errors
/// Fails if the listener cannot be used.
pub async fn start(app: App, listener: TcpListener) -> anyhow::Result<Running> {
    begin(&app, None, listener, 1)
}

fn begin(
    app: &App,
    sandbox: Option<&Sandbox>,
    listener: TcpListener,
    threads: usize,
) -> anyhow::Result<Running> {
    let address = listener.local_addr()?;
    let contract = contract(served_documents(sandbox))?;
    let edge = Arc::new(Edge::new(app.clone(), contract));
    let courier = courier(app, sandbox)?;
    let server = server(app, sandbox, &edge, listener, threads)?;
    if let Some(sandbox) = sandbox {
        sandbox.heard_at(address);
    }
    let (stop, stopped) = watch::channel(false);
    Ok(Running {
        address,
        edge,
        handle: server.handle(),
        serving: tokio::spawn(server),
        stop,
        tasks: vec![
            tokio::spawn(courier.run(until(stopped.clone()))),
            tokio::spawn(learn_costs(app.clone(), stopped.clone())),
            tokio::spawn(purge(app.clone(), stopped.clone())),
            tokio::spawn(mark(app.clone(), stopped.clone())),
            tokio::spawn(reload_keys(app.clone(), stopped)),
        ],
    })
}

/// Learns what the stored hashes cost before the first password arrives, if there is time. Tries
/// again if that fails.
async fn learn_costs(app: App, stopped: watch::Receiver<bool>) {
    let learning = async {
        let mut known = app.ctx().learn_costs().await;
        while !known {
            known = app.ctx().learn_costs_now().await;
            if !known {
                sleep(LEARN_AGAIN).await;
            }
        }
    };
    tokio::select! {
        () = until(stopped) => {}
        () = learning => {}
    }
}

/// The documents whose operations are mounted: the sandbox's own at the sandbox alone.
fn served_documents(sandbox: Option<&Sandbox>) -> &'static [Document] {
    match sandbox {
        Some(_) => all_documents(),
        None => documents(),
    }
}

/// What these documents say of paths, read once for all servers of the process.
fn contract(documents: &[Document]) -> anyhow::Result<Arc<Contract>> {
    static CONTRACTS: [OnceLock<Arc<Contract>>; 2] = [OnceLock::new(), OnceLock::new()];
    let [served, all] = &CONTRACTS;
    let kept = match documents.len() == all_documents().len() {
        true => all,
        false => served,
    };
    if let Some(contract) = kept.get() {
        return Ok(Arc::clone(contract));
    }
    let source = |document: &Document| Source {
        name: document.name,
        json: document.strict.json,
        envelope: document.envelope,
    };
    let sources: Vec<Source> = documents.iter().map(source).collect();
    let contract = Arc::new(Contract::read(&sources)?);
    Ok(Arc::clone(kept.get_or_init(|| contract)))
}

fn courier(app: &App, sandbox: Option<&Sandbox>) -> anyhow::Result<Courier> {
    let ctx = app.ctx();
    Courier::new(
        &ctx.settings,
        ctx.store.clone(),
        ctx.vault.clone(),
        ctx.clock.clone(),
        ctx.chance.clone(),
        (app.courier_wake(), app.courier_health()),
        sandbox.map(|sandbox| Arc::clone(sandbox.messages())),
    )
}

/// Builds the HTTP server: the door, the outer middleware, the operations of every document, the
/// pages.
fn server(
    app: &App,
    sandbox: Option<&Sandbox>,
    edge: &Arc<Edge>,
    listener: TcpListener,
    threads: usize,
) -> anyhow::Result<Server> {
    let settings = Arc::clone(&app.ctx().settings);
    let seconds = |count: u32| Duration::from_secs(u64::from(count));
    let patience = Patience {
        head: seconds(settings.header_timeout_seconds),
        idle: seconds(settings.keep_alive_seconds),
        write: seconds(settings.request_timeout_seconds),
    };
    let most = door::most(&settings, threads);
    let door = Door {
        most,
        most_bytes: door::UNANSWERED_BYTES / threads,
        patience,
    };
    let documents = served_documents(sandbox);
    let served = served(&settings, documents, sandbox.map(|_| PLUGIN))?;
    let (app, edge) = (app.clone(), Arc::clone(edge));
    let sandbox = sandbox.cloned();
    let shutdown = u64::from(settings.shutdown_timeout_seconds);
    let web = move || {
        let edge = Arc::clone(&edge);
        let web = Web::new().app_data(Data::new(app.clone()));
        let web = match &sandbox {
            Some(sandbox) => web.app_data(Data::new(sandbox.clone())),
            None => web,
        };
        let own = sandbox.clone();
        let forcing = from_fn(move |request, next| force(own.clone(), ENVELOPE, request, next));
        let web = web
            .wrap(Condition::new(sandbox.is_some(), forcing))
            .wrap(from_fn(move |request, next| {
                trace(Arc::clone(&edge), request, next)
            }));
        let web = documents
            .iter()
            .fold(web, |web, document| web.configure(document.routes));
        let web = web.configure(|config| files::routes(config, &served));
        match settings.swagger_ui {
            true => web.configure(docs::routes),
            false => web,
        }
    };
    let address = listener.local_addr()?;
    let builder = Server::build()
        .workers(threads)
        .max_concurrent_connections(door.accepted())
        .shutdown_timeout(shutdown)
        .disable_signals();
    let ending = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let ending = ending.clone();
        let web = web().into_factory().map_err(|error| error.error_response());
        // The host and address in it are not used.
        let web = map_config(web, |()| AppConfig::default());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let ending = ending.clone();
                async move { ending.notified().await }
            })
            .keep_alive(patience.idle)
            .client_request_timeout(patience.head)
            .client_disconnect_timeout(LINGER)
            .local_addr(address)
            .on_connect_ext(|stream: &Stream, data| {
                data.insert(Rc::clone(stream.line()));
            });
        door.and_then(http.h1(web))
    })?;
    Ok(server.run())
}

/// Returns the files: the documents, the pages and, if it is on, Swagger UI.
fn served(
    settings: &Settings,
    documents: &[Document],
    plugin: Option<Plugin>,
) -> anyhow::Result<Arc<[File]>> {
    let page = |document: &Document| Page {
        name: document.name,
        label: document.label,
        strict: document.strict,
        lenient: document.lenient,
    };
    let documents: Vec<Page> = documents.iter().map(page).collect();
    let mut files: Vec<File> = docs::documents(&documents)
        .chain(pages::files(settings)?)
        .collect();
    if settings.swagger_ui {
        let look = Look {
            service: &settings.issuer_name,
            // The sandbox authorizes by itself, with tokens that end with it.
            keep_authorization: settings.swagger_persist_authorization && plugin.is_none(),
            plugin,
        };
        files.extend(docs::ui(&documents, look)?);
    }
    Ok(files.into())
}

/// Waits until the server is told to stop.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, and the server with it.
    let _seen = stopped.wait_for(|stopped| *stopped).await;
}

/// Calls `job` at once and then at every tick, until the server is told to stop.
async fn every<F: Future<Output = ()>>(
    period: Duration,
    stopped: watch::Receiver<bool>,
    mut job: impl FnMut() -> F,
) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopped = std::pin::pin!(until(stopped));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            _ = ticks.tick() => job().await,
        }
    }
}

async fn purge(app: App, stopped: watch::Receiver<bool>) {
    every(PURGE_EVERY, stopped, async || {
        app.remind_of_keys();
        app.ctx().vault.sweep();
        if let Err(error) = app.check_keys().await {
            tracing::error!(
                error = format!("{error:#}"),
                "the keys and the database do not match, or one of them cannot be read"
            );
        }
        if let Err(error) = app.purge().await {
            tracing::warn!(
                ?error,
                "expired data could not be deleted: the next purge tries again"
            );
        }
    })
    .await;
}

async fn mark(app: App, stopped: watch::Receiver<bool>) {
    let told = async || {
        if let Err(error) = app.mark().await {
            tracing::warn!(
                error = format!("{error:#}"),
                "the state of the database could not be written to the mark file"
            );
        }
    };
    if let Err(error) = app.tell_epoch().await {
        tracing::warn!(error = format!("{error:#}"), "the epoch could not be read");
    }
    every(MARK_EVERY, stopped, told).await;
    // Marks once more, so that a stop loses nothing since the last mark.
    told().await;
}

async fn reload_keys(app: App, stopped: watch::Receiver<bool>) {
    every(KEYS_EVERY, stopped, async || {
        let told = |error: anyhow::Error| format!("{error:#}");
        match app.ctx().vault.reload_if_changed() {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("the key file was read again");
                // An older key file must no longer be accepted in place of this one: a new key may
                // have sealed something.
                if let Err(error) = app.check_keys().await.map_err(told) {
                    tracing::error!(
                        error,
                        "the keys could not be recorded in the database: the next purge tries again"
                    );
                }
            }
            Err(error) => tracing::error!(
                error = told(error),
                "the key file cannot be used: the old keys stay in use"
            ),
        }
    })
    .await;
}

/// Tells the operator where things are. Uses a thread of its own: a reader that is gone or has
/// stopped reading must not delay the server.
fn greet(greeting: String) {
    let told = thread::Builder::new()
        .name("greeting".to_owned())
        .spawn(move || {
            let mut out = io::stdout();
            // If nobody reads it, nobody misses it.
            drop(
                out.write_all(greeting.as_bytes())
                    .and_then(|()| out.flush()),
            );
        });
    drop(told);
}

/// Names the pages to begin with. Passkeys work at this address only.
fn pages_at(url: &str) -> String {
    format!("{url}/sign-in, {url}/register, {url}/account")
}

fn greeting(app: &App, address: SocketAddr) -> String {
    let settings = &app.ctx().settings;
    let mut lines = app.made().to_vec();
    lines.push(format!("Countersign listens on http://{address}"));
    lines.push(format!("  Version   {}", env!("CARGO_PKG_VERSION")));
    if settings.pages {
        lines.push(format!("  Pages     {}", pages_at(&settings.public_url)));
    }
    for document in documents() {
        let Document { name, .. } = document;
        lines.push(format!(
            "  API       {}/openapi/{name}.yaml",
            settings.public_url
        ));
    }
    if settings.swagger_ui {
        lines.push(format!("  Swagger   {}/swagger-ui/", settings.public_url));
    }
    lines.push(match settings.smtp_url {
        Some(_) => "  Mail      is sent by the mail server".to_owned(),
        None => format!(
            "  Mail      is written to {}",
            settings.data_dir.join("outbox").display()
        ),
    });
    if !settings.trusted_proxies.is_empty() {
        let proxies: Vec<String> = settings
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect();
        lines.push(format!(
            "  Proxies   {} are trusted: each must set X-Forwarded-For, or add its client's address to it",
            proxies.join(", ")
        ));
    }
    lines.push("  Stop      Ctrl-C\n".to_owned());
    lines.join("\n")
}
