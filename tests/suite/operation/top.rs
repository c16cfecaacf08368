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

    /// What is on the screen now.
    fn screen(&self) -> String {
        let written = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        drawn(&String::from_utf8_lossy(&written))
    }

    #[track_caller]
    fn shows(&self, wanted: &str) {
        eventually(SOON, wanted, || self.screen().contains(wanted).then_some(()));
    }

    #[track_caller]
    fn press(&mut self, keys: &str) {
        let done = self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush());
        done.unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- screen ----\n{}", self.screen());
        }
    }
}

/// What a terminal of 80 columns and 24 rows shows after all this was written to it.
fn drawn(written: &str) -> String {
    let mut cells = vec![[' '; 80]; 24];
    let (mut row, mut column) = (0, 0);
    let mut rest = written.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\x1b' => {
                if rest.next() != Some('[') {
                    continue;
                }
                let mut numbers = String::new();
                let end = rest.by_ref().find(|letter| {
                    numbers.push(*letter);
                    letter.is_ascii_alphabetic()
                });
                numbers.pop();
                if end == Some('H') {
                    let mut at = numbers.split(';').map(|n| n.parse().unwrap_or(1_usize) - 1);
                    (row, column) = (at.next().unwrap_or(0), at.next().unwrap_or(0));
                } else if end == Some('J') {
                    cells = vec![[' '; 80]; 24];
                }
            }
            '\r' => column = 0,
            '\n' => row += 1,
            letter => {
                if let Some(cell) = cells.get_mut(row).and_then(|row| row.get_mut(column)) {
                    *cell = letter;
                }
                column += 1;
            }
        }
    }
    cells.iter().map(|row| row.iter().collect::<String>() + "\n").collect()
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
    top.shows("VI_01");
    top.shows("41 MASTER");
    top.shows("rejected: nothing");
    top.shows("sort by name");
    // Rates, once there are two reports.
    eventually(SOON, "adverts a second", || {
        let screen = top.screen();
        let at = screen.find(" adverts/s  ")?;
        let number = screen[..at].rsplit(' ').next()?;
        (number != "0.0" && number.contains('.')).then_some(())
    });
    assert!(!top.screen().contains("needle"), "more rows than there is room for");
    top.press("/need\r");
    top.shows("needle");
    top.shows("filter `need`");
    top.press("\r");
    top.shows("Effective Priority:");
    top.press(" ");
    top.shows("10.0.0.100/24 dev eth0: present");
    top.press("\x1b");
    top.shows("Enter open");
    top.press("s");
    top.shows("sort by state");
    let seen = String::from_utf8_lossy(&top.screen.lock().unwrap_or_else(PoisonError::into_inner))
        .into_owned();
    let (row, column) = farthest(&seen);
    assert!(row <= 24 && column <= 80, "drawn at row {row}, column {column}");
    // A daemon that goes is told, and does not end it.
    drop(daemon);
    top.shows("no answer");
    top.press("q");
    let child = &mut top.child;
    let ended = eventually(Duration::from_secs(10), "it ends", || child.try_wait().ok().flatten());
    assert!(ended.success(), "{ended}");
    // The terminal is as it was.
    let seen = top.screen.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(String::from_utf8_lossy(&seen).contains("\x1b[?1049l"), "the screen is not given back");
}
