//! Real programs, told by the real thread.
use super::*;
use crate::config::model::{Instance, Origin};
use crate::config::tracked::SyncGroup;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::time::Instant;
use vrrp_common::ident::{Family, Priority, Vrid};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("xvrrp-notify-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "not soon enough: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn shell(text: &str) -> Box<Program> {
    // What is told comes after the name of the shell.
    let words = ["/bin/sh", "-c", text, "sh"].map(str::to_owned).into();
    Box::new(Program { words, user: None, origin: Origin::default() })
}

fn instance(change: impl FnOnce(&mut Instance)) -> Arc<Instance> {
    let mut instance = Instance::new("VI 1", "eth0", Vrid::new(1).unwrap(), Family::V4);
    change(&mut instance);
    Arc::new(instance)
}

fn notice(instance: &Arc<Instance>, event: Event) -> Notice {
    Notice::instance(instance, event, Priority(150))
}

#[test]
fn programs_are_told_in_keepalived_s_words() {
    let folder = Folder::new();
    let out = folder.file("out");
    let write = |tag: &str| shell(&format!("echo {tag} \"$@\" >> {}", out.display()));
    let instance = instance(|instance| {
        instance.notify.any = Some(write("any"));
        instance.notify.master = Some(write("master"));
        instance.notify.lower = Some(write("lower"));
    });
    let group = SyncGroup {
        name: "G1".into(),
        origin: Origin::default(),
        members: vec![],
        track_interfaces: vec![],
        tracks: Default::default(),
        tracking_weight: false,
        notify: crate::config::program::Notify { any: Some(write("any")), ..Default::default() },
        notify_priority_changes: None,
    };
    let (notifier, thread) = Notifier::start().unwrap();
    notifier.configure(Arc::default());
    notifier.tell(notice(&instance, Event::Master));
    notifier.tell(notice(&instance, Event::Fault));
    notifier.tell(notice(&instance, Event::LowerHeard));
    notifier.tell(notice(&instance, Event::MasterPriority));
    notifier.tell(Notice::group(&Arc::new(group), Event::Backup));
    eventually("five programs ran", || lines(&out).len() == 5);
    let mut told = lines(&out);
    told.sort();
    let expected = [
        "any GROUP G1 BACKUP 0",
        "any INSTANCE VI 1 FAULT 150",
        "any INSTANCE VI 1 MASTER 150",
        "lower",
        "master",
    ];
    assert_eq!(told, expected);
    drop(notifier);
    thread.join().unwrap();
}

#[test]
fn the_stop_has_a_second_and_no_more() {
    let folder = Folder::new();
    let out = folder.file("out");
    let quick = shell(&format!("sleep 0.2; echo quick \"$@\" >> {}", out.display()));
    let slow = shell(&format!("trap '' TERM; echo $$ >> {}; sleep 1000", out.display()));
    let instance = instance(|instance| {
        instance.notify.any = Some(quick);
        instance.notify.stop = Some(slow);
    });
    let (notifier, thread) = Notifier::start().unwrap();
    notifier.tell(notice(&instance, Event::Stop));
    drop(notifier);
    let start = Instant::now();
    thread.join().unwrap();
    assert!(start.elapsed() >= STOP, "it was not given its time");
    let told = lines(&out);
    assert!(told.iter().any(|line| line == "quick INSTANCE VI 1 STOP 150"), "{told:?}");
    let pid = told.iter().find(|line| !line.starts_with("quick")).unwrap();
    eventually("the slow one is gone", || !Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_fifo_s_script_reads_to_the_end_and_a_reload_leaves_it_alone() {
    let folder = Folder::new();
    let (fifo, out) = (folder.file("fifo"), folder.file("out"));
    let script = shell(&format!("echo $$ $1 >> {0}; cat $1 >> {0}", out.display()));
    let mut config = Config::default();
    config.globals.notify_fifo = Some(fifo.clone());
    config.globals.scripts.fifo = Some(script);
    let config = Arc::new(config);
    let instance = instance(|_| {});
    let (notifier, thread) = Notifier::start().unwrap();
    notifier.configure(Arc::clone(&config));
    notifier.tell(notice(&instance, Event::Master));
    eventually("it reads", || lines(&out).len() == 2);
    notifier.configure(config);
    notifier.tell(notice(&instance, Event::Stop));
    drop(notifier);
    thread.join().unwrap();
    let told = lines(&out);
    let (pid, path) = told[0].split_once(' ').unwrap();
    assert_eq!(path, fifo.to_str().unwrap());
    let rest = ["INSTANCE \"VI 1\" MASTER 150", "INSTANCE \"VI 1\" STOP 150"];
    assert_eq!(told[1..], rest);
    assert!(!Path::new(&format!("/proc/{pid}")).exists() && !fifo.exists());
}

#[test]
fn a_fifo_s_script_that_ended_or_changed_is_started_by_a_reload() {
    let folder = Folder::new();
    let (fifo, out) = (folder.file("fifo"), folder.file("out"));
    let with = |text: String| {
        let mut config = Config::default();
        config.globals.vrrp_notify_fifo = Some(fifo.clone());
        config.globals.scripts.vrrp_fifo = Some(shell(&text));
        Arc::new(config)
    };
    let short = with(format!("echo short >> {}", out.display()));
    let (notifier, thread) = Notifier::start().unwrap();
    notifier.configure(Arc::clone(&short));
    eventually("it ran", || lines(&out) == ["short"]);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(lines(&out).len(), 1, "only a reload starts it again");
    notifier.configure(short);
    eventually("it ran again", || lines(&out) == ["short", "short"]);
    let long = |tag: &str| {
        let out = out.display();
        with(format!(
            "trap 'echo {tag} ended >> {out}; exit' TERM; echo {tag} >> {out}; \
                      while :; do sleep 0.05; done"
        ))
    };
    notifier.configure(long("one"));
    eventually("the first runs", || lines(&out).contains(&"one".to_owned()));
    notifier.configure(long("two"));
    eventually("the second in its place", || {
        lines(&out).contains(&"one ended".to_owned()) && lines(&out).contains(&"two".to_owned())
    });
    drop(notifier);
    thread.join().unwrap();
    assert!(lines(&out).contains(&"two ended".to_owned()), "{:?}", lines(&out));
}

#[test]
fn programs_that_never_end_are_bounded_and_hold_up_no_line() {
    let folder = Folder::new();
    let out = folder.file("out");
    let fifo = folder.file("fifo");
    let forever = shell(&format!("echo x >> {}; exec sleep 1000", out.display()));
    let forgetful = instance(|instance| instance.notify.any = Some(forever));
    let mut config = Config::default();
    config.globals.notify_fifo = Some(fifo);
    let (notifier, thread) = Notifier::start().unwrap();
    notifier.configure(Arc::new(config));
    for _ in 0..PROGRAMS + 50 {
        notifier.tell(notice(&forgetful, Event::Master));
    }
    eventually("the bound is reached", || lines(&out).len() == PROGRAMS);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(lines(&out).len(), PROGRAMS);
    // The stop waits for none of them.
    let done = shell(&format!("echo stop >> {}", out.display()));
    let last = instance(|instance| instance.notify.stop = Some(done));
    notifier.tell(notice(&last, Event::Stop));
    drop(notifier);
    thread.join().unwrap();
    assert_eq!(lines(&out).last().map(String::as_str), Some("stop"));
}

#[test]
fn who_hands_over_never_waits() {
    let (queue, received) = mpsc::channel(2);
    let notifier = Notifier { queue, dropped: Arc::default() };
    let instance = instance(|_| {});
    for _ in 0..5 {
        notifier.tell(notice(&instance, Event::Master));
    }
    assert_eq!(notifier.dropped.load(Ordering::Relaxed), 3);
    drop(received);
}
