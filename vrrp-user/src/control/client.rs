//! How is a running daemon asked.
use super::protocol::{Answer, Command, Request, VERSION};
use crate::report::model::{Counters, Event, Program, Snapshot};
use anyhow::{Context as _, bail};
use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take; a reload reads files and asks the kernel.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long there may be no room for one more client who waits.
const QUEUE: Duration = Duration::from_secs(10);

/// Asks for one thing, whose answers are still to be read.
pub fn connect(socket: &Path, command: Command) -> anyhow::Result<UnixStream> {
    let mut stream = match reach(socket) {
        Ok(stream) => stream,
        Err(e) if e.kind() == ErrorKind::WouldBlock => bail!(
            "the daemon at {} has taken no client for {} s: it hangs, or too many ask",
            socket.display(),
            QUEUE.as_secs()
        ),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => bail!(
            "no daemon answers at {}; start one with `xvrrp run` or `systemctl start xvrrp`, or name \
             its socket with `--control`",
            socket.display()
        ),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            bail!("only root may ask the daemon at {}; try again with sudo", socket.display())
        }
        Err(e) => return Err(e).with_context(|| format!("control socket {}", socket.display())),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = serde_json::to_vec(&Request { version: VERSION, command })?;
    request.push(b'\n');
    match stream.write_all(&request) {
        // It may have answered all the same.
        Err(e) if !gone(&e) => Err(e).context("asking the daemon"),
        _ => Ok(stream),
    }
}

/// Connects; where no more clients may wait, that is waited for.
fn reach(path: &Path) -> std::io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(QUEUE))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(OwnedFd::from(socket).into())
}

fn gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// Asks for one thing.
pub fn ask(socket: &Path, command: Command) -> anyhow::Result<Answer> {
    let stream = connect(socket, command)?;
    let mut line = String::new();
    match BufReader::new(stream).read_line(&mut line) {
        Err(e) if !gone(&e) => Err(e).context("waiting for the daemon's answer"),
        _ if line.is_empty() => {
            bail!("the daemon closed the control socket without an answer (are you root?)")
        }
        _ => understand(&line),
    }
}

/// The answer in `line`; one that this program does not know is of another version.
pub(crate) fn understand(line: &str) -> anyhow::Result<Answer> {
    let answer: Value = serde_json::from_str(line)
        .context("what answers at the control socket speaks no JSON: it is no xvrrp")?;
    let answer = printable(answer);
    let version = answer.pointer("/snapshot/version").and_then(Value::as_str);
    let ours = env!("CARGO_PKG_VERSION");
    let daemon = version.map_or_else(String::new, |version| format!(" {version}"));
    serde_json::from_value(answer).with_context(|| {
        format!(
            "the daemon is another version{daemon} of xvrrp than this program {ours}: use the one \
             it was started from, or restart it"
        )
    })
}

/// The same with nothing that a terminal would obey: names come from the kernel, from scripts, and
/// from whoever asks.
fn printable(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(values) => values.into_iter().map(printable).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (clean(key), printable(value))).collect()
        }
        other => other,
    }
}

fn clean(text: String) -> String {
    let obeyed = |c: char| c.is_control() && c != '\n';
    if text.contains(obeyed) { text.replace(obeyed, "\u{fffd}") } else { text }
}

/// Everything.
pub fn snapshot(socket: &Path) -> anyhow::Result<Snapshot> {
    asked_for_snapshot(socket, Command::Snapshot)
}

/// One instance and its port.
pub fn instance(socket: &Path, name: &str) -> anyhow::Result<Snapshot> {
    asked_for_snapshot(socket, Command::Instance(name.to_owned()))
}

fn asked_for_snapshot(socket: &Path, command: Command) -> anyhow::Result<Snapshot> {
    match ask(socket, command)? {
        Answer::Snapshot(snapshot) => Ok(*snapshot),
        other => refused(other),
    }
}

/// What is counted.
pub fn counters(socket: &Path) -> anyhow::Result<Counters> {
    match ask(socket, Command::Counters)? {
        Answer::Counters(counters) => Ok(*counters),
        other => refused(other),
    }
}

/// The last transitions, oldest first.
pub fn events(socket: &Path) -> anyhow::Result<Vec<Event>> {
    match ask(socket, Command::Events)? {
        Answer::Events(events) => Ok(events),
        other => refused(other),
    }
}

/// The XDP program, once where there is one.
pub fn programs(socket: &Path) -> anyhow::Result<Vec<Program>> {
    match ask(socket, Command::Xdp)? {
        Answer::Xdp(programs) => Ok(programs),
        other => refused(other),
    }
}

/// Has something done.
pub fn order(socket: &Path, command: Command) -> anyhow::Result<()> {
    match ask(socket, command)? {
        Answer::Done => Ok(()),
        other => refused(other),
    }
}

/// Not what was asked for: an error, or something that answers no such question.
fn refused<T>(answer: Answer) -> anyhow::Result<T> {
    match answer {
        Answer::Error(why) => bail!("{why}"),
        _ => bail!("the daemon answered something else"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_says_so() {
        let told = |line| format!("{:#}", understand(line).unwrap_err());
        assert!(told("HTTP/1.1 400 Bad Request").contains("no xvrrp"));
        assert!(told(r#"{"future":1}"#).contains("another version of xvrrp"));
        let snapshot = r#"{"snapshot":{"version":"9.9.9"}}"#;
        assert!(told(snapshot).contains("version 9.9.9 of xvrrp"), "{}", told(snapshot));
        assert!(matches!(understand(r#""done""#).unwrap(), Answer::Done));
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_taken_over() {
        let hostile = r#"{"error":"no instance `\u001b]0;x\u0007\u009b\rV`\nline"}"#;
        let Answer::Error(why) = understand(hostile).unwrap() else { panic!("no error") };
        assert_eq!(why, "no instance `\u{fffd}]0;x\u{fffd}\u{fffd}\u{fffd}V`\nline");
        let told = format!("{:#}", understand(r#"{"\u001b[2J":1}"#).unwrap_err());
        assert!(!told.contains('\x1b'), "{told}");
        let counters = printable(serde_json::json!({"\u{1b}[2J": ["\u{7f}", 1]}));
        assert_eq!(counters, serde_json::json!({"\u{fffd}[2J": ["\u{fffd}", 1]}));
    }
}
