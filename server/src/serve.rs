//! Serving: opens the door, starts what runs beside the requests, and stops all of it in order.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App as Web, HttpServer};
use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use utoipa_actix_web::AppExt;

use crate::api::{Document, documents};
use crate::app::App;
use crate::courier::Courier;
use crate::http::contract::{Contract, Source};
use crate::http::docs::{self, Page};
use crate::http::pages;
use crate::http::trace::{Edge, trace};

/// How often what is over is forgotten (P-46).
const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// How often the key file is looked at for a change; much shorter than the overlap of a rotation (P-35).
const KEYS_EVERY: Duration = Duration::from_secs(10);

/// A server that answers.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    edge: Arc<Edge>,
    handle: ServerHandle,
    serving: JoinHandle<io::Result<()>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// How many answers so far carried a code that their operation does not declare: bugs, all of them.
    pub fn undeclared(&self) -> usize {
        self.edge.undeclared()
    }

    /// Takes no new requests, lets running ones end (P-45), then stops what runs beside them.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        self.end_tasks().await;
    }

    async fn end_tasks(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            // A task that panicked has said so; there is nothing left to end.
            let _ended = task.await;
        }
    }
}

/// Serves until told to stop by SIGTERM or Ctrl-C.
///
/// # Errors
/// When the address cannot be listened on, or the server ends by itself.
pub async fn run(app: App) -> anyhow::Result<()> {
    let listen = app.ctx().settings.listen;
    let listener = TcpListener::bind(listen)
        .with_context(|| format!("cannot listen on {listen}: is another server running there?"))?;
    let threads = app.ctx().settings.http_threads as usize;
    // Asked for before the door opens, so that a signal in between is not missed.
    let mut terminate = signal(SignalKind::terminate())?;
    learn_costs(&app).await;
    let mut running = begin(&app, listener, threads)?;
    greet(&app, running.address);
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

/// Serves on a listener with one thread: many servers of this kind can run in one process, which is
/// what tests do.
///
/// # Errors
/// When the listener cannot be used.
pub async fn start(app: App, listener: TcpListener) -> anyhow::Result<Running> {
    learn_costs(&app).await;
    begin(&app, listener, 1)
}

async fn learn_costs(app: &App) {
    if let Err(error) = app.learn_costs().await {
        tracing::warn!(
            ?error,
            "what the kept password hashes cost is not known: each is learnt when it is met"
        );
    }
}

fn begin(app: &App, listener: TcpListener, threads: usize) -> anyhow::Result<Running> {
    let address = listener.local_addr()?;
    let edge = Arc::new(Edge::new(app.clone(), contract()?));
    let courier = courier(app)?;
    let server = server(app, &edge, listener, threads)?;
    let (stop, stopped) = watch::channel(false);
    Ok(Running {
        address,
        edge,
        handle: server.handle(),
        serving: tokio::spawn(server),
        stop,
        tasks: vec![
            tokio::spawn(courier.run(until(stopped.clone()))),
            tokio::spawn(purge(app.clone(), stopped.clone())),
            tokio::spawn(reload_keys(app.clone(), stopped)),
        ],
    })
}

/// What the documents say of paths, read once for all servers of the process.
fn contract() -> anyhow::Result<Arc<Contract>> {
    static CONTRACT: OnceLock<Arc<Contract>> = OnceLock::new();
    if let Some(contract) = CONTRACT.get() {
        return Ok(Arc::clone(contract));
    }
    let source = |document: &Document| Source {
        name: document.name,
        yaml: document.yaml,
        envelope: document.envelope,
    };
    let sources: Vec<Source> = documents().iter().map(source).collect();
    let contract = Arc::new(Contract::read(&sources)?);
    Ok(Arc::clone(CONTRACT.get_or_init(|| contract)))
}

fn courier(app: &App) -> anyhow::Result<Courier> {
    let ctx = app.ctx();
    Courier::new(
        &ctx.settings,
        ctx.store.clone(),
        ctx.vault.clone(),
        ctx.clock.clone(),
        ctx.chance.clone(),
        app.courier_wake(),
    )
}

/// The HTTP server: the outer middleware, the operations of every document, the pages (P-45).
fn server(
    app: &App,
    edge: &Arc<Edge>,
    listener: TcpListener,
    threads: usize,
) -> anyhow::Result<Server> {
    let settings = Arc::clone(&app.ctx().settings);
    let seconds = |count: u32| Duration::from_secs(u64::from(count));
    let (header, keep) = (
        seconds(settings.header_timeout_seconds),
        seconds(settings.keep_alive_seconds),
    );
    let shutdown = u64::from(settings.shutdown_timeout_seconds);
    let page = |document: &Document| Page {
        name: document.name,
        yaml: document.yaml,
    };
    let served: Vec<Page> = documents().iter().map(page).collect();
    let (app, edge) = (app.clone(), Arc::clone(edge));
    let factory = move || {
        let edge = Arc::clone(&edge);
        let web = Web::new()
            .app_data(Data::new(app.clone()))
            .wrap(from_fn(move |request, next| {
                trace(Arc::clone(&edge), request, next)
            }))
            .into_utoipa_app();
        let web = documents()
            .iter()
            .fold(web, |web, document| web.configure(document.routes));
        let (ui, keep) = (settings.swagger_ui, settings.swagger_persist_authorization);
        web.into_app()
            .configure(pages::routes)
            .configure(|config| docs::routes(config, &served, ui, keep))
    };
    let server = HttpServer::new(factory)
        .workers(threads)
        .client_request_timeout(header)
        .keep_alive(keep)
        .shutdown_timeout(shutdown)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Ends when the server is told to stop.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the server.
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
        if let Err(error) = app.purge().await {
            tracing::warn!(
                ?error,
                "what is over could not be forgotten, the next purge tries again"
            );
        }
    })
    .await;
}

async fn reload_keys(app: App, stopped: watch::Receiver<bool>) {
    every(KEYS_EVERY, stopped, async || {
        match app.ctx().vault.reload_if_changed() {
            Ok(true) => tracing::info!("the key file was read again"),
            Ok(false) => {}
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                "the key file cannot be used, the old keys stay"
            ),
        }
    })
    .await;
}

/// Tells the operator where things are.
fn greet(app: &App, address: SocketAddr) {
    let settings = &app.ctx().settings;
    println!("Countersign listens on http://{address}");
    for document in documents() {
        let Document { name, .. } = document;
        println!("  API       {}/openapi/{name}.yaml", settings.public_url);
    }
    if settings.swagger_ui {
        println!("  Swagger   {}/swagger-ui/", settings.public_url);
    }
    match settings.smtp_url {
        Some(_) => println!("  Mail      goes to the mail server"),
        None => println!(
            "  Mail      is written to {}",
            settings.data_dir.join("outbox").display()
        ),
    }
    if !settings.trusted_proxies.is_empty() {
        let proxies: Vec<String> = settings
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect();
        println!(
            "  Proxies   {} are believed: each has to append its peer to X-Forwarded-For, or to set it",
            proxies.join(", ")
        );
    }
    println!("  Stop      Ctrl-C");
}
