//! The live view, on a terminal of 80 columns and 24 rows, with keys.
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind, binary};
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, plain};

/// The program on a pseudo-terminal that `script` makes.
struct Top {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Top {
    fn start(daemon: &Daemon) -> Self {
        let control = daemon.directory().join("control");
        let top = format!("{} top --control {}", binary().display(), control.display());
        let mut command = Command::new("script");
        command.args(["--quiet", "--flush", "--return", "--command"]);
        command.arg(format!("stty rows 24 cols 80; TERM=xterm exec {top}")).arg("/dev/null");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("script: {error}"));
        let (Some(keys), Some(mut out)) = (child.stdin.take(), child.stdout.take()) else {
            panic!("no pipes")
        };
        let screen = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = out.read(&mut bytes) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.extend_from_slice(&bytes[..length]);
            }
        });
        Self { child, keys, screen }
    }

    /// Everything that was written since `mark`, without what moves the cursor.
    fn since(&self, mark: usize) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        plain_text(&String::from_utf8_lossy(&screen[mark..]))
    }

    fn mark(&self) -> usize {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    #[track_caller]
    fn shows(&self, mark: usize, wanted: &str) {
        eventually(SOON, wanted, || self.since(mark).contains(wanted).then_some(()));
    }

    fn press(&mut self, keys: &str) -> usize {
        let mark = self.mark();
        let done = self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush());
        done.unwrap_or_else(|error| panic!("{error}"));
        mark
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- screen ----\n{}", self.since(0));
        }
    }
}

/// Escape sequences are blanks.
fn plain_text(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter != '\x1b' {
            plain.push(letter);
            continue;
        }
        if rest.next() == Some('[') {
            for letter in rest.by_ref() {
                if letter.is_ascii_alphabetic() {
                    if letter == 'H' {
                        plain.push(' ');
                    }
                    break;
                }
            }
        }
    }
    plain
}

/// The largest row and column the cursor was sent to.
fn farthest(text: &str) -> (usize, usize) {
    let mut farthest = (0, 0);
    for part in text.split("\x1b[").skip(1) {
        let Some(end) = part.find(|c: char| c.is_ascii_alphabetic()) else { continue };
        if part[end..].starts_with('H') {
            let mut numbers = part[..end].split(';').map(|n| n.parse().unwrap_or(1));
            let (row, column) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(1));
            farthest = (farthest.0.max(row), farthest.1.max(column));
        }
    }
    farthest
}

#[test]
fn top() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let bed = Bed::new();
    let mut instances: Vec<Vrrp> = (1..=40)
        .map(|n| Vrrp::new(&format!("10.0.1.{n}/32")).called(&format!("VI_{n:02}"), n))
        .collect();
    instances.push(plain().called("needle", 77));
    let config = file("", &instances);
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--xdp-mode", "off"]);
    daemon.wait_state(0, "needle", "MASTER", SOON);
    let mut top = Top::start(&daemon);
    top.shows(0, "VI_01");
    top.shows(0, "41 MASTER");
    top.shows(0, "rejected: nothing");
    top.shows(0, "sort by name");
    // Rates, once there are two reports.
    eventually(SOON, "adverts a second", || {
        let text = top.since(0);
        let at = text.find(" adverts/s  ")?;
        let number = text[..at].rsplit(' ').next()?;
        (number != "0.0").then_some(())
    });
    let mark = top.press("/need\r");
    top.shows(mark, "needle");
    let mark = top.press("\r");
    top.shows(mark, "Effective Priority:");
    top.shows(mark, "10.0.0.100/24 dev eth0");
    let mark = top.press("\x1b");
    top.shows(mark, "Enter open");
    let mark = top.press("s");
    top.shows(mark, "state");
    let seen = String::from_utf8_lossy(&top.screen.lock().unwrap_or_else(PoisonError::into_inner))
        .into_owned();
    let (row, column) = farthest(&seen);
    assert!(row <= 24 && column <= 80, "drawn at row {row}, column {column}");
    // A daemon that goes is told, and does not end it.
    drop(daemon);
    let mark = top.mark();
    top.shows(mark, "no answer");
    top.press("q");
    let child = &mut top.child;
    let ended = eventually(Duration::from_secs(10), "it ends", || child.try_wait().ok().flatten());
    assert!(ended.success(), "{ended}");
    // The terminal is as it was.
    let seen = top.screen.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(String::from_utf8_lossy(&seen).contains("\x1b[?1049l"), "the screen is not given back");
}
