//! What becomes of files that cannot be used: nothing, and the reason is said wherever one looks.
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};

use super::{second, undisturbed};
use crate::{Bed, SOON, WHILE, plain};

#[test]
fn refused() {
    if gate::open(&[Need::Root]) {
        run_all(
            4,
            vec![
                case("many mistakes", many_mistakes),
                case("no such file", || no_file("no such file", |_| ())),
                case("a directory", || {
                    no_file("directory", |path| std::fs::create_dir(path).expect("a directory"));
                }),
                case("a link to itself", || {
                    no_file("symbolic link", |path| {
                        std::os::unix::fs::symlink(path, path).expect("a link");
                    });
                }),
                case("a pipe that nobody writes to", pipe),
            ],
        );
    }
}

/// Mistakes of every kind, each with its line.
fn mistakes() -> (String, Vec<(&'static str, &'static str)>) {
    let instance = plain().priority(0).vip("10.0.0.300/24").line("track_script {\n nobody\n }");
    let text = file("", &[instance, Vrrp { vrid: 300, ..second() }])
        .replace("advert_int 0.1", "advert_intt 0.1")
        + "vrrp_instance VI_3 {\n";
    let said = vec![
        (":10:", "priority"),
        (":11:", "did you mean `advert_int`?"),
        (":13:", ""),
        (":14:", "nobody"),
        (":18:", "10.0.0.300"),
        (":24:", "virtual_router_id"),
        (":33:", "never closed"),
    ];
    (text, said)
}

fn many_mistakes() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, mark) = (daemon.mark(), wire.mark());
    let (text, expected) = mistakes();
    let (taken, told) = daemon.ask_reload(&text);
    assert!(!taken, "{told}");
    assert!(told.contains("the running configuration stays"), "{told}");
    daemon.wait_log(said, "reload refused", SOON);
    std::thread::sleep(WHILE);
    let log = daemon.logged(said, "").join("\n");
    let show = daemon.words(None);
    let shown = daemon.show();
    let json = shown.reload_error().expect("it is in the JSON").to_owned();
    for (line, words) in expected {
        if words.is_empty() {
            continue;
        }
        for (place, text) in
            [("xvrrp reload", &told), ("the log", &log), ("xvrrp show", &show), ("json", &json)]
        {
            let place_and_words =
                |found: &str| found.contains(&format!("vrrp.conf{line}")) && found.contains(words);
            assert!(text.lines().any(place_and_words), "{place}: no {line} {words} in: {text}");
        }
    }
    undisturbed(&daemon, said, &wire, mark);
    assert!(bed.us.has("eth0", "10.0.0.100/24"));
    recovers(&daemon);
}

/// A good file is taken, and the mistake is forgotten.
#[track_caller]
fn recovers(daemon: &Daemon) {
    let said = daemon.mark();
    let (taken, told) = daemon.ask_reload(&file("", &[plain(), second()]));
    assert!(taken && told.contains("in force"), "{told}");
    daemon.wait_state(said, "VI_2", "MASTER", SOON);
    assert_eq!(daemon.show().reload_error(), None);
    assert!(!daemon.words(None).contains("refused"));
}

/// In place of the file is what `make` puts there.
fn no_file(words: &str, make: fn(&Path)) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, mark) = (daemon.mark(), wire.mark());
    std::fs::remove_file(daemon.file()).expect("it was there");
    make(&daemon.file());
    let (taken, told) = daemon.ask_again();
    let told = told.to_lowercase();
    assert!(!taken && told.contains("vrrp.conf") && told.contains(words), "{told}");
    let logged = daemon.wait_log(said, "reload refused", SOON).to_lowercase();
    assert!(logged.contains(words), "{logged}");
    assert!(daemon.words(None).contains("last reload refused"));
    std::thread::sleep(WHILE);
    undisturbed(&daemon, said, &wire, mark);
    let path = daemon.file();
    if path.is_dir() {
        std::fs::remove_dir(&path).expect("a directory");
    } else {
        let _ = std::fs::remove_file(&path);
    }
    recovers(&daemon);
}

/// Nobody writes: it is empty. Somebody may write: it is waited for, though not for ever, and nothing
/// that comes later is held up by it for longer, not even the end.
fn pipe() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, mark) = (daemon.mark(), wire.mark());
    let path = daemon.file();
    std::fs::remove_file(&path).expect("it was there");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    let (taken, told) = daemon.ask_again();
    assert!(!taken && told.contains("there is no `vrrp_instance`"), "{told}");
    let silent = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("a pipe");
    let begun = Instant::now();
    let (taken, told) = daemon.ask_again();
    assert!(!taken && told.contains("vrrp.conf: reading it takes longer"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    std::fs::remove_file(&path).expect("a pipe");
    // For so long a busy machine may be late itself.
    let adverts = wire.adverts(mark, "10.0.0.1");
    assert!(adverts.len() > 100, "{} adverts", adverts.len());
    assert!(adverts.iter().all(|advert| advert.priority() > 0), "it resigned");
    assert_eq!(daemon.logged(said, "(VI_1) Entering"), Vec::<String>::new());
    recovers(&daemon);
    assert!(daemon.stop().success());
    drop(silent);
}
