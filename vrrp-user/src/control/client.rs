//! How is a running daemon asked.
use super::protocol::{Answer, Command, Request, VERSION};
use crate::report::model::Snapshot;
use anyhow::{Context as _, bail};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take; a reload reads files and asks the kernel.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks for one thing.
pub fn ask(socket: &Path, command: Command) -> anyhow::Result<Answer> {
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => bail!(
            "no daemon answers at {}; start one with `xvrrp run`, or name its socket with `--control`",
            socket.display()
        ),
        Err(e) => return Err(e).with_context(|| format!("control socket {}", socket.display())),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = serde_json::to_vec(&Request { version: VERSION, command })?;
    request.push(b'\n');
    stream.write_all(&request).context("asking the daemon")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("waiting for the daemon's answer")?;
    if line.is_empty() {
        bail!("the daemon closed the control socket without an answer (are you root?)");
    }
    serde_json::from_str(&line).context("the daemon's answer is of another version of xvrrp")
}

/// Asks for everything.
pub fn snapshot(socket: &Path) -> anyhow::Result<Snapshot> {
    match ask(socket, Command::Snapshot)? {
        Answer::Snapshot(snapshot) => Ok(*snapshot),
        Answer::Error(why) => bail!("{why}"),
        Answer::Done => bail!("the daemon answered something else"),
    }
}
