//! Files of JSON lines: a document a line, in MongoDB's extended JSON, which keeps every type.

use std::{
    fs::File,
    io::{BufWriter, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, bail};

/// A new file that only its owner reads: it holds what people stored. One that is there is never overwritten.
pub(crate) fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => Ok(BufWriter::new(file)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already, and is not overwritten: choose another folder", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}
