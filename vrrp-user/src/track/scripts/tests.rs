//! Real scripts, run by the real runner.
use super::*;
use crate::config::model::{Globals, Origin};
use crate::config::program::Program;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// A directory of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("xvrrp-scripts-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What was delivered.
#[derive(Default)]
struct Heard(Mutex<Vec<(String, bool)>>);

impl Heard {
    fn of(&self, script: &str) -> Vec<bool> {
        let heard = self.0.lock().unwrap();
        heard.iter().filter(|(name, _)| name == script).map(|(_, succeeded)| *succeeded).collect()
    }
}

fn start() -> (Handle, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let into = Arc::clone(&heard);
    let deliver = move |input| {
        let Input::Script { name, succeeded } = input else { panic!("{input:?}") };
        into.0.lock().unwrap().push((name.to_string(), succeeded));
    };
    (Handle::start(Arc::new(deliver), Running::default()).unwrap(), heard)
}

fn script(folder: &Folder, name: &str, text: &str, interval: u64, timeout: u64) -> Arc<Script> {
    let program = Program {
        words: ["/bin/sh", "-c", text].map(str::to_owned).into(),
        user: None,
        origin: Origin { file: folder.0.to_str().unwrap().into(), line: 1 },
    };
    Arc::new(Script {
        name: name.into(),
        origin: Origin::default(),
        program,
        interval: Duration::from_millis(interval),
        timeout: Duration::from_millis(timeout),
        weight: 0,
        reverse: false,
        rise: 1,
        fall: 1,
        init_fail: false,
    })
}

fn config(scripts: Vec<Arc<Script>>) -> Arc<Config> {
    Arc::new(Config { scripts, globals: Globals::default(), ..Config::default() })
}

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "not soon enough: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn alive(pid: &str) -> bool {
    // A zombie that is not ours to collect is no process any more.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[test]
fn success_failure_and_a_signal_are_told_apart() {
    let folder = Folder::new();
    let (handle, heard) = start();
    let flag = folder.0.join("flag");
    handle.watch(config(vec![
        script(&folder, "good", "exit 0", 20, 1000),
        script(&folder, "bad", "exit 3", 20, 1000),
        script(&folder, "killed", "kill -9 $$", 20, 1000),
        script(&folder, "turns", &format!("test -e {}", flag.display()), 20, 1000),
    ]));
    let count = |name| heard.of(name).len();
    eventually("three runs of each", || {
        ["good", "bad", "killed", "turns"].into_iter().all(|name| count(name) >= 3)
    });
    assert!(heard.of("good").iter().all(|ok| *ok));
    assert!(heard.of("bad").iter().chain(&heard.of("killed")).all(|ok| !ok));
    assert!(heard.of("turns").iter().all(|ok| !ok));
    std::fs::write(&flag, "").unwrap();
    eventually("it turns", || heard.of("turns").last() == Some(&true));
    handle.stop().join().unwrap();
}

#[test]
fn what_runs_at_the_moment_is_known() {
    let folder = Folder::new();
    let running = Running::default();
    let handle = Handle::start(Arc::new(|_| ()), Arc::clone(&running)).unwrap();
    let names = || running.lock().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    let flag = folder.0.join("flag");
    let waits = format!("while ! test -e {}; do sleep 0.01; done", flag.display());
    handle.watch(config(vec![
        script(&folder, "waits", &waits, 100_000, 100_000),
        script(&folder, "hangs", "sleep 1000", 100_000, 300),
    ]));
    eventually("both run", || names() == ["hangs", "waits"]);
    eventually("one took too long", || names() == ["waits"]);
    std::fs::write(&flag, "").unwrap();
    eventually("the other is done", || names().is_empty());
    handle.stop().join().unwrap();
}

#[test]
fn one_that_hangs_fails_at_once_and_is_ended_with_all_it_started() {
    let folder = Folder::new();
    let (handle, heard) = start();
    let pids = folder.0.join("pids");
    // It ignores SIGTERM, and so does its child.
    let text =
        format!("trap '' TERM; sleep 1000 & echo $$ $! >> {}; wait; sleep 1000", pids.display());
    handle.watch(config(vec![script(&folder, "hangs", &text, 20, 100)]));
    eventually("a failure", || heard.of("hangs") == [false]);
    let started: Vec<String> = folder
        .lines("pids")
        .iter()
        .flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(started.len(), 2, "it was started twice");
    eventually("both are gone", || !started.iter().any(|pid| alive(pid)));
    eventually("it runs again", || folder.lines("pids").len() >= 2);
    handle.stop().join().unwrap();
}

#[test]
fn no_run_begins_before_the_last_has_ended() {
    let folder = Folder::new();
    let (handle, heard) = start();
    let log = folder.0.join("log");
    let text = format!("echo start >> {0}; sleep 0.1; echo end >> {0}", log.display());
    handle.watch(config(vec![script(&folder, "slow", &text, 10, 5000)]));
    eventually("five runs", || heard.of("slow").len() >= 5);
    handle.stop().join().unwrap();
    for (number, line) in folder.lines("log").iter().enumerate() {
        assert_eq!(line, if number % 2 == 0 { "start" } else { "end" }, "line {number}");
    }
}

#[test]
fn a_reload_leaves_alone_what_it_does_not_change() {
    let folder = Folder::new();
    let (handle, heard) = start();
    let text = |name: &str| {
        format!("echo $$ >> {}; sleep 0.3; echo done >> {0}", folder.0.join(name).display())
    };
    let kept = script(&folder, "kept", &text("kept"), 100_000, 5000);
    let gone = script(&folder, "gone", &text("gone"), 100_000, 5000);
    let changed = script(&folder, "changed", &text("changed"), 100_000, 5000);
    handle.watch(config(vec![Arc::clone(&kept), gone, Arc::clone(&changed)]));
    eventually("all run", || {
        ["kept", "gone", "changed"].iter().all(|name| folder.lines(name).len() == 1)
    });
    // The same, two lines further down.
    let mut moved = (*kept).clone();
    moved.program.origin.line += 2;
    moved.rise = 5;
    let mut other = (*changed).clone();
    other.timeout = Duration::from_secs(6);
    handle.watch(config(vec![Arc::new(moved), Arc::new(other)]));
    eventually("it goes on", || heard.of("kept") == [true]);
    eventually("the changed one begins anew", || heard.of("changed") == [true]);
    assert_eq!(folder.lines("kept").len(), 2);
    assert_eq!(folder.lines("gone").len(), 1, "it was to be ended");
    assert_eq!(folder.lines("changed").len(), 3, "one run was to be ended, one to follow");
    assert!(heard.of("gone").is_empty());
    handle.stop().join().unwrap();
}

#[test]
fn the_stop_ends_runs_that_go_on() {
    let folder = Folder::new();
    let (handle, _) = start();
    let text = format!("trap '' TERM; echo $$ >> {}; sleep 1000", folder.0.join("pid").display());
    handle.watch(config(vec![script(&folder, "stays", &text, 20, 100_000)]));
    eventually("it runs", || folder.lines("pid").len() == 1);
    handle.stop().join().unwrap();
    eventually("it is gone", || !alive(&folder.lines("pid")[0]));
}

#[test]
fn a_process_starts_with_nothing_of_ours() {
    let folder = Folder::new();
    let (handle, heard) = start();
    // A descriptor that whoever started us has left open.
    let leak = std::fs::File::open("/dev/zero").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let text = format!(
        "exec > {}; readlink /proc/self/fd/0; ls /proc/$$/fd | tr '\\n' ' '; echo; \
         grep -E 'SigBlk|SigIgn' /proc/self/status; cut -d' ' -f5 /proc/$$/stat; echo $$",
        folder.0.join("out").display()
    );
    handle.watch(config(vec![script(&folder, "bare", &text, 100_000, 5000)]));
    eventually("it ran", || !heard.of("bare").is_empty());
    handle.stop().join().unwrap();
    drop(leak);
    let lines = folder.lines("out");
    assert_eq!(lines[..2], ["/dev/null", "0 1 2 "]);
    assert_eq!(lines[2], "SigBlk:\t0000000000000000");
    let ignored = u64::from_str_radix(lines[3].strip_prefix("SigIgn:\t").unwrap(), 16).unwrap();
    // Signals 32 and 33 are the C library's, and whoever started us may have left them ignored.
    assert_eq!(ignored & !(0b11 << 31), 0, "{lines:#?}");
    let [.., group, own] = lines.as_slice() else { panic!("{lines:#?}") };
    assert_eq!(group, own, "it has no process group of its own");
}

#[test]
fn a_thousand_runs_leave_no_zombie() {
    let folder = Folder::new();
    let (handle, heard) = start();
    let mut program = (*script(&folder, "x", "", 1, 1000)).clone();
    program.program.words = vec!["/bin/true".into()];
    let many = (0..8).map(|number| {
        Arc::new(Script { name: format!("s{number}").as_str().into(), ..program.clone() })
    });
    handle.watch(config(many.collect()));
    eventually("a thousand runs", || heard.0.lock().unwrap().len() >= 1000);
    handle.stop().join().unwrap();
    let mine = std::process::id().to_string();
    let zombies = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let rest: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        stat.contains("(true)") && rest.first() == Some(&"Z") && rest.get(1) == Some(&&*mine)
    });
    assert_eq!(zombies.count(), 0);
}

#[test]
fn a_program_that_cannot_be_started_has_failed() {
    let folder = Folder::new();
    let (handle, heard) = start();
    let mut missing = (*script(&folder, "missing", "", 20, 1000)).clone();
    missing.program.words = vec!["/no/such/program".into()];
    let mut flag = (*script(&folder, "flag", "", 20, 1000)).clone();
    flag.program.words = vec![format!("<{}", folder.0.join("flag").display())];
    handle.watch(config(vec![Arc::new(missing), Arc::new(flag)]));
    eventually("both failed", || {
        heard.of("missing").contains(&false) && heard.of("flag").contains(&false)
    });
    std::fs::write(folder.0.join("flag"), "").unwrap();
    eventually("the file can be read", || heard.of("flag").last() == Some(&true));
    handle.stop().join().unwrap();
}
