//! The table of layers and who may import whom, as described in `server/README.md`.

/// One row: a folder or single file of `server/src`, and what its code may use.
pub struct Layer {
    /// The name of the folder or file.
    pub name: &'static str,
    /// Paths from the crate's root that it may use: a layer, or a part of one.
    pub may: &'static [&'static str],
    /// Crates that it must not use, by the beginnings of their names.
    pub never: &'static [&'static str],
}

/// A file that may use slightly more than the rest of its layer.
pub struct Exception {
    /// The file, from `server/src`.
    pub file: &'static str,
    /// What it may use.
    pub may: &'static str,
}

/// Wire formats and frameworks.
const WIRE: &[&str] = &["actix", "utoipa"];
/// The database.
const SQL: &[&str] = &["diesel", "libsqlite3", "pq_sys"];
/// Wire formats, frameworks and the database.
const WIRE_AND_SQL: &[&str] = &["actix", "utoipa", "diesel", "libsqlite3", "pq_sys"];

/// Every layer. A folder or file without a row is an error: each has its place.
pub const LAYERS: &[Layer] = &[
    Layer {
        name: "api",
        may: &[
            "http", "flow", "model", "app", "clock", "chance", "config", "outcome",
        ],
        never: SQL,
    },
    Layer {
        name: "http",
        may: &["app", "model", "clock", "chance", "config", "outcome"],
        never: SQL,
    },
    Layer {
        name: "flow",
        may: &[
            "factor", "store", "model", "vault", "app::Ctx", "clock", "chance", "config", "outcome",
        ],
        never: WIRE_AND_SQL,
    },
    Layer {
        name: "factor",
        may: &[
            "store", "model", "vault", "clock", "chance", "config", "outcome",
        ],
        never: WIRE_AND_SQL,
    },
    Layer {
        name: "courier",
        may: &[
            "store", "model", "vault", "clock", "chance", "config", "outcome",
        ],
        never: WIRE_AND_SQL,
    },
    Layer {
        name: "store",
        may: &["model", "schema"],
        never: WIRE,
    },
    Layer {
        name: "model",
        may: &["schema"],
        never: WIRE,
    },
    Layer {
        name: "schema",
        may: &[],
        never: WIRE,
    },
    Layer {
        name: "clock",
        may: &["model"],
        never: WIRE_AND_SQL,
    },
    Layer {
        name: "chance",
        may: &["model", "log"],
        never: WIRE_AND_SQL,
    },
    Layer {
        name: "config",
        may: &["model"],
        never: WIRE_AND_SQL,
    },
    Layer {
        name: "outcome",
        may: &["model"],
        never: WIRE_AND_SQL,
    },
    Layer {
        name: "log",
        may: &["config"],
        never: WIRE_AND_SQL,
    },
    Layer {
        name: "vault",
        may: &["model", "clock", "chance", "config"],
        never: WIRE_AND_SQL,
    },
    Layer {
        name: "app",
        may: &[
            "flow", "factor", "courier", "store", "vault", "model", "clock", "chance", "config",
            "outcome",
        ],
        never: SQL,
    },
    Layer {
        name: "serve",
        may: &[
            "http", "api", "app", "flow", "courier", "store", "vault", "model", "clock", "chance",
            "config", "outcome",
        ],
        never: SQL,
    },
    Layer {
        name: "cli",
        may: &[
            "flow", "app", "serve", "api", "courier", "model", "clock", "chance", "config",
            "outcome", "log",
        ],
        never: WIRE_AND_SQL,
    },
    Layer {
        name: "main",
        may: &["cli"],
        never: SQL,
    },
    Layer {
        name: "lib",
        may: &["cli"],
        never: WIRE_AND_SQL,
    },
];

/// The few files with an exception.
pub const EXCEPTIONS: &[Exception] = &[Exception {
    file: "http/caller.rs",
    may: "flow::session",
}];

/// Returns the row of a layer.
pub fn layer(name: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.name == name)
}
