//! The tools that the stack needs, each installed once, at a pinned version, into `.local`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::{
    compile::Build,
    folder, root,
    step::{beside, quietly, step},
};

/// Installs Python packages in a tenth of pip's time, and keeps its downloads in `.local`.
const UV: &str = "uv==0.13.9";
/// Packages of the Python environments, each environment apart since their requirements clash.
const MINISTACK: &[&str] = &["ministack==1.5.33", "aws-sam-translator==1.115.0", "boto3==1.43.106"];
const SAM: &[&str] = &["aws-sam-cli==1.170.0", "cfn-lint==1.58.0"];
const SCHEMATHESIS: &[&str] = &["schemathesis==4.32.5"];
/// cargo-lambda links with Zig, whose versions differ in what they link.
const RELEASE: &[&str] = &["cargo-lambda==1.9.2", "ziglang==0.15.2"];
const CMAKE: &[&str] = &["cmake==4.4.4"];
const SECANTUS: &str = "0.5.3-beta.196";
/// The server's own profile (LTO, one unit) takes twice as long to build, and the tests no less time. Whatever handles
/// documents is compiled with a little optimisation, the rest with none.
const SECANTUS_PROFILE: [&str; 4] = ["lto='off'", "codegen-units=16", "opt-level=0", "strip=true"];
const SECANTUS_OPTIMISED: [&str; 8] = [
    "bson",
    "secantus-commands",
    "secantus-core",
    "secantus-server",
    "secantus-storage",
    "secantus-storage-adapter",
    "secantus-wire",
    "secantus-wiredtiger",
];
/// `WiredTiger`, the storage engine in C, by the same rule; and without the warnings of its own developers.
const WIREDTIGER_SETTINGS: &str = "set(CC_OPTIMIZE_LEVEL \"-O1\" CACHE STRING \"\")
set(ENABLE_STRICT OFF CACHE BOOL \"\")
";
/// Debian packages that the MongoDB server is built with, each with a file that tells that it is there.
const COMPILERS: [(&str, &str); 2] = [("build-essential", "/usr/bin/g++"), ("zlib1g-dev", "/usr/include/zlib.h")];

const REGISTRY: &str = "is the network there? Python's package registry must be reachable once";
const NPM_REGISTRY: &str = "is the network there? npm's package registry must be reachable once";

/// What a verb needs besides the stack itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// The stack alone.
    Running,
    /// A browser, what makes requests up, and what makes clients of the API's document.
    Testing,
}

/// Debian's packages, as far as they are missing and this is root on Debian. Elsewhere an error names those without
/// which it does not go on; a Redis server is not one of them.
pub fn debian(what: For) -> anyhow::Result<()> {
    let mut missing: Vec<&str> = Vec::new();
    if find("mongod").is_none() {
        missing.extend(COMPILERS.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(name, _)| *name));
    }
    // Debian leaves venv out of its Python.
    if quietly(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_err() {
        missing.push("python3-venv");
    }
    if what == For::Testing {
        missing.extend(["chromium", "npm"].into_iter().filter(|program| find(program).is_none()));
    }
    if what == For::Testing && find("npm").is_none() {
        missing.extend(["nodejs", "npm"]);
    }
    let redis = redis().is_none() && env::var_os("REDIS_URL").is_none();
    if missing.is_empty() && !redis {
        return Ok(());
    }
    if !is_root() || find("apt-get").is_none() {
        ensure!(missing.is_empty(), "install these first: {}", missing.join(", "));
        eprintln!("no Redis server was found: the functions will use their own memory (Debian: redis-server)");
        return Ok(());
    }
    missing.extend(redis.then_some("redis-server"));
    step(&format!("installing {}", missing.join(", ")), || {
        quietly(Command::new("apt-get").args(["update", "--quiet"]).stdin(Stdio::null()))?;
        quietly(
            Command::new("apt-get")
                .args(["install", "--yes", "--quiet", "--no-install-recommends"])
                .args(&missing)
                .env("DEBIAN_FRONTEND", "noninteractive")
                // The package would start a server of its own.
                .env("RUNLEVEL", "1"),
        )
    })
    .map(drop)
}

fn is_root() -> bool {
    quietly(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// What installs the rest, and what the MongoDB server is built with.
pub fn build_tools() -> anyhow::Result<()> {
    once("uv", UV, || {
        step("installing uv", || {
            let path = folder("uv");
            let made = quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&path));
            made.context("Python 3.11 or later with venv is needed (Debian: python3-venv)")?;
            quietly(Command::new(path.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", UV]))
                .context(REGISTRY)
        })
        .map(drop)
    })?;
    if find("mongod").is_none() {
        python("cmake", CMAKE)?;
    }
    Ok(())
}

/// What builds the functions for AWS.
pub fn release_tools() -> anyhow::Result<()> {
    python("release", RELEASE)
}

/// The Python tools, each in an environment of its own.
pub fn python_tools(what: For) -> anyhow::Result<()> {
    python("ministack", MINISTACK)?;
    python("sam", SAM)?;
    if what == For::Testing {
        python("schemathesis", SCHEMATHESIS)?;
    }
    Ok(())
}

/// What reads the API's document and makes clients of it, and what the tests' front end is made of: the packages of
/// `tests/typescript` and `tests/front_end`. None of it needs the network afterwards.
pub fn node_tools() -> anyhow::Result<()> {
    npm_packages("typescript", "the tools of TypeScript")?;
    npm_packages("front_end", "@auth/core")
}

/// The packages of `tests/<name>`, in `.local/<name>`.
fn npm_packages(name: &str, what: &str) -> anyhow::Result<()> {
    const FILES: [&str; 2] = ["package.json", "package-lock.json"];
    let source = root().join("tests").join(name);
    let versions = fs::read_to_string(source.join(FILES[1])).with_context(|| format!("no packages for {what}"))?;
    once(name, &versions, || {
        beside(&format!("installing {what}"), || {
            let target = folder(name);
            fs::create_dir_all(&target)?;
            for file in FILES {
                fs::copy(source.join(file), target.join(file))?;
            }
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error", "--cache"]);
            quietly(npm.arg(folder("npm-cache")).current_dir(target)).context(NPM_REGISTRY)
        })
        .map(drop)
    })
}

/// The MongoDB server: `mongod` if it is on the PATH, else `SecantusDB`.
pub fn mongodb() -> PathBuf {
    find("mongod").unwrap_or_else(|| folder("secantus/bin/secantusd-rs"))
}

/// The build of the MongoDB server, unless one is there.
pub fn mongodb_build() -> anyhow::Result<Option<Build>> {
    if find("mongod").is_some() || is_installed("secantus", SECANTUS) {
        return Ok(None);
    }
    let settings = folder("wiredtiger.cmake");
    fs::write(&settings, WIREDTIGER_SETTINGS)?;
    let paths = format!("{}:{}", folder("cmake/bin").display(), env::var("PATH").unwrap_or_default());
    let mut command = Command::new("cargo");
    command
        .args(["install", "secantus-mdb", "--version", SECANTUS, "--locked", "--ignore-rust-version", "--force"])
        .args(["--no-default-features", "--features", "bin"])
        .arg("--root")
        .arg(folder("secantus"))
        .arg("--target-dir")
        .arg(folder("secantus-build"));
    for setting in SECANTUS_PROFILE {
        command.arg("--config").arg(format!("profile.release.{setting}"));
    }
    for package in SECANTUS_OPTIMISED {
        command.arg("--config").arg(format!("profile.release.package.{package}.opt-level=1"));
    }
    command
        .env("PATH", paths)
        .env("CMAKE_TOOLCHAIN_FILE", settings)
        // Ours would be used for its build otherwise.
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(folder(""));
    Ok(Some(Build("MongoDB server (once)", command)))
}

/// Notes that the build of the MongoDB server came to its end.
pub fn mongodb_was_built() -> anyhow::Result<()> {
    fs::remove_dir_all(folder("secantus-build")).or_else(|_| anyhow::Ok(()))?;
    note("secantus", SECANTUS)
}

/// A Redis-compatible server, if there is one.
pub fn redis() -> Option<PathBuf> {
    find("valkey-server").or_else(|| find("redis-server"))
}

/// A program on the PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn python(name: &str, packages: &[&str]) -> anyhow::Result<()> {
    once(name, &packages.join(" "), || {
        beside(&format!("installing {}", packages[0]), || {
            let uv = |arguments: &[&str]| {
                let mut command = Command::new(folder("uv/bin/uv"));
                command.args(arguments).current_dir(folder(""));
                command.env("UV_CACHE_DIR", folder("uv-cache")).env("UV_PYTHON_DOWNLOADS", "never");
                command
            };
            quietly(&mut uv(&["venv", "--quiet", "--clear", name]))?;
            quietly(uv(&["pip", "install", "--quiet", "--python", name]).args(packages)).context(REGISTRY)
        })
        .map(drop)
    })
}

/// Does `work` unless it was done for this version before.
fn once(name: &str, version: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    if is_installed(name, version) {
        return Ok(());
    }
    work()?;
    note(name, version)
}

fn is_installed(name: &str, version: &str) -> bool {
    fs::read_to_string(folder("installed").join(name)).is_ok_and(|text| text == version)
}

fn note(name: &str, version: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder("installed"))?;
    Ok(fs::write(folder("installed").join(name), version)?)
}
