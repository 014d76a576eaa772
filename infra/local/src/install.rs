//! The tools that the stack needs, each installed once, at a pinned version, into `.local`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::{
    folder,
    step::{openly, quietly, step},
};

/// Packages of the Python environments, each environment apart since their requirements clash.
const MINISTACK: &[&str] = &["ministack==1.5.33", "aws-sam-translator==1.115.0", "boto3==1.43.106"];
const SAM: &[&str] = &["aws-sam-cli==1.170.0", "cfn-lint==1.58.0"];
const SCHEMATHESIS: &[&str] = &["schemathesis==4.32.5"];
const CARGO_FUZZ: &str = "0.13.2";
const CMAKE: &[&str] = &["cmake==4.4.4"];
const SECANTUS: &str = "0.5.3-beta.196";

/// Everything, as far as it is missing.
pub fn all() -> anyhow::Result<()> {
    python("ministack", MINISTACK)?;
    python("sam", SAM)?;
    mongodb().map(drop)
}

/// The MongoDB server: `mongod` if it is there, else `SecantusDB`, which is built once.
pub fn mongodb() -> anyhow::Result<PathBuf> {
    if let Some(path) = find("mongod") {
        return Ok(path);
    }
    let path = folder("secantus/bin/secantusd-rs");
    once("secantus", SECANTUS, || {
        debian(&["zlib1g-dev", "build-essential"], |package| Path::new("/usr/share/doc").join(package).exists())?;
        python("cmake", CMAKE)?;
        let paths = format!("{}:{}", folder("cmake/bin").display(), env::var("PATH").unwrap_or_default());
        eprintln!("building SecantusDB, a MongoDB server (once, about 8 minutes on 2 cores)");
        openly(
            Command::new("cargo")
                .args([
                    "install",
                    "secantus-mdb",
                    "--version",
                    SECANTUS,
                    "--locked",
                    "--ignore-rust-version",
                    "--force",
                    "--root",
                ])
                .arg(folder("secantus"))
                .arg("--target-dir")
                .arg(folder("secantus-build"))
                .env("PATH", paths)
                // Ours would be used for its build otherwise.
                .env_remove("CARGO_TARGET_DIR")
                .current_dir(folder("")),
        )?;
        fs::remove_dir_all(folder("secantus-build")).or_else(|_| Ok(()))
    })?;
    Ok(path)
}

/// A Redis-compatible server, if there is one or one can be had.
pub fn redis() -> Option<PathBuf> {
    let installed = || find("valkey-server").or_else(|| find("redis-server"));
    installed().or_else(|| {
        let have = debian(&["redis-server"], |_| false);
        if let Err(error) = have {
            eprintln!("no Redis server ({error:#}): the functions will use their own memory");
        }
        installed()
    })
}

/// A browser, for the test of the reports' pages.
pub fn browser() -> anyhow::Result<()> {
    debian(&["chromium"], |package| find(package).is_some())
}

/// What makes requests and bytes up: schemathesis, and cargo-fuzz with the compiler of libFuzzer.
pub fn fuzzers() -> anyhow::Result<()> {
    python("schemathesis", SCHEMATHESIS)?;
    once("cargo-fuzz", CARGO_FUZZ, || {
        debian(&["g++"], |package| find(package).is_some())?;
        step("building cargo-fuzz (once, about a minute)", || {
            quietly(
                Command::new("cargo")
                    .args(["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--force", "--root"])
                    .arg(folder("cargo-fuzz"))
                    .env_remove("CARGO_TARGET_DIR")
                    .current_dir(folder("")),
            )
        })
        .map(drop)
    })
}

/// A program on the PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn python(name: &str, packages: &[&str]) -> anyhow::Result<()> {
    once(name, &packages.join(" "), || {
        // Debian leaves venv out of its Python.
        let has_venv = |_: &str| quietly(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_ok();
        debian(&["python3-venv"], has_venv)?;
        step(&format!("installing {}", packages[0]), || {
            let path = folder(name);
            let made = quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&path));
            made.context("Python 3 with venv is needed (Debian: python3-venv)")?;
            quietly(
                Command::new(path.join("bin/pip"))
                    .args(["install", "--quiet", "--disable-pip-version-check"])
                    .args(packages),
            )
        })?;
        Ok(())
    })
}

/// Does `work` unless it was done for this version before.
fn once(name: &str, version: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let marker = folder("installed").join(name);
    if fs::read_to_string(&marker).is_ok_and(|text| text == version) {
        return Ok(());
    }
    fs::create_dir_all(folder("installed"))?;
    work()?;
    fs::write(marker, version)?;
    Ok(())
}

/// Installs Debian packages, if this is root and they are missing.
fn debian(packages: &[&str], present: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let missing: Vec<_> = packages.iter().filter(|package| !present(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let root = quietly(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    ensure!(root && find("apt-get").is_some(), "install these first: {missing:?}");
    step(&format!("installing {missing:?}"), || {
        quietly(Command::new("apt-get").args(["update", "--quiet"]).stdin(Stdio::null()))?;
        // The package would start a server of its own.
        quietly(
            Command::new("apt-get")
                .args(["install", "--yes", "--quiet", "--no-install-recommends"])
                .args(missing)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .env("RUNLEVEL", "1"),
        )
    })?;
    Ok(())
}
