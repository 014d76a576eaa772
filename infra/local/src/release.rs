//! What is deployed to AWS: every function for arm64, built by pinned tools, and looked at.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail, ensure};

use crate::{
    folder, install, root,
    step::{openly, step},
    template,
};

/// The target of `cargo lambda build --arm64`.
const TARGET: &str = "aarch64-unknown-linux-gnu";
/// `EM_AARCH64` of the ELF header's `e_machine`.
const AARCH64: u16 = 183;
/// What `provided.al2023` has.
const GLIBC: (u32, u32) = (2, 34);

/// Builds these functions, all of them if none is named, into `target/lambda`, and checks each: its processor, the C library
/// that it asks for, and its zip against the template's `Budget`.
pub fn build(named: &[String]) -> anyhow::Result<()> {
    let functions = template::functions();
    let known = |name: &String| functions.iter().any(|function| function.binary == *name);
    if let Some(strange) = named.iter().find(|name| !known(name)) {
        bail!("there is no function {strange}: `cargo local settings` lists them");
    }
    install::build_tools()?;
    install::release_tools()?;
    let mut command = Command::new(folder("release/bin/cargo-lambda"));
    command.args(["lambda", "build", "--release", "--arm64", "--output-format", "zip"]);
    command.args(["--package", "routes", "--package", "consumers", "--package", "jobs"]);
    for name in named {
        command.args(["--bin", name]);
    }
    // Where cargo-lambda looks for Zig.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", folder("release/bin").display())).current_dir(root());
    step("building the functions for arm64", || openly(&mut command))?;
    let mut wrong = Vec::new();
    println!("{:24} {:>8} {:>8}  glibc", "function", "zip, KB", "allowed");
    for function in functions.iter().filter(|function| named.is_empty() || named.contains(&function.binary)) {
        let zip = root().join("target/lambda").join(&function.binary).join("bootstrap.zip");
        let kb = fs::metadata(&zip).with_context(|| format!("{} is missing", zip.display()))?.len() / 1000;
        let binary = binary(&function.binary)?;
        let (major, minor) = glibc(&binary);
        println!("{:24} {kb:>8} {:>8}  {major}.{minor}", function.binary, function.zip_kb);
        if machine(&binary) != Some(AARCH64) {
            wrong.push(format!("{} is not for arm64", function.binary));
        }
        if (major, minor) > GLIBC {
            wrong.push(format!("{} asks for glibc {major}.{minor}", function.binary));
        }
        if kb > function.zip_kb {
            wrong.push(format!("{}: {kb} KB, allowed {}", function.binary, function.zip_kb));
        }
    }
    ensure!(wrong.is_empty(), "not to be deployed: {}", wrong.join("; "));
    Ok(())
}

/// As the zip has it.
fn binary(name: &str) -> anyhow::Result<Vec<u8>> {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let path = Path::new(&folder).join(TARGET).join("release").join(name);
    fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The processor that an ELF file is for; `None` for another file.
fn machine(binary: &[u8]) -> Option<u16> {
    let header = binary.strip_prefix(b"\x7fELF")?;
    Some(u16::from_le_bytes([*header.get(14)?, *header.get(15)?]))
}

/// The highest version of glibc that the file names.
fn glibc(binary: &[u8]) -> (u32, u32) {
    const MARK: &[u8] = b"GLIBC_2.";
    let versions = binary.windows(MARK.len() + 2).filter(|window| window.starts_with(MARK)).map(|window| {
        let digits = window[MARK.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        (2, digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
    });
    versions.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_tells_its_processor_and_its_c_library() {
        let mut elf = b"\x7fELF".to_vec();
        elf.resize(18, 0);
        elf.extend(AARCH64.to_le_bytes());
        assert_eq!((machine(&elf), machine(b"#!/bin/sh")), (Some(AARCH64), None));
        assert_eq!(glibc(b"..GLIBC_2.17\0GLIBC_2.30\0GLIBC_2.4\0.."), (2, 30));
    }
}
