//! Schemas of other versions: newer ones, marked or not, and databases that cannot store our text.

use contract_tests::{Server, tests};
use countersign::app::App;
use countersign::chance::Chance;
use countersign::clock::Clock;
use countersign::config::{DatabaseUrl, Settings};
use countersign::model::Secret;

tests! {
    a_newer_schema_that_is_marked_for_it_is_served,
    another_encoding_is_refused_at_the_start,
}

/// Opens a replica. Returns what stops it.
async fn opens(server: &Server, url: DatabaseUrl) -> Result<(), String> {
    let mut settings = Settings::for_test(server.folder()).expect("the defaults are allowed");
    settings.database_url = url;
    settings.hash_slots = 1;
    let opened = App::open(settings, Clock::System, Chance::system()).await;
    opened.map(drop).map_err(|error| format!("{error:#}"))
}

async fn a_newer_schema_that_is_marked_for_it_is_served() {
    let server = Server::start().await;
    let newest = server
        .database
        .texts("SELECT max(version) AS found FROM __diesel_schema_migrations")
        .remove(0);
    let floor = |works_with: &str| {
        server
            .database
            .run("DELETE FROM schema_floors WHERE version = '29991231000001'");
        server.database.run(&format!(
            "INSERT INTO schema_floors (version, works_with) VALUES ('29991231000001', '{works_with}')"
        ));
    };
    server
        .database
        .run("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000001')");
    let refused = opens(&server, server.database.url()).await;
    assert!(refused.expect_err("refused").contains("newer version"));
    floor("29991231000000");
    let not = server.get("/readyz").await.refused(503, "NOT_READY");
    assert_eq!(not["checks"]["migrations"], "ahead");
    opens(&server, server.database.url())
        .await
        .expect_err("it works with newer servers only");
    for works_with in [newest.as_str(), "20261122000001"] {
        floor(works_with);
        let ready = server.get("/readyz").await.is(200);
        assert_eq!(ready["checks"]["migrations"], "ok", "{works_with}");
        opens(&server, server.database.url())
            .await
            .expect("a start");
    }
    server.registered("alice@example.com").await;
    // A marked migration does not excuse another one.
    server
        .database
        .run("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000002')");
    server.get("/readyz").await.refused(503, "NOT_READY");
}

async fn another_encoding_is_refused_at_the_start() {
    let server = Server::start().await;
    let DatabaseUrl::Postgres(url) = server.database.url() else {
        return;
    };
    let (cluster, name) = url
        .expose()
        .rsplit_once('/')
        .expect("a URL with a database");
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let other = format!("{name}_{}", encoding.to_lowercase());
        server.database.run(&format!(
            "CREATE DATABASE {other} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        ));
        let url = DatabaseUrl::Postgres(Secret::new(format!("{cluster}/{other}")));
        let refused = opens(&server, url).await.expect_err("refused");
        server
            .database
            .run(&format!("DROP DATABASE {other} WITH (FORCE)"));
        assert!(
            refused.contains(encoding) && refused.contains("needs UTF8"),
            "{refused}"
        );
    }
}
