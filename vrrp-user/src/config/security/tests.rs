//! Which programs are refused, and what is said of them.
use super::*;
use crate::config::model::Instance;
use crate::config::tracked::{Script, Track};
use std::collections::BTreeMap;
use std::time::Duration;
use vrrp_common::ident::{Family, Vrid};

/// A machine in memory.
#[derive(Default)]
struct Memory {
    files: BTreeMap<&'static str, Facts>,
    links: BTreeMap<&'static str, &'static str>,
    users: Vec<(&'static str, u32, u32)>,
}

impl Host for Memory {
    fn look(&self, path: &Path) -> Result<Facts, Unreadable> {
        self.files.get(path.to_str().unwrap()).copied().ok_or(Unreadable::Missing)
    }

    fn link(&self, path: &Path) -> Result<PathBuf, Unreadable> {
        self.links.get(path.to_str().unwrap()).map(PathBuf::from).ok_or(Unreadable::Missing)
    }

    fn here(&self) -> PathBuf {
        "/etc".into()
    }

    fn search(&self) -> Vec<PathBuf> {
        vec!["/sbin".into(), "/bin".into()]
    }

    fn user(&self, name: &str) -> Option<Account> {
        let (_, uid, gid) = self.users.iter().find(|(user, ..)| *user == name)?;
        Some(Account { uid: *uid, gid: *gid })
    }

    fn group(&self, name: &str) -> Option<u32> {
        name.parse().ok().or_else(|| Some(self.user(name)?.gid))
    }

    fn own(&self) -> Account {
        Account { uid: 0, gid: 0 }
    }
}

fn facts(kind: Kind, owner: u32, group: u32, mode: u32) -> Facts {
    Facts { kind, owner, group, mode }
}

/// Root's own directories with one good script.
fn machine() -> Memory {
    let mut memory = Memory::default();
    for folder in ["/", "/etc", "/bin", "/sbin", "/home"] {
        memory.files.insert(folder, facts(Kind::Directory, 0, 0, 0o755));
    }
    memory.files.insert("/tmp", facts(Kind::Directory, 0, 0, 0o1777));
    memory.files.insert("/etc/check", facts(Kind::File, 0, 0, 0o755));
    memory.users = vec![("root", 0, 0), ("nobody", 65534, 65534)];
    memory
}

fn program(path: &str, user: Option<&str>) -> Program {
    let user = user.map(|name| User { name: name.into(), group: None });
    Program { words: vec![path.into(), "arg".into()], user, origin: origin() }
}

fn origin() -> Origin {
    Origin { file: "vrrp.conf".into(), line: 7 }
}

#[test]
fn a_fifo_belongs_to_whom_it_is_given() {
    let machine = machine();
    let owner = |name: &str, group: Option<&str>| Owner {
        user: User { name: name.into(), group: group.map(Into::into) },
        origin: origin(),
    };
    let mut config = Config::default();
    config.globals.scripts.fifo_owner = Some(owner("nobody", None));
    config.globals.scripts.vrrp_fifo_owner = Some(owner("nobody", Some("root")));
    assert_eq!(enforce(&mut config, &machine), []);
    let scripts = &config.globals.scripts;
    let settled = [&scripts.fifo_owner, &scripts.vrrp_fifo_owner];
    let settled = settled.map(|owner| owner.as_ref().unwrap().user.clone());
    let numbers = |group: &str| User { name: "65534".into(), group: Some(group.into()) };
    assert_eq!(settled, [numbers("65534"), numbers("0")]);
    for (user, group, what) in [
        ("ghost", None, "there is no user `ghost`"),
        ("root", Some("gh"), "there is no group `gh`"),
    ] {
        config.globals.scripts.vrrp_fifo_owner = Some(owner(user, group));
        let problems = enforce(&mut config, &machine);
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with(&format!("vrrp.conf:7: error: vrrp_notify_fifo: {what}")));
        assert!(problems[0].fatal);
    }
}

/// A configuration whose script, notify_master and startup_script are all this one.
fn config(program: &Program) -> Config {
    let mut instance = Instance::new("VI_1", "eth0", Vrid::new(1).unwrap(), Family::V4);
    instance.notify.master = Some(Box::new(program.clone()));
    instance.tracks.scripts = vec![Track { object: "chk".into(), weight: 0, reverse: false }];
    let script = Script {
        name: "chk".into(),
        origin: origin(),
        program: program.clone(),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        weight: 0,
        reverse: false,
        rise: 1,
        fall: 1,
        init_fail: false,
    };
    let mut config = Config {
        instances: vec![Arc::new(instance)],
        scripts: vec![Arc::new(script)],
        ..Config::default()
    };
    config.globals.scripts.startup = Some((program.clone(), 10));
    config
}

/// What is said of the check script, and how it is run.
fn judge(memory: &Memory, program: &Program, rules: impl Fn(&mut Scripts)) -> (String, Config) {
    let mut config = config(program);
    rules(&mut config.globals.scripts);
    let problems = enforce(&mut config, memory);
    let about = |problem: &&Problem| problem.message.contains("vrrp_script chk");
    let told: Vec<_> = problems.iter().filter(about).map(Problem::to_string).collect();
    (told.join("\n"), config)
}

fn run(config: &Config) -> Option<(String, String, String)> {
    let program = &config.scripts.first()?.program;
    let user = program.user.clone()?;
    Some((program.words[0].clone(), user.name, user.group?))
}

#[test]
fn a_good_script_is_run_as_whom_it_says() {
    for (user, expected) in [(None, "0"), (Some("root"), "0"), (Some("nobody"), "65534")] {
        let (told, config) = judge(&machine(), &program("/etc/check", user), |_| {});
        assert_eq!(told, "");
        assert_eq!(run(&config), Some(("/etc/check".into(), expected.into(), expected.into())));
        assert_eq!(config.instances[0].tracks.scripts.len(), 1);
        assert!(config.globals.scripts.startup.is_some());
    }
}

#[test]
fn the_default_user_is_keepalived_script_where_there_is_one() {
    let mut memory = machine();
    memory.users.push((DEFAULT_USER, 900, 901));
    let (told, config) = judge(&memory, &program("/etc/check", None), |_| {});
    assert_eq!((told.as_str(), run(&config).unwrap().1.as_str()), ("", "900"));
    let nobody = User { name: "nobody".into(), group: Some("17".into()) };
    let (_, config) =
        judge(&memory, &program("/etc/check", None), |rules| rules.user = Some(nobody.clone()));
    let (_, user, group) = run(&config).unwrap();
    assert_eq!((user.as_str(), group.as_str()), ("65534", "17"));
}

#[test]
fn what_others_can_change_is_not_run_as_root() {
    let cases: [(&str, Facts, &str); 6] = [
        ("/etc/check", facts(Kind::File, 0, 0, 0o757), "/etc/check has mode 0757 and everybody"),
        ("/etc/check", facts(Kind::File, 0, 5, 0o775), "/etc/check has mode 0775 and group 5"),
        ("/etc/check", facts(Kind::File, 8, 0, 0o755), "/etc/check has mode 0755 and it belongs"),
        ("/etc", facts(Kind::Directory, 0, 0, 0o777), "directory /etc has mode 0777 and everybody"),
        ("/etc", facts(Kind::Directory, 0, 5, 0o770), "directory /etc has mode 0770 and group 5"),
        ("/", facts(Kind::Directory, 8, 0, 0o755), "directory / has mode 0755 and it belongs"),
    ];
    for (place, facts, expected) in cases {
        let mut memory = machine();
        memory.files.insert(place, facts);
        let (told, config) = judge(&memory, &program("/etc/check", None), |_| {});
        let start = "vrrp.conf:7: error: vrrp_script chk is not run: /etc/check would run as root";
        assert!(told.starts_with(start) && told.contains(expected), "{told}");
        assert!(told.contains("chown root") || told.contains("chmod go-w"), "{told}");
        // It is gone from everywhere.
        assert!(config.scripts.is_empty() && config.instances[0].tracks.scripts.is_empty());
        assert!(config.instances[0].notify.master.is_none());
        assert!(config.globals.scripts.startup.is_none());
        // Another user may run it: he gains nothing.
        let (told, config) = judge(&memory, &program("/etc/check", Some("nobody")), |_| {});
        let runs = run(&config).is_some();
        assert!(runs && !told.contains("would run as root"), "{place}: {told}");
        // And without the rule it is only said.
        let (told, config) =
            judge(&memory, &program("/etc/check", None), |rules| rules.security = false);
        assert!(told.contains("warning") && told.contains(expected), "{told}");
        assert!(run(&config).is_some());
    }
}

#[test]
fn what_gives_roots_rights_to_anybody_is_roots_affair() {
    let mut memory = machine();
    memory.files.insert("/etc", facts(Kind::Directory, 0, 0, 0o777));
    for mode in [0o4755, 0o2755] {
        memory.files.insert("/etc/check", facts(Kind::File, 0, 0, mode));
        let (told, _) = judge(&memory, &program("/etc/check", Some("nobody")), |_| {});
        assert!(told.contains("would run as root"), "{mode:o}: {told}");
    }
}

#[test]
fn a_sticky_directory_keeps_others_from_files_of_root() {
    let mut memory = machine();
    memory.files.insert("/tmp/check", facts(Kind::File, 0, 0, 0o755));
    assert_eq!(judge(&memory, &program("/tmp/check", None), |_| {}).0, "");
    memory.files.insert("/tmp/check", facts(Kind::File, 8, 0, 0o755));
    assert!(judge(&memory, &program("/tmp/check", None), |_| {}).0.contains("belongs to user 8"));
}

#[test]
fn links_are_followed_and_judged() {
    let mut memory = machine();
    memory.files.insert("/home/link", facts(Kind::Link, 0, 0, 0o777));
    memory.links.insert("/home/link", "../etc/./check");
    let (told, config) = judge(&memory, &program("/home/link", None), |_| {});
    assert_eq!((told.as_str(), run(&config).unwrap().0.as_str()), ("", "/etc/check"));
    // Where the link is need not be safe, for it is not used at a run...
    memory.files.insert("/home", facts(Kind::Directory, 8, 0, 0o755));
    assert_eq!(judge(&memory, &program("/home/link", None), |_| {}).0, "");
    // ... unless it is.
    let (told, _) = judge(&memory, &program("/home/link", None), |r| r.symlink_paths = true);
    assert!(told.contains("directory /home has mode 0755 and it belongs to user 8"), "{told}");
    memory.files.insert("/home", facts(Kind::Directory, 0, 0, 0o755));
    let (told, config) = judge(&memory, &program("/home/link", None), |r| r.symlink_paths = true);
    assert_eq!((told.as_str(), run(&config).unwrap().0.as_str()), ("", "/home/link"));
    // A name that means something is kept where it leads to the same.
    memory.files.insert("/etc/link", facts(Kind::Link, 0, 0, 0o777));
    memory.links.insert("/etc/link", "/etc/check");
    let (_, config) = judge(&memory, &program("/home/link", None), |_| {});
    assert_eq!(run(&config).unwrap().0, "/etc/link");
    // Round in a circle.
    memory.links.insert("/home/link", "link");
    let (told, _) = judge(&memory, &program("/home/link", None), |_| {});
    assert!(told.contains("/home/link: too many links"), "{told}");
}

#[test]
fn what_is_not_there_or_cannot_be_run_is_named() {
    let mut memory = machine();
    memory.files.insert("/etc/text", facts(Kind::File, 0, 0, 0o644));
    memory.files.insert("/home/closed", facts(Kind::Directory, 0, 0, 0o700));
    memory.files.insert("/home/closed/x", facts(Kind::File, 0, 0, 0o755));
    memory.files.insert("/home/mine", facts(Kind::File, 0, 0, 0o700));
    for (path, user, expected) in [
        ("/etc/none", None, "/etc/none: no such file"),
        ("/none/check", None, "/none: no such file"),
        ("/etc", None, "not a regular file"),
        ("/etc/text", None, "(mode 0644, owner 0) cannot be executed by user 0 group 0"),
        ("/home/mine", Some("nobody"), "cannot be executed by user 65534 group 65534"),
        ("none", None, "no `none` in PATH"),
    ] {
        let (told, config) = judge(&memory, &program(path, user), |_| {});
        assert!(told.contains("is not run") && told.contains(expected), "{path}: {told}");
        assert!(run(&config).is_none());
    }
    let (told, config) = judge(&memory, &program("/home/closed/x", Some("nobody")), |_| {});
    assert!(told.contains("warning") && told.contains("/home/closed has mode 0700"), "{told}");
    assert!(run(&config).is_some());
}

#[test]
fn a_bare_name_is_looked_for_and_a_relative_one_is_from_here() {
    let mut memory = machine();
    memory.files.insert("/bin/true", facts(Kind::File, 0, 0, 0o755));
    memory.files.insert("/sbin/true", facts(Kind::File, 0, 0, 0o644));
    let (told, config) = judge(&memory, &program("true", None), |_| {});
    assert!(told.contains("warning") && told.contains("/bin/true"), "{told}");
    assert_eq!(run(&config).unwrap().0, "/bin/true");
    let (told, config) = judge(&memory, &program("./check", None), |_| {});
    assert_eq!((told.as_str(), run(&config).unwrap().0.as_str()), ("", "/etc/check"));
    let (told, config) = judge(&memory, &program("</tmp/flag", None), |_| {});
    assert_eq!((told.as_str(), run(&config).unwrap().0.as_str()), ("", "</tmp/flag"));
}

#[test]
fn an_unknown_user_makes_the_configuration_unusable() {
    let mut with_user = config(&program("/etc/check", Some("nobdy")));
    let problems = enforce(&mut with_user, &machine());
    assert!(problems.iter().all(|problem| problem.fatal), "{problems:?}");
    assert!(problems.iter().any(|p| p.to_string().contains("there is no user `nobdy`")));
    let mut with_default = config(&program("/etc/check", None));
    with_default.globals.scripts.user =
        Some(User { name: "root".into(), group: Some("wheel".into()) });
    let problems = enforce(&mut with_default, &machine());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        problems[0].to_string(),
        "error: script_user: there is no group `wheel` (create it, \
                                         or name another)"
    );
}

#[test]
fn what_was_settled_once_is_settled_the_same_again() {
    let mut first = config(&program("./check", Some("nobody")));
    enforce(&mut first, &machine());
    let mut second = first.clone();
    assert_eq!(enforce(&mut second, &machine()), []);
    assert_eq!(first, second);
}
