//! Drives a headless browser as a person would: click, type, read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::manager::{BrowserKind, WebDriverManager};
use thirtyfour::prelude::*;
use tokio::time::{Instant, sleep};

use crate::suite;
use crate::waiting::{PATIENCE, until};

/// A key of the keyboard.
pub use thirtyfour::prelude::Key;

/// A script that runs before the page's first one and records what a page must not do.
const WATCH: &str = "window.__faults = [];
addEventListener('securitypolicyviolation', (event) => window.__faults.push('policy: ' + event.violatedDirective + ' ' + event.blockedURI));
addEventListener('error', (event) => window.__faults.push('error: ' + event.message));
const told = console.error;
console.error = (...all) => { window.__faults.push('console: ' + all.join(' ')); told(...all); };";

/// A browser with one page.
pub struct Browser {
    driver: WebDriver,
    pictures: PathBuf,
    taken: AtomicU32,
    profile: TempDir,
    authenticator: Mutex<Option<String>>,
}

impl Browser {
    /// Starts a browser.
    pub async fn start() -> Self {
        Self::started(&[]).await
    }

    /// Starts a browser that sends requests for this host and port to the server: passkeys belong
    /// to an origin, but a test's server has a random port.
    pub async fn at(host_and_port: &str, server: SocketAddr) -> Self {
        let rule = format!("--host-resolver-rules=MAP {host_and_port} {server}");
        Self::started(&[&rule]).await
    }

    async fn started(further: &[&str]) -> Self {
        let profile = TempDir::new().expect("a folder");
        let mut wanted = DesiredCapabilities::chrome();
        let folder = format!("--user-data-dir={}", profile.path().display());
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1200,1500",
            &folder,
        ]
        .iter()
        .chain(further)
        {
            wanted.add_arg(argument).expect("an argument");
        }
        let manager: Arc<WebDriverManager> = WebDriverManager::builder()
            .offline()
            .driver_binary(BrowserKind::Chrome, "chromedriver")
            .build();
        let driver = manager.launch(wanted).await.expect("a browser");
        let watch = json!({ "source": WATCH });
        driver
            .cdp()
            .send_raw("Page.addScriptToEvaluateOnNewDocument", watch)
            .await
            .expect("a script");
        let program = std::env::current_exe().expect("this program");
        let target = program.ancestors().nth(3).expect("the target folder");
        let pictures = target.join("screenshots");
        std::fs::create_dir_all(&pictures).expect("a folder");
        Self {
            driver,
            pictures,
            taken: AtomicU32::new(0),
            profile,
            authenticator: Mutex::new(None),
        }
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        // The driver sometimes aborts when it leaves a page that is still loading. A second try
        // succeeds.
        if self.driver.goto(url).await.is_err() {
            self.driver.goto(url).await.expect("a page");
        }
    }

    /// Reloads the page.
    pub async fn reload(&self) {
        self.driver.refresh().await.expect("a page");
    }

    /// Returns the current address, after redirects.
    pub async fn address(&self) -> String {
        self.driver
            .current_url()
            .await
            .expect("an address")
            .to_string()
    }

    /// Waits for an element.
    pub async fn element(&self, selector: &str) -> WebElement {
        let query = self
            .driver
            .query(By::Css(selector))
            .wait(Duration::from_secs(15), Duration::from_millis(50));
        match query.first().await {
            Ok(element) => element,
            Err(error) => {
                self.picture("lost").await;
                panic!("{selector}: {error}")
            }
        }
    }

    /// Tells whether an element is there now.
    pub async fn has(&self, selector: &str) -> bool {
        !self
            .driver
            .find_all(By::Css(selector))
            .await
            .expect("elements")
            .is_empty()
    }

    /// Clicks once the page is stable enough.
    pub async fn click(&self, selector: &str) {
        let mut last = String::new();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            match self.try_to_click(selector).await {
                Ok(()) => return,
                Err(error) => last = error.to_string(),
            }
            sleep(Duration::from_millis(100)).await;
        }
        self.picture("unclicked").await;
        panic!("{selector}: {}", last.lines().take(4).collect::<String>());
    }

    async fn try_to_click(&self, selector: &str) -> WebDriverResult<()> {
        let element = self.element(selector).await;
        element.scroll_into_view().await?;
        element.click().await
    }

    /// Replaces a field's content by pasting.
    pub async fn paste_into(&self, selector: &str, text: &str) {
        self.click(selector).await;
        let element = self.element(selector).await;
        element
            .send_keys(Key::Control + "a")
            .await
            .expect("selected");
        self.driver
            .cdp()
            .send_raw("Input.insertText", json!({ "text": text }))
            .await
            .expect("pasted");
    }

    /// Puts the focus on an element and presses Enter, as people without a mouse do.
    pub async fn press_enter(&self, selector: &str) {
        let element = self.element(selector).await;
        element.focus().await.expect("the focus");
        element.send_keys(Key::Enter + "").await.expect("a key");
    }

    /// Returns the text of an element, as in the document.
    pub async fn text(&self, selector: &str) -> String {
        let element = self.element(selector).await;
        element
            .prop("textContent")
            .await
            .expect("a text")
            .unwrap_or_default()
    }

    /// Sets the screen's width in pixels, and whether its user prefers a dark look.
    pub async fn looks(&self, width: u32, dark: bool) {
        let cdp = self.driver.cdp();
        let screen =
            json!({ "width": width, "height": 1600, "deviceScaleFactor": 1, "mobile": false });
        cdp.send_raw("Emulation.setDeviceMetricsOverride", screen)
            .await
            .expect("a screen");
        let scheme = if dark { "dark" } else { "light" };
        let taste = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        cdp.send_raw("Emulation.setEmulatedMedia", taste)
            .await
            .expect("a taste");
    }

    /// Sets the languages that the browser asks for, as in `Accept-Language`.
    pub async fn speaks(&self, languages: &str) {
        let agent = self.run("return navigator.userAgent;").await;
        let spoken = json!({ "userAgent": agent, "acceptLanguage": languages });
        let cdp = self.driver.cdp();
        cdp.send_raw("Emulation.setUserAgentOverride", spoken)
            .await
            .expect("a language");
    }

    /// Opens a second tab with a copy of the first one's session storage, as duplicating a tab does.
    pub async fn duplicates(&self) {
        let kept = self.run("return JSON.stringify(sessionStorage);").await;
        let address = self.address().await;
        let tab = self.driver.new_tab().await.expect("a tab");
        self.driver.switch_to_window(tab).await.expect("a tab");
        let origin = address.trim_end_matches("/account");
        self.open(&format!("{origin}/healthz")).await;
        let copy = "Object.assign(sessionStorage, JSON.parse(given));";
        self.page(copy, &kept).await;
    }

    /// Goes back to the first tab.
    pub async fn first_tab(&self) {
        let tabs = self.driver.windows().await.expect("tabs");
        let first = tabs.into_iter().next().expect("a tab");
        self.driver.switch_to_window(first).await.expect("a tab");
    }

    /// Types into whatever has the focus.
    pub async fn types(&self, keys: impl Into<TypingData>) {
        let focused = self.driver.active_element().await.expect("a focus");
        focused.send_keys(keys).await.expect("typed");
    }

    /// Returns what a script in the page returns.
    pub async fn value(&self, script: &str) -> Value {
        self.run(script).await
    }

    /// Returns what axe-core finds wrong with the page for people with disabilities: a rule and an
    /// element each.
    ///
    /// # Panics
    /// Panics if axe-core is not installed, or did not run.
    pub async fn barriers(&self) -> Vec<String> {
        let source = std::fs::read_to_string(suite::axe()).expect("axe-core");
        let script = format!(
            "{source}; const found = await axe.run(document, {{ resultTypes: ['violations'] }});
            return found.violations.flatMap(({{ id, nodes }}) => nodes.map((node) => id + ': ' + node.html));"
        );
        let found = self.page(&script, &json!(null)).await;
        serde_json::from_value(found.clone()).unwrap_or_else(|_| panic!("axe: {found}"))
    }

    /// Saves a picture of the page.
    pub async fn picture(&self, name: &str) {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let path = self.pictures.join(format!("{number:02}-{name}.png"));
        self.driver.screenshot(&path).await.expect("a picture");
    }

    /// Returns what the page did that it must not: policy violations, errors, and requests to any
    /// origin but `origin`.
    pub async fn faults(&self, origin: &str) -> Vec<String> {
        let found = self.run("return window.__faults;").await;
        let mut faults: Vec<String> = serde_json::from_value(found).expect("a list");
        let asked = "return performance.getEntriesByType('resource').map((entry) => entry.name);";
        let asked: Vec<String> = serde_json::from_value(self.run(asked).await).expect("a list");
        let foreign = |url: &&String| !url.starts_with(origin) && !url.starts_with("data:");
        faults.extend(
            asked
                .iter()
                .filter(foreign)
                .map(|url| format!("request: {url}")),
        );
        faults
    }

    /// Adds an authenticator that recognises its user, and stores passkeys that are found without a
    /// list of ids.
    pub async fn with_authenticator(&self) {
        let cdp = self.driver.cdp();
        let enable = cdp.send_raw("WebAuthn.enable", json!({}));
        enable.await.expect("an interface for authenticators");
        let options = json!({ "options": {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
            "automaticPresenceSimulation": true,
        } });
        let add = cdp.send_raw("WebAuthn.addVirtualAuthenticator", options);
        let added = add.await.expect("an authenticator");
        let id = added["authenticatorId"].as_str().map(str::to_owned);
        *self.authenticator.lock().expect("an authenticator") = id;
    }

    /// Sets whether somebody is there who touches the authenticator when it asks for that.
    pub async fn touches(&self, touches: bool) {
        let id = self.authenticator.lock().expect("an authenticator").clone();
        let wanted = json!({ "authenticatorId": id, "enabled": touches });
        let cdp = self.driver.cdp();
        cdp.send_raw("WebAuthn.setAutomaticPresenceSimulation", wanted)
            .await
            .expect("somebody there or away");
    }

    /// Runs an asynchronous script in the page. The script is given a value, and returns one.
    pub async fn page(&self, script: &str, given: &Value) -> Value {
        let script = format!(
            "const [given, done] = arguments;
            (async () => {{ {script} }})().then(done, (error) => done({{ failed: String(error) }}));"
        );
        let ran = self.driver.execute_async(script, vec![given.clone()]).await;
        ran.expect("a script").json().clone()
    }

    async fn run(&self, script: &str) -> Value {
        let done = self
            .driver
            .execute(script, Vec::new())
            .await
            .expect("a script");
        done.json().clone()
    }

    /// Stops the browser.
    pub async fn stop(self) {
        let Self {
            driver, profile, ..
        } = self;
        driver.quit().await.expect("ended");
        drop(profile);
    }
}

/// Uses Swagger UI as a person does.
impl Browser {
    /// Opens an operation, presses "Try it out", pastes the body, presses "Execute" and reads the answer.
    pub async fn execute(&self, operation: &str, body: Option<&Value>) -> (u16, Value) {
        let block = format!("div.opblock[id$='-{operation}']");
        let head = format!("{block} .opblock-summary-control");
        self.element(&head).await;
        // The page scrolls to the part that its address names, and a click meanwhile can get lost.
        until("an open operation", async || {
            if !self.has(&format!("{block}.is-open")).await {
                self.click(&head).await;
                sleep(Duration::from_millis(200)).await;
            }
            self.has(&format!("{block}.is-open")).await.then_some(())
        })
        .await;
        let (leave, enter) = (
            format!("{block} .try-out__btn.cancel"),
            format!("{block} .try-out__btn:not(.cancel):not(.reset)"),
        );
        // It starts in "Try it out". Leave that and return to it, as people look for the button.
        if self.has(&leave).await && !self.has(&format!("{block} .live-responses-table")).await {
            self.click(&leave).await;
            self.click(&enter).await;
            self.element(&leave).await;
        }
        if self.has(&format!("{block} .btn-clear")).await {
            self.click(&format!("{block} .btn-clear")).await;
        }
        if let Some(body) = body {
            self.paste_into(
                &format!("{block} textarea.body-param__text"),
                &body.to_string(),
            )
            .await;
        }
        self.click(&format!("{block} button.execute")).await;
        let row = format!("{block} .live-responses-table tr.response");
        let status = self.text(&format!("{row} .response-col_status")).await;
        let status = status
            .chars()
            .take(3)
            .collect::<String>()
            .parse()
            .expect("a status");
        let shown = format!("{row} .response-col_description .highlight-code pre");
        let answer = match self.has(&shown).await {
            true => serde_json::from_str(&self.text(&shown).await).unwrap_or(Value::Null),
            false => Value::Null,
        };
        self.element(&row)
            .await
            .scroll_into_view()
            .await
            .expect("on the screen");
        self.picture(operation).await;
        (status, answer)
    }

    /// Presses "Authorize" and replaces the bearer.
    pub async fn authorize(&self, token: &str) {
        self.click(".auth-wrapper .btn.authorize").await;
        let first = ".modal-ux .auth-container:first-of-type";
        if self
            .has(&format!(
                "{first} button[aria-label='Remove authorization']"
            ))
            .await
        {
            self.click(&format!(
                "{first} button[aria-label='Remove authorization']"
            ))
            .await;
        }
        self.paste_into(&format!("{first} input"), token).await;
        self.picture("authorize").await;
        self.click(&format!("{first} button[type='submit']")).await;
        self.click(".modal-ux .btn-done").await;
    }
}
