//! A wall clock for functions that a test sets ahead: what would be waiting otherwise.

use std::{fs, path::PathBuf, process::Command, sync::LazyLock, time::Duration};

use local::folder;
use tests::root;

/// Built by the C compiler that links every Rust program; goes when the stack does.
static LIBRARY: LazyLock<String> = LazyLock::new(|| {
    let library = folder("tmp").join("clock.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(root().join("tests/faults/clock.c"));
    assert!(compiler.arg("-ldl").status().unwrap().success(), "tests/faults/clock.c does not compile");
    library.display().to_string()
});

pub(crate) struct Clock {
    file: PathBuf,
    variables: [(&'static str, String); 2],
}

impl Clock {
    /// On time.
    pub(crate) fn new() -> Self {
        let file = folder("tmp").join(format!("clock-{}", uuid::Uuid::now_v7().simple()));
        let variables = [("LD_PRELOAD", LIBRARY.clone()), ("CLOCK_AHEAD", file.display().to_string())];
        Self { file, variables }
    }

    /// What a function is to be started with.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Ahead of the time of day by so much.
    pub(crate) fn set_ahead(&self, by: Duration) {
        fs::write(&self.file, by.as_secs().to_string()).unwrap();
    }
}
