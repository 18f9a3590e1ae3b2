//! Tests of settings: precedence, bounds, and errors of one clear line that never show a secret.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{DatabaseUrl, Settings, SettingsError, SigningAlgorithm, rows, table};

fn load(flags: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let flags = flags
        .iter()
        .map(|&(name, text)| (name.to_owned(), text.to_owned()))
        .collect();
    let environment: Vec<(OsString, OsString)> = environment
        .iter()
        .map(|&(key, text)| (key.into(), text.into()))
        .collect();
    Settings::load(&flags, environment)
}

fn refused(flags: &[(&str, &str)], environment: &[(&str, &str)]) -> String {
    let line = load(flags, environment).expect_err("refused").to_string();
    assert!(!line.contains('\n'), "more than one line: {line}");
    line
}

/// Makes a settings file of its own for each test.
fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("countersign-{name}-{}.toml", std::process::id()));
    std::fs::write(&path, text).expect("written");
    path
}

#[test]
fn with_nothing_given_everything_has_its_default() {
    let settings = load(&[], &[("HOME", "/nowhere")]).expect("defaults");
    assert_eq!(settings.public_url, "http://localhost:8080");
    assert!(
        matches!(&settings.database_url, DatabaseUrl::Sqlite(path) if path == Path::new("./data/countersign.db"))
    );
    assert_eq!(settings.key_file, Path::new("./data/keys.json"));
    assert_eq!(settings.policy.password_min, 15);
    assert_eq!(settings.signing_algorithm, SigningAlgorithm::EdDsa);
    assert!(settings.smtp_url.is_none() && settings.trusted_proxies.is_empty());
    assert!(settings.warnings().is_empty());
    assert!(Settings::for_test(Path::new("/x")).is_ok());
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let path = file(
        "order",
        "listen = \"127.0.0.1:1\"\nhard_limit = 60\nsoft_limit = 6\nissuer_name = \"File\"\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n",
    );
    let environment = [
        ("COUNTERSIGN_CONFIG", path.to_str().expect("UTF-8")),
        ("COUNTERSIGN_LISTEN", "127.0.0.1:2"),
        ("COUNTERSIGN_HARD_LIMIT", "70"),
    ];
    let settings = load(&[("listen", "127.0.0.1:3")], &environment).expect("good");
    assert_eq!(settings.listen.port(), 3);
    assert_eq!(settings.public_url, "http://localhost:3");
    assert_eq!(settings.policy.hard_limit, 70);
    assert_eq!(settings.policy.soft_limit, 6);
    assert_eq!(settings.issuer_name, "File");
    assert_eq!(settings.trusted_proxies.len(), 2);
    std::fs::remove_file(path).expect("removed");
}

#[test]
fn a_file_may_begin_with_a_byte_order_mark() {
    let path = file("mark", "\u{feff}issuer_name = \"File\"\n");
    let settings = load(&[("config", path.to_str().expect("UTF-8"))], &[]).expect("good");
    assert_eq!(settings.issuer_name, "File");
    std::fs::remove_file(path).expect("removed");
}

#[test]
fn what_is_no_setting_stops_the_start() {
    let line = refused(&[], &[("COUNTERSIGN_LISTN", "x")]);
    assert!(line.contains("COUNTERSIGN_LISTN"), "{line}");
    for (name, text) in [
        ("key", "listn = 1"),
        ("self", "config = \"x\""),
        ("table", "[listen]\nx = 1"),
    ] {
        let path = file(name, text);
        let line = refused(&[("config", path.to_str().expect("UTF-8"))], &[]);
        assert!(line.contains(path.to_str().expect("UTF-8")), "{line}");
        std::fs::remove_file(path).expect("removed");
    }
    let line = refused(&[("config", "/no/such/file")], &[]);
    assert!(line.contains("/no/such/file"), "{line}");
}

#[test]
fn a_bad_value_is_named_with_its_origin_and_what_is_allowed() {
    let line = refused(&[], &[("COUNTERSIGN_TRIES_PER_CHALLENGE", "11")]);
    for part in [
        "tries_per_challenge",
        "environment COUNTERSIGN_TRIES_PER_CHALLENGE",
        "\"11\"",
        "from 3 to 10",
    ] {
        assert!(line.contains(part), "{line}");
    }
    for (name, text) in [
        ("listen", "localhost"),
        ("public_url", "https://x.example/app"),
        ("public_url", "ftp://x.example"),
        ("public_url", "https://u@x.example"),
        ("public_url", "https://x.example:99999"),
        ("database_url", "mysql://x"),
        ("database_url", "sqlite::memory:"),
        ("database_url", "sqlite:file:foo.db"),
        ("database_url", "sqlite://FILE:foo.db"),
        ("database_url", "postgres://u:p@h:port/d"),
        ("mail_from", "x"),
        ("mail_from", "A\nB <a@example.com>"),
        ("issuer_name", "a:b"),
        ("issuer_name", "\u{200b}"),
        ("issuer_name", "\u{202e}emaN"),
        ("trusted_proxies", "proxy"),
        ("swagger_ui", "maybe"),
        ("log_format", "xml"),
        ("log_filter", "=="),
        ("signing_algorithm", "HS256"),
        ("argon2_memory_kib", "4096"),
        ("hash_slots", "0"),
        ("hard_limit", "101"),
        ("code_digits", "5"),
        ("access_token_seconds", "3601"),
        ("token_leeway_seconds", "-1"),
        ("session_seconds", "1.5"),
    ] {
        let line = refused(&[(name, text)], &[]);
        let flag = format!("flag --{}", name.replace('_', "-"));
        assert!(line.contains(&flag), "{line}");
    }
}

#[test]
fn an_empty_text_is_none_whatever_the_setting() {
    let plain = format!("{:?}", load(&[], &[]).expect("defaults"));
    for row in rows() {
        let variable = row.variable();
        for (flags, environment) in [
            (vec![], vec![(variable.as_str(), "")]),
            (vec![(row.name, "")], vec![]),
        ] {
            let settings = load(&flags, &environment);
            let settings = settings.unwrap_or_else(|error| panic!("{variable}: {error}"));
            assert_eq!(format!("{settings:?}"), plain, "{variable}");
        }
        if row.name != "config" {
            let path = file("empty", &format!("{} = \"\"\n", row.name));
            let settings = load(&[("config", path.to_str().expect("UTF-8"))], &[]);
            std::fs::remove_file(path).expect("removed");
            assert_eq!(
                format!("{:?}", settings.expect("allowed")),
                plain,
                "{}",
                row.name
            );
        }
    }
    let weaker = [("COUNTERSIGN_LISTEN", "127.0.0.1:2")];
    let settings = load(&[("listen", "")], &weaker).expect("good");
    assert_eq!(settings.listen.port(), 2, "an empty flag hides nothing");
}

/// The variables that Kubernetes gives to each container of a namespace with a service whose name
/// is, or begins like, ours; and those that our own clients read.
#[test]
fn variables_of_other_programs_are_passed_over() {
    let plain = format!("{:?}", load(&[], &[]).expect("defaults"));
    for (key, text) in [
        ("COUNTERSIGN_SERVICE_HOST", "10.0.0.11"),
        ("COUNTERSIGN_SERVICE_PORT", "8080"),
        ("COUNTERSIGN_SERVICE_PORT_HTTP", "8080"),
        ("COUNTERSIGN_PORT", "tcp://10.0.0.11:8080"),
        ("COUNTERSIGN_PORT_8080_TCP", "tcp://10.0.0.11:8080"),
        ("COUNTERSIGN_PORT_8080_TCP_PROTO", "tcp"),
        ("COUNTERSIGN_PORT_8080_TCP_PORT", "8080"),
        ("COUNTERSIGN_PORT_8080_TCP_ADDR", "10.0.0.11"),
        ("COUNTERSIGN_PORT_53_UDP_ADDR", "10.0.0.11"),
        ("COUNTERSIGN_WEB_SERVICE_HOST", "10.0.0.12"),
        ("COUNTERSIGN_WEB_SERVICE_PORT_METRICS_2", "9090"),
        ("COUNTERSIGN_WEB_PORT", "tcp://10.0.0.12:80"),
        ("COUNTERSIGN_WEB_PORT_80_TCP_ADDR", "10.0.0.12"),
    ] {
        let settings = load(&[], &[(key, text)]);
        let settings = settings.unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(format!("{settings:?}"), plain, "{key}");
    }
    for (key, text) in [
        ("COUNTERSIGN_PORT", "8080"),
        ("COUNTERSIGN_MICROSERVICE_HOST", "x"),
        ("COUNTERSIGN_HOST", "x"),
        ("COUNTERSIGN_SERVICE", "x"),
        ("COUNTERSIGN_SERVICE_PORT_", "x"),
        ("COUNTERSIGN_PORT_TCP", "x"),
        ("COUNTERSIGN_PORT_80", "x"),
        ("COUNTERSIGN_REPORT_80_TCP", "x"),
        ("COUNTERSIGN_LISTN", ""),
    ] {
        assert!(refused(&[], &[(key, text)]).contains(key));
    }
}

#[test]
fn what_our_own_example_reads_is_passed_over() {
    let example = include_str!("../../../../sdk/rust/examples/sign_in.rs");
    let letter = |c: char| c.is_ascii_uppercase() || c == '_';
    let names = example.match_indices("COUNTERSIGN_").map(|(at, _)| {
        let rest = &example[at..];
        &rest[..rest.find(|c| !letter(c)).unwrap_or(rest.len())]
    });
    let names: Vec<&str> = names.collect();
    assert!(names.contains(&"COUNTERSIGN_URL"), "{names:?}");
    for name in names {
        load(&[], &[(name, "http://localhost:8080")]).expect(name);
    }
    load(&[], &[("COUNTERSIGN_BIN", "/usr/bin/countersign")]).expect("of the test kit");
}

#[test]
fn a_mail_server_that_can_be_read_in_two_ways_is_refused() {
    for url in [
        "smtp://u:hunter2@ss@127.0.0.1",
        "smtps://u:hunter2@ss@mail.example.com",
        "smtps://u:12/hunter2@mail.example.com",
        "smtps://u:12?hunter2@mail.example.com",
        "smtps://u:12#hunter2@mail.example.com",
    ] {
        let line = refused(&[("smtp_url", url)], &[]);
        assert!(line.contains("smtp_url") && line.contains("%40"), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    for url in [
        "smtps://u%40x:p%40ss@mail.example.com",
        "smtp://127.0.0.1:25",
    ] {
        load(&[("smtp_url", url)], &[]).expect(url);
    }
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    for (pairs, word) in [
        (&[("argon2_iterations", "1")][..], "argon2_iterations"),
        (&[("soft_limit", "20"), ("hard_limit", "15")], "hard_limit"),
        (&[("session_seconds", "600")], "session_idle_seconds"),
        (&[("code_mails_per_day", "3")], "code_mails_per_hour"),
        (&[("api_key_max_days", "30")], "api_key_default_days"),
    ] {
        assert!(refused(pairs, &[]).contains(word));
    }
    load(
        &[("argon2_iterations", "1"), ("argon2_memory_kib", "47104")],
        &[],
    )
    .expect("46 MiB, one pass");
}

#[test]
fn passkeys_are_bound_to_the_host_of_public_url_or_above_it() {
    let defaults = load(&[], &[]).expect("defaults");
    assert_eq!(defaults.passkey_rp_id, "localhost");
    assert_eq!(defaults.passkey_pages(), ["http://localhost:8080"]);
    let url = ("public_url", "https://mfa.example.com");
    let above = load(
        &[
            url,
            ("passkey_rp_id", "example.com"),
            (
                "passkey_origins",
                "https://app.example.com, https://example.com",
            ),
        ],
        &[],
    )
    .expect("good");
    assert_eq!(above.passkey_pages().len(), 3);
    for (name, text) in [
        ("passkey_rp_id", "other.example"),
        ("passkey_rp_id", "ple.com"),
        ("passkey_rp_id", "10.0.0.1"),
        ("passkey_rp_id", "https://example.com"),
        ("passkey_origins", "https://example.com"),
        ("passkey_origins", "app.example.com"),
    ] {
        assert!(refused(&[url, (name, text)], &[]).contains(name), "{text}");
    }
    let app = "android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck";
    let with_app = load(&[url, ("passkey_origins", app)], &[]).expect("good");
    assert_eq!(with_app.passkey_pages(), ["https://mfa.example.com", app]);
    for bad in [
        "android:apk-key-hash:",
        "android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1z",
        "android:other:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck",
    ] {
        assert!(refused(&[url, ("passkey_origins", bad)], &[]).contains("android"));
    }
    // Browsers leave out the default port.
    let with_port = load(&[("public_url", "https://MFA.example.com:443")], &[]).expect("good");
    assert_eq!(with_port.passkey_pages(), ["https://mfa.example.com"]);
    let by_number = [("public_url", "http://10.0.0.1"), ("passkey_origins", app)];
    assert!(refused(&by_number, &[]).contains("not an IP address"));
    let by_number = load(&[("public_url", "http://10.0.0.1")], &[]).expect("good");
    assert!(by_number.passkey_pages().is_empty());
}

#[test]
fn passkeys_need_https_or_this_machine() {
    let http = ("public_url", "http://login.example.com:8080");
    let line = refused(&[http], &[]);
    assert!(
        line.contains("public_url is http") && line.contains("passkeys to false"),
        "{line}"
    );
    let without = load(&[http, ("passkeys", "false")], &[]).expect("a trial");
    assert!(without.passkey_pages().is_empty());
    for origin in ["http://app.login.example.com", "http://login.example.com"] {
        let https = ("public_url", "https://login.example.com");
        let line = refused(&[https, ("passkey_origins", origin)], &[]);
        assert!(line.contains("passkey_origins must be https"), "{line}");
    }
    for here in ["http://localhost:8080", "http://app.localhost:3000"] {
        let here = load(&[("public_url", here)], &[]).expect("this machine");
        assert_eq!(here.passkey_pages().len(), 1);
    }
}

#[test]
fn mail_to_another_machine_is_encrypted_or_refused() {
    for good in [
        "smtp://127.0.0.1:1025",
        "smtp://localhost",
        "smtp://[::1]:25",
        "smtp://u:p%40ss@mail.example.com:587?tls=required",
        "smtps://u:p@mail.example.com",
    ] {
        load(&[("smtp_url", good)], &[]).expect(good);
    }
    for bad in [
        "smtp://u:hunter2@mail.example.com",
        "smtp://u:hunter2@mail.example.com?tls=opportunistic",
        "smtp://localhost@mail.example.com:hunter2",
        "http://u:hunter2@mail.example.com",
        "hunter2",
    ] {
        let line = refused(&[("smtp_url", bad)], &[]);
        assert!(
            line.contains("tls=required") && !line.contains("hunter2"),
            "{line}"
        );
    }
}

#[test]
fn no_secret_is_shown() {
    for url in [
        "postgrs://u:hunter2@h/d",
        "postgres://u:hunter2 @h/d",
        "postgres://u:hunter2/x@h/d",
    ] {
        let line = refused(&[], &[("COUNTERSIGN_DATABASE_URL", url)]);
        assert!(
            line.contains("database_url") && !line.contains("hunter2"),
            "{line}"
        );
    }
    let path = file(
        "secret",
        "listen = \"127.0.0.1:1\"\nsmtp_url = \"smtp://u:hunter2@x\" oops\n",
    );
    let line = refused(&[("config", path.to_str().expect("UTF-8"))], &[]);
    assert!(
        line.contains("line 2") && !line.contains("hunter2"),
        "{line}"
    );
    std::fs::remove_file(path).expect("removed");
    let settings = load(
        &[
            ("database_url", "postgres://u:hunter2@h/d"),
            ("smtp_url", "smtps://u:hunter2@h"),
        ],
        &[],
    );
    assert!(!format!("{:?}", settings.expect("good")).contains("hunter2"));
}

#[test]
fn a_public_server_is_warned_about() {
    let plain = [
        ("public_url", "http://LOGIN.example.com/"),
        ("passkeys", "false"),
    ];
    let settings = load(&plain, &[]).expect("good");
    assert_eq!(settings.public_url, "http://login.example.com");
    assert_eq!(settings.warnings().len(), 3);
    let warnings = |listen, proxies| {
        let settings = load(
            &[
                ("public_url", "https://login.example.com"),
                ("smtp_url", "smtps://mail.example.com"),
                ("mail_from", "Login <login@example.com>"),
                ("listen", listen),
                ("trusted_proxies", proxies),
            ],
            &[],
        );
        settings.expect("good").warnings()
    };
    for listen in ["127.0.0.1:8080", "0.0.0.0:8080"] {
        let told = warnings(listen, "");
        for what in ["trusted_proxies", "127.0.0.1,::1", "X-Forwarded-For"] {
            assert!(told[0].contains(what), "what to set: {told:?}");
        }
        assert!(warnings(listen, "127.0.0.1").is_empty());
    }
}

#[test]
fn a_sender_of_this_machine_is_warned_about_where_a_mail_server_is_named() {
    let warnings = |pairs: &[(&str, &str)]| load(pairs, &[]).expect("good").warnings();
    let server = ("smtp_url", "smtp://127.0.0.1:1025");
    let told = warnings(&[server]);
    assert!(told.len() == 1 && told[0].contains("mail_from"), "{told:?}");
    assert!(warnings(&[server, ("mail_from", "login@example.com")]).is_empty());
    assert!(warnings(&[]).is_empty(), "the outbox refuses nobody");
}

#[test]
fn the_table_has_a_row_for_every_setting() {
    let text = table();
    assert_eq!(text.lines().count(), rows().len() + 2);
    assert!(text.contains("| `tries_per_challenge` | `--tries-per-challenge` | `COUNTERSIGN_TRIES_PER_CHALLENGE` | 5 | a whole number from 3 to 10 | Tries per challenge or registration. |"));
    assert!(
        text.lines()
            .all(|line| line.matches(" | ").count() == 5 || line.starts_with("|---"))
    );
}

#[test]
fn text_messages_are_off_until_a_country_is_named() {
    let settings = load(&[], &[]).expect("defaults");
    assert!(settings.sms_countries.is_empty());
    assert_eq!(settings.twilio_url, "https://api.twilio.com");
    let settings = load(&[("sms_countries", "us, DE")], &[]).expect("good");
    assert_eq!(settings.sms_countries.len(), 2);
    for (name, text) in [
        ("sms_countries", "USA"),
        ("twilio_url", "http://api.twilio.com"),
        ("twilio_url", "https://user:secretly@api.twilio.com"),
        ("sms_webhook_url", "http://example.com/secretly"),
        ("sms_webhook_secret", "secretly"),
        ("twilio_auth_token", "not secretly"),
        ("twilio_from", "not a sender at all"),
        ("twilio_account_sid", "AC1"),
        ("sms_per_number_hour", "9"),
    ] {
        let line = refused(&[(name, text)], &[]);
        assert!(line.contains(name) && !line.contains("secretly"), "{line}");
    }
}

#[test]
fn a_sender_of_text_messages_is_whole_and_the_only_one() {
    let sid = "AC00000000000000000000000000000000";
    let twilio = [
        ("twilio_account_sid", sid),
        ("twilio_auth_token", "0123456789abcdef"),
        ("twilio_from", "+15005550006"),
    ];
    let hook = [
        ("sms_webhook_url", "https://example.com/sms"),
        ("sms_webhook_secret", "0123456789abcdef0123456789abcdef"),
    ];
    assert!(load(&twilio, &[]).is_ok() && load(&hook, &[]).is_ok());
    assert!(refused(&twilio[..2], &[]).contains("together"));
    assert!(refused(&hook[..1], &[]).contains("together"));
    let both = [twilio.as_slice(), &hook].concat();
    assert!(refused(&both, &[]).contains("Twilio or by the webhook"));
}

#[test]
fn what_strangers_send_is_no_error_in_the_log() {
    for (given, shown) in [
        (
            None,
            "info,actix_server=warn,actix_http=off,webauthn_rs_core=off",
        ),
        (Some("warn"), "warn,actix_http=off,webauthn_rs_core=off"),
        (Some("debug"), "debug"),
        (
            Some("info,actix_http=debug"),
            "info,actix_http=debug,webauthn_rs_core=off",
        ),
    ] {
        let flags: Vec<_> = given
            .map(|filter| ("log_filter", filter))
            .into_iter()
            .collect();
        let settings = load(&flags, &[]).expect("good");
        assert_eq!(settings.log_filter, shown);
    }
}
