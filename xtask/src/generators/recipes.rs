//! The generators: their documents and options, and how a sample with their client is built and
//! run.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::shop::Shop;

/// A generator and everything specific to it.
pub struct Recipe {
    /// The name by which people search for it.
    pub name: &'static str,
    /// Its folder in `openapi/generators/`.
    pub folder: &'static str,
    /// The extension of a sample's file.
    pub extension: &'static str,
    /// Whether it takes the lenient twin.
    pub lenient: bool,
    /// The options it is called with, for the reader.
    pub options: &'static str,
    /// Makes the client.
    pub generate: fn(&Shop, &Place) -> Command,
    /// Builds the sample with its client.
    pub build: fn(&Shop, &Place) -> Vec<Command>,
    /// Runs the sample.
    pub run: fn(&Shop, &Place) -> Command,
    /// The documents that each CI run tries. Empty for generators that need Java or Go.
    pub few: &'static [&'static str],
}

/// Where one trial happens.
pub struct Place {
    /// The document.
    pub document: PathBuf,
    /// The folder of the client and its sample, `sample.EXTENSION`.
    pub folder: PathBuf,
}

impl Place {
    /// Returns the folder of the client.
    pub fn client(&self) -> PathBuf {
        self.folder.join("client")
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(&self.folder);
        command
    }
}

/// If any string is allowed beside known values, a Go client needs only a string.
const PLAIN_STRINGS: [&str; 2] = [
    "--openapi-normalizer",
    "SIMPLIFY_ANYOF_STRING_AND_ENUM_STRING=true",
];

const TYPESCRIPT: &str = "sample.ts";

/// All generators, in the order of the table.
pub const RECIPES: [Recipe; 8] = [
    Recipe {
        name: "openapi-typescript with openapi-fetch",
        folder: "openapi-fetch",
        extension: "ts",
        lenient: false,
        options: "none",
        generate: |shop, place| {
            let mut command = place.command(shop.node_program("openapi-typescript"));
            command
                .arg(&place.document)
                .args(["-o", "client/schema.ts"]);
            command
        },
        build: typescript,
        run: node,
        few: &["identity", "netevia", "flashback", "veeam"],
    },
    Recipe {
        name: "hey-api (@hey-api/openapi-ts)",
        folder: "hey-api",
        extension: "ts",
        lenient: false,
        options: "`--client @hey-api/client-fetch`",
        generate: |shop, place| {
            let mut command = place.command(shop.node_program("openapi-ts"));
            command
                .args(["-o", "client", "-c", "@hey-api/client-fetch", "-i"])
                .arg(&place.document);
            command
        },
        build: typescript,
        run: node,
        few: &["identity"],
    },
    Recipe {
        name: "orval",
        folder: "orval",
        extension: "ts",
        lenient: false,
        options: "`--client fetch`",
        generate: |shop, place| {
            let mut command = place.command(shop.node_program("orval"));
            command
                .args([
                    "--client",
                    "fetch",
                    "--output",
                    "client/client.ts",
                    "--input",
                ])
                .arg(&place.document);
            command
        },
        build: typescript,
        run: node,
        few: &["identity"],
    },
    Recipe {
        name: "openapi-generator typescript-fetch",
        folder: "openapi-generator-typescript-fetch",
        extension: "ts",
        lenient: false,
        options: "none (its client of a lenient twin does not compile)",
        generate: |shop, place| openapi_generator(shop, place, "typescript-fetch", ""),
        build: typescript,
        run: node,
        few: &[],
    },
    Recipe {
        name: "openapi-generator java",
        folder: "openapi-generator-java",
        extension: "java",
        lenient: true,
        options: "`--library native`, `useOneOfDiscriminatorLookup=true`, `openApiNullable=false` and `useJakartaEe=true`",
        generate: |shop, place| {
            let properties = "useOneOfDiscriminatorLookup=true,openApiNullable=false,useJakartaEe=true,\
                              invokerPackage=client,apiPackage=client.api,modelPackage=client.model";
            let mut command = openapi_generator(shop, place, "java", properties);
            command.args(["--library", "native"]);
            command
        },
        build: java,
        run: |shop, place| {
            let mut command = place.command("java");
            let classes = format!("classes:{}", shop.class_path());
            command.args(["-cp", &classes, "SignIn"]);
            command
        },
        few: &[],
    },
    Recipe {
        name: "openapi-generator go",
        folder: "openapi-generator-go",
        extension: "go",
        lenient: true,
        options: "`useOneOfDiscriminatorLookup=true`, `enumClassPrefix=true`, and \
                  `--openapi-normalizer SIMPLIFY_ANYOF_STRING_AND_ENUM_STRING=true`",
        generate: |shop, place| {
            let properties = "packageName=client,withGoMod=false,useOneOfDiscriminatorLookup=true,enumClassPrefix=true";
            let mut command = openapi_generator(shop, place, "go", properties);
            command.args(PLAIN_STRINGS);
            command
        },
        build: go,
        run: |_, place| place.command("./sample"),
        few: &[],
    },
    Recipe {
        name: "openapi-generator python",
        folder: "openapi-generator-python",
        extension: "py",
        lenient: true,
        options: "`useOneOfDiscriminatorLookup=true`",
        generate: |shop, place| {
            let properties = "packageName=client,useOneOfDiscriminatorLookup=true";
            openapi_generator(shop, place, "python", properties)
        },
        build: python,
        run: |shop, place| {
            let mut command = place.command(shop.python_program("python"));
            command.arg("sample.py").env("PYTHONPATH", place.client());
            command
        },
        few: &[],
    },
    Recipe {
        name: "openapi-python-client",
        folder: "openapi-python-client",
        extension: "py",
        lenient: true,
        options: "none",
        generate: |shop, place| {
            let mut command = place.command(shop.python_program("openapi-python-client"));
            command
                .args([
                    "generate",
                    "--meta",
                    "none",
                    "--output-path",
                    "client",
                    "--path",
                ])
                .arg(&place.document)
                // It formats its output with a program that it looks for in PATH.
                .env("PATH", with_path(&shop.python.join("bin")));
            command
        },
        build: python,
        run: |shop, place| {
            let mut command = place.command(shop.python_program("python"));
            command.arg("sample.py");
            command
        },
        few: &["identity"],
    },
];

fn with_path(folder: &Path) -> std::ffi::OsString {
    let mut path = folder.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

fn openapi_generator(shop: &Shop, place: &Place, name: &str, properties: &str) -> Command {
    let mut command = place.command("java");
    command
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar"])
        .arg(shop.jar())
        .args(["generate", "-g", name, "-o", "client", "-i"])
        .arg(&place.document)
        .arg("--global-property=apis,models,supportingFiles,apiTests=false,modelTests=false,apiDocs=false,modelDocs=false");
    if !properties.is_empty() {
        command.args(["--additional-properties", properties]);
    }
    command
}

/// Type-checks the sample, then bundles it.
fn typescript(shop: &Shop, place: &Place) -> Vec<Command> {
    let mut check = place.command(shop.node_program("tsc"));
    check.args([
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2022",
    ]);
    check.args(["--module", "esnext", "--moduleResolution", "bundler"]);
    check.args([
        "--types",
        "node",
        "--lib",
        "es2022,dom,dom.iterable",
        TYPESCRIPT,
    ]);
    let mut bundle = place.command(shop.node_program("esbuild"));
    bundle.args([TYPESCRIPT, "--bundle", "--platform=node", "--format=esm"]);
    bundle.args(["--log-level=warning", "--outfile=sample.mjs"]);
    vec![check, bundle]
}

fn node(_: &Shop, place: &Place) -> Command {
    let mut command = place.command("node");
    command.arg("sample.mjs");
    command
}

/// Compiles client and sample together.
fn java(shop: &Shop, place: &Place) -> Vec<Command> {
    let mut command = place.command("sh");
    let script = format!(
        "find client/src/main/java -name '*.java' > sources && cp sample.java SignIn.java && mkdir -p classes && \
         javac -nowarn -proc:none -J-XX:TieredStopAtLevel=1 -d classes -cp '{}' SignIn.java @sources",
        shop.class_path()
    );
    command.args(["-c", &script]);
    vec![command]
}

/// Makes a module `countersign` with the client as its package `client`. Downloads nothing.
fn go(shop: &Shop, place: &Place) -> Vec<Command> {
    let module =
        "printf 'module countersign\\n\\ngo 1.23\\n' > go.mod && rm -f client/go.mod client/go.sum";
    let mut prepare = place.command("sh");
    prepare.args(["-c", module]);
    let mut build = place.command(shop.go().join("bin/go"));
    let keep = |name: &str| shop.go().join(name);
    build
        .args(["build", "-o", "sample", "sample.go"])
        .env("GOCACHE", keep("go-cache"))
        .env("GOPATH", keep("go-path"))
        .env("GOPROXY", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod");
    vec![prepare, build]
}

/// Imports every module once.
fn python(shop: &Shop, place: &Place) -> Vec<Command> {
    let mut command = place.command(shop.python_program("python"));
    command.args(["-m", "compileall", "-q", "client", "sample.py"]);
    vec![command]
}
