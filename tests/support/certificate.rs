//! Certificates of servers that tests start with TLS.

use std::{path::Path, process::Command};

use local::step::quietly;

/// A certificate of this machine that nobody vouches for, and its key: files in `folder`.
pub fn of_localhost(folder: &Path) -> (String, String) {
    let path = |name: &str| folder.join(name).display().to_string();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let whose = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    // A client in Rust takes no authority for a server.
    let what = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let mut command = Command::new("openssl");
    command.args(["req", "-x509"]).args(kind).args(whose).args(what).args(["-keyout", &key, "-out", &certificate]);
    quietly(&mut command).unwrap();
    (certificate, key)
}
