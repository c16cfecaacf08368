//! Real processes, counted by the real thread: with the connector where the kernel has one, and
//! without.
use super::*;
use crate::config::model::Origin;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Mutex;

/// Sleepers of a name nobody else has.
struct Bed {
    folder: PathBuf,
    program: PathBuf,
    running: Vec<Child>,
}

impl Bed {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("xvrrp-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join(name);
        std::fs::copy("/bin/sleep", &program).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, program, running: Vec::new() }
    }

    fn start(&mut self, time: &str) {
        self.running.push(Command::new(&self.program).arg(time).spawn().unwrap());
    }

    fn stop(&mut self) {
        let mut child = self.running.pop().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        while !self.running.is_empty() {
            self.stop();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn tracked(name: &str, command: &[&str], full_command: bool) -> Arc<TrackedProcess> {
    Arc::new(TrackedProcess {
        name: name.into(),
        origin: Origin::default(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        arguments: None,
        full_command,
        weight: 1,
        reverse: false,
        quorum: 1,
        quorum_max: None,
        fork_delay: Duration::ZERO,
        terminate_delay: Duration::ZERO,
    })
}

/// Counts up, down, and after something was missed.
fn story(name: &str, connector: Option<Connector>) {
    let mut bed = Bed::new(name);
    bed.start("1000");
    let path = bed.program.to_str().unwrap().to_owned();
    let wanted = vec![tracked("by-name", &[name], false), tracked("by-path", &[&path], true)];
    let told: Arc<Mutex<Vec<(String, u32)>>> = Arc::default();
    let into = Arc::clone(&told);
    let deliver = move |input| {
        let Input::Processes { name, count } = input else { panic!("{input:?}") };
        into.lock().unwrap().push((name.to_string(), count));
    };
    let (sender, inbox) = mailbox::channel().unwrap();
    let thread = std::thread::spawn(move || {
        let counter = Counter { connector, ..Counter::scanning() };
        counter.serve(&inbox, &deliver);
    });
    sender.send(Message::Watch(wanted));
    let last = |which: &str| {
        let told = told.lock().unwrap();
        told.iter().rev().find(|(name, _)| name == which).map(|(_, count)| *count)
    };
    let becomes = |count| {
        let end = Instant::now() + Duration::from_secs(20);
        while (last("by-name"), last("by-path")) != (Some(count), Some(count)) {
            let told = told.lock().unwrap();
            assert!(Instant::now() < end, "never {count}: {told:?}");
            drop(told);
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    becomes(1);
    bed.start("1001");
    bed.start("1002");
    becomes(3);
    bed.stop();
    becomes(2);
    // A storm of others changes nothing.
    for _ in 0..200 {
        Command::new("/bin/true").status().unwrap();
    }
    bed.stop();
    bed.stop();
    becomes(0);
    bed.start("1003");
    becomes(1);
    sender.send(Message::Stop);
    thread.join().unwrap();
}

#[test]
fn without_the_connector_processes_are_looked_for() {
    story("xvrrp-scan", None);
}

#[test]
fn the_connector_tells_of_processes() {
    match Connector::open() {
        Ok(connector) => story("xvrrp-heard", Some(connector)),
        Err(e) => eprintln!("skipped: no process events connector here: {e}"),
    }
}

#[test]
fn lost_news_is_made_good_by_looking() {
    let connector = match Connector::open() {
        Ok(connector) => connector,
        Err(e) => return eprintln!("skipped: no process events connector here: {e}"),
    };
    connector.set_buffer(4096);
    let mut bed = Bed::new("xvrrp-lost");
    let mut counter = Counter { connector: Some(connector), ..Counter::scanning() };
    counter.roster = Roster::new(vec![tracked("p", &["xvrrp-lost"], false)]);
    counter.scan();
    assert_eq!(counter.roster.counts(), [0]);
    // More than the socket holds, with nobody reading.
    for _ in 0..100 {
        Command::new("/bin/true").status().unwrap();
    }
    bed.start("1000");
    counter.listen();
    assert!(counter.due <= Instant::now(), "nothing was lost");
    counter.scan();
    assert_eq!(counter.roster.counts(), [1]);
    // It hears again what comes after.
    counter.listen();
    bed.start("1001");
    let end = Instant::now() + Duration::from_secs(20);
    while counter.roster.counts() != [2] {
        assert!(Instant::now() < end, "it hears no more: {:?}", counter.roster.counts());
        counter.listen();
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_survey_counts_what_is_there() {
    let mut bed = Bed::new("xvrrp-survey");
    bed.start("1000");
    bed.start("1001");
    let counted = count_all(&[tracked("p", &["xvrrp-survey"], false)]);
    let [Input::Processes { name, count: 2 }] = counted.as_slice() else { panic!("{counted:?}") };
    assert_eq!(&**name, "p");
}
