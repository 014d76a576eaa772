//! MongoDB's wire protocol as far as a driver with a declared API version speaks it: `OP_MSG` alone.

use std::io;

use bson::Document;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const OP_MSG: i32 = 2013;
const HEADER_BYTES: usize = 16;
/// As `hello` says; a longer one is not a message.
const MAX_BYTES: usize = 48_000_000;

/// The next command of a connection, with the number that its answer must name. A batch of documents that
/// came in a section of its own is in the command, as an array.
pub(super) async fn read(socket: &mut TcpStream) -> io::Result<(i32, Document)> {
    let mut header = [0; HEADER_BYTES];
    socket.read_exact(&mut header).await?;
    let (length, number, code) = (int(&header, 0)?, int(&header, 4)?, int(&header, 12)?);
    let length = usize::try_from(length).map_err(io::Error::other)?;
    if code != OP_MSG || !(HEADER_BYTES + 5..=MAX_BYTES).contains(&length) {
        return Err(io::Error::other(format!("not an OP_MSG: code {code}, {length} bytes")));
    }
    let mut body = vec![0; length - HEADER_BYTES];
    socket.read_exact(&mut body).await?;
    Ok((number, command(&body)?))
}

pub(super) async fn answer(socket: &mut TcpStream, to: i32, document: &Document) -> io::Result<()> {
    let document = document.to_vec().map_err(io::Error::other)?;
    let length = i32::try_from(HEADER_BYTES + 5 + document.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    for part in [length, 0, to, OP_MSG, 0] {
        bytes.extend(part.to_le_bytes());
    }
    bytes.push(0);
    bytes.extend(document);
    socket.write_all(&bytes).await
}

/// Flags, then sections: the command itself (kind 0), and batches of documents by name (kind 1).
fn command(body: &[u8]) -> io::Result<Document> {
    let (mut command, mut batches) = (Document::new(), Document::new());
    let mut rest = body.get(4..).unwrap_or_default();
    while let Some((kind, section)) = rest.split_first() {
        let length = usize::try_from(int(section, 0)?).map_err(io::Error::other)?;
        let (section, after) = section.split_at_checked(length).ok_or_else(|| io::Error::other("a short section"))?;
        if *kind == 0 {
            command = document(section)?;
        } else {
            let named = &section[4..];
            let end = named.iter().position(|byte| *byte == 0).ok_or_else(|| io::Error::other("no name"))?;
            let (mut batch, mut bytes) = (Vec::new(), &named[end + 1..]);
            while !bytes.is_empty() {
                batch.push(Document::from_reader(&mut bytes).map_err(io::Error::other)?);
            }
            batches.insert(String::from_utf8_lossy(&named[..end]), batch);
        }
        rest = after;
    }
    command.extend(batches);
    Ok(command)
}

fn document(mut bytes: &[u8]) -> io::Result<Document> {
    Document::from_reader(&mut bytes).map_err(io::Error::other)
}

fn int(bytes: &[u8], at: usize) -> io::Result<i32> {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(i32::from_le_bytes).ok_or_else(|| io::Error::other("a short message"))
}
