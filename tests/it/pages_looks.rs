//! How the pages look and read: for everybody, in two languages, on a narrow screen, and when they are turned off.

use contract_tests::call::Method;
use contract_tests::visitor::{SEND, english, german};
use contract_tests::{PASSWORD, Sandbox, Server, Visitor, tests};

tests! {
    on_sqlite:
    the_pages_keep_nobody_out needs Axe,
    the_account_keeps_nobody_out needs Axe,
    a_page_speaks_the_browsers_language,
    no_page_runs_anything_but_its_own_scripts,
    the_pages_can_be_turned_off,
}

const PAGES: [&str; 4] = ["/sign-in", "/register", "/forgot-password", "/account"];

/// Nothing is found wrong, and nothing is wider than the screen.
async fn is_fine(visitor: &Visitor, name: &str) {
    let barriers = visitor.browser.barriers().await;
    assert_eq!(barriers, Vec::<String>::new(), "{name}");
    let wide = "return document.documentElement.scrollWidth - innerWidth;";
    let wide = visitor.browser.value(wide).await;
    assert!(
        wide.as_i64().is_some_and(|over| over <= 0),
        "{name}: {wide}"
    );
    visitor.browser.picture(name).await;
}

async fn the_pages_keep_nobody_out() {
    let sandbox = Sandbox::start().await;
    for (language, width, dark) in [("en", 1280, false), ("de", 360, true)] {
        let visitor = Visitor::of(&sandbox).await;
        visitor.browser.looks(width, dark).await;
        visitor.browser.speaks(language).await;
        let texts = if language == "de" {
            german()
        } else {
            english()
        };
        for (path, title) in [
            ("/register", "register.title"),
            ("/forgot-password", "forgot.title"),
            ("/sign-in", "sign-in.title"),
        ] {
            visitor.go(path).await;
            visitor.reads("h1", &texts[title]).await;
            is_fine(
                &visitor,
                &format!("pages{}-{language}", path.replace('/', "-")),
            )
            .await;
        }
        visitor.press(&format!("#password-form {SEND}")).await;
        visitor.reads("#email-error", &texts["flaw.missing"]).await;
        is_fine(&visitor, &format!("pages-missing-{language}")).await;
        let email = "several@example.com";
        visitor
            .fill(&[("#email", email), ("#password", PASSWORD)])
            .await;
        visitor.press(&format!("#password-form {SEND}")).await;
        visitor
            .reads(".told", &texts["second.told.authenticator"])
            .await;
        is_fine(&visitor, &format!("pages-second-{language}")).await;
        visitor.answers("000000").await;
        visitor.browser.element("#second-code[aria-invalid]").await;
        is_fine(&visitor, &format!("pages-wrong-{language}")).await;
        visitor.leaves().await;
    }
}

async fn the_account_keeps_nobody_out() {
    let sandbox = Sandbox::start().await;
    for (language, width, dark) in [("en", 1280, true), ("de", 360, false)] {
        let visitor = Visitor::of(&sandbox).await;
        visitor.browser.looks(width, dark).await;
        visitor.browser.speaks(language).await;
        visitor.signs_in("none@example.com").await;
        let named = |name: &str| format!("pages-account-{name}-{language}");
        is_fine(&visitor, &named("page")).await;
        for method in ["email", "sms", "passkey", "authenticator"] {
            visitor.press(&format!("[data-add={method}]")).await;
            visitor.browser.element("#task[open] form").await;
            is_fine(&visitor, &named(method)).await;
            if method != "authenticator" {
                visitor.press("#task .close").await;
            }
        }
        visitor.fill(&[("#task-set-up-password", PASSWORD)]).await;
        visitor.press(&format!("#task form {SEND}")).await;
        visitor.browser.element("#task .qr").await;
        visitor.press("#task summary").await;
        is_fine(&visitor, &named("scan")).await;
        visitor.press("#task .close").await;
        for (button, name) in [
            ("#change-password", "password"),
            ("#change-names", "names"),
            ("#change-email", "email-new"),
            ("#delete", "delete"),
        ] {
            visitor.press(button).await;
            visitor.browser.element("#task[open] form").await;
            is_fine(&visitor, &named(name)).await;
            visitor.press("#task .close").await;
        }
        visitor.leaves().await;
    }
}

async fn a_page_speaks_the_browsers_language() {
    let server = Server::start().await;
    let [english, german] = [english(), german()];
    for path in PAGES
        .into_iter()
        .chain(["/magic-link", "/reset-password", "/undo-email"])
    {
        let page = async |languages: &str| {
            let call = server.get(path).header("accept-language", languages);
            call.await.is(200)
        };
        let [spoken, other] = [page("de-AT,de;q=0.9,en;q=0.8").await, page("fr").await];
        assert!(spoken.text.contains("<html lang=\"de\">"), "{path}");
        assert!(other.text.contains("<html lang=\"en\">"), "{path}");
        assert_eq!(spoken.header("content-language").as_deref(), Some("de"));
        let vary = spoken.header("vary").unwrap_or_default();
        assert!(vary.contains("Accept-Language"), "{path}: {vary}");
        // Without scripts, a sentence is all there is.
        let sentences = |texts: &std::collections::BTreeMap<String, String>| {
            let keys = ["no-script", "link.no-script", "link.code.no-script"];
            keys.map(|key| format!("<noscript><p>{}</p></noscript>", texts[key]))
        };
        let says = |page: &str, texts| sentences(texts).iter().any(|one| page.contains(one));
        assert!(says(&spoken.text, &german), "{path}: {}", spoken.text);
        assert!(says(&other.text, &english), "{path}");
    }
}

async fn no_page_runs_anything_but_its_own_scripts() {
    let server =
        Server::with(|settings| settings.issuer_name = "<b>Acme</b> & \"Sons\"".to_owned()).await;
    for path in PAGES {
        let page = server.get(path).await.is(200);
        let policy = page.header("content-security-policy").expect("a policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("cache-control").as_deref(), Some("no-store"));
        assert!(!page.text.contains("<b>"), "{path}: the name is escaped");
        for inline in ["<style", " style=", " onclick", "javascript:"] {
            assert!(!page.text.contains(inline), "{path}: {inline}");
        }
        let scripts = page.text.matches("<script").count();
        let loaded = page
            .text
            .matches("<script type=\"module\" src=\"/pages/")
            .count();
        assert_eq!(scripts, loaded, "{path}");
        server.call(Method::POST, path).await.is(405);
    }
}

async fn the_pages_can_be_turned_off() {
    let server = Server::with(|settings| settings.pages = false).await;
    for path in PAGES {
        server.get(path).await.refused(404, "NOT_FOUND");
    }
    // Mails lead to these.
    for path in [
        "/magic-link",
        "/verify-email",
        "/reset-password",
        "/undo-email",
    ] {
        let page = server.get(path).await.is(200);
        assert!(!page.text.contains("/sign-in"), "{path} leads nowhere");
    }
}
