//! Where do dump files go, what shapes have they, and what else is said of what runs.
use super::surroundings;
use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind, binary};
use vrrp_tests::lab::fifo::Fifo;
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(20);
const BOTH: [Kind; 2] = [Kind::Keepalived, Kind::Xvrrp];
const DATA: i32 = 10;
const STATS: i32 = 12;
const JSON: i32 = 36;

fn config(globals: &str, root: &str, own: &str) -> String {
    format!(
        "global_defs {{
            script_user root
            {globals}
        }}
        {root}
        vrrp_instance VI_1 {{
            state MASTER
            interface v0
            virtual_router_id 51
            priority 100
            {own}
            virtual_ipaddress {{
                10.9.0.100/24
            }}
        }}
        "
    )
}

fn whole(path: &std::path::Path, end: &str) -> String {
    eventually(SOON, &format!("{}", path.display()), || {
        let text = std::fs::read_to_string(path).ok()?;
        text.contains(end).then_some(text)
    })
}

#[test]
fn files_go_where_they_are_told_to() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let namespace = surroundings("places");
    let folder = Directory::new("places");
    let place = |name: &str| folder.join(name);
    let globals = format!(
        "state_dump_file {}\nstats_dump_file {}\njson_dump_file {}\njson_version 2",
        place("state").display(),
        place("stats").display(),
        place("json").display()
    );
    let root = "vrrp_track_process tp {
        process /no/such/program a b
        param_match initial
        quorum 2
        quorum_max 5
        weight -3
        fork_delay 1.5
        full_command
    }";
    let config = config(&globals, root, "track_process {\n tp\n }");
    let daemon = Daemon::start(Kind::Xvrrp, &namespace, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    for signal in [DATA, STATS, JSON] {
        daemon.send(signal);
    }
    assert!(whole(&place("state"), "Interfaces").starts_with("------< Global definitions >"));
    assert!(whole(&place("stats"), "Released").starts_with("VRRP Instance: VI_1"));
    let json = whole(&place("json"), "]}\n");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["vrrp"][0]["data"]["iname"], "VI_1");
    assert_eq!(json["vrrp"].as_array().map(Vec::len), Some(1));
    let expected = serde_json::json!([{
        "process": "/no/such/program",
        "parameters": "a b",
        "param_match": "initial",
        "min_processes": 2,
        "max_processes": 5,
        "current_processes": 0,
        "have_quorum": false,
        "weight": -3,
        "terminate_delay": 0,
        "fork_delay": 1.5,
        "fork_delay_timer_running": false,
        "terminate_delay_timer_running": false,
        "full_command": true,
    }]);
    assert_eq!(json["track_process"], expected);
    let usual = std::fs::read_dir(daemon.directory().join(".")).expect("a directory");
    let usual: Vec<_> = usual.flatten().map(|entry| entry.file_name()).collect();
    assert!(usual.iter().all(|name| !name.to_string_lossy().contains("keepalived")), "{usual:?}");
}

/// The name of a daemon among several becomes a part of the name of its file.
#[test]
fn the_file_of_the_state_is_named_after_the_instance() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let names = BOTH.map(|kind| {
        let namespace = surroundings(&format!("named{kind:?}").to_lowercase());
        let daemon =
            Daemon::start(kind, &namespace, &config("data_use_instance", "instance one", ""));
        daemon.wait_state(0, "VI_1", "MASTER", SOON);
        daemon.send(DATA);
        daemon.send(STATS);
        let names = || -> BTreeSet<String> {
            let files = std::fs::read_dir(daemon.directory().join(".")).expect("a directory");
            let names = files.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            let names = names.filter(|name| name.ends_with(".data") || name.ends_with(".stats"));
            // Of keepalived's processes one has the routers.
            names.filter(|name| !name.starts_with("keepalived_parent")).collect()
        };
        eventually(SOON, "two files", || (names().len() == 2).then(names))
    });
    assert_eq!(names[0], names[1]);
}

/// What is said of a script while it runs for the first time.
#[test]
fn a_script_is_shown_to_run() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let root = "vrrp_script long {
        script \"/bin/sleep 1000\"
        interval 1000
        timeout 500
        weight 5
    }";
    let sections = BOTH.map(|kind| {
        let namespace = surroundings(&format!("runs{kind:?}").to_lowercase());
        let config = config("", root, "track_script {\n long\n }");
        let daemon = Daemon::start(kind, &namespace, &config);
        // keepalived's instance waits for the script.
        std::thread::sleep(Duration::from_secs(2));
        daemon.send(DATA);
        let data = whole(&daemon.directory().join("keepalived.data"), "Interfaces >");
        let lines = data.lines().skip_while(|line| !line.contains("VRRP Script = long"));
        lines
            .take_while(|line| line.starts_with("   ") || line.contains("Script ="))
            .fold(String::new(), |text, line| text + line + "\n")
    });
    assert_eq!(sections[0], sections[1]);
    assert!(sections[1].contains("   State = running\n"), "{}", sections[1]);
}

/// With `-d` the log holds what `keepalived.data` would.
#[test]
fn the_configuration_is_logged_where_that_is_asked_for() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let namespace = surroundings("logged");
    let folder = Directory::new("logged");
    let file = folder.join("vrrp.conf");
    std::fs::write(&file, config("", "", "")).expect("written");
    let mut command = Command::new(binary());
    command.arg0("keepalived").args(["-n", "-l", "-d", "--vrrp", "--use-file"]).arg(&file);
    command.arg("--vrrp_pid").arg(folder.join("vrrp.pid")).arg("--pid").arg(folder.join("pid"));
    command.env("TMPDIR", folder.join("."));
    command.arg("--control").arg(folder.join("control"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = namespace.enter(|| command.spawn()).expect("it starts");
    std::thread::sleep(Duration::from_secs(3));
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let sent = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
    assert_eq!(sent, Some(Ok(())));
    let mut output = String::new();
    for pipe in [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn std::io::Read>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn std::io::Read>),
    ] {
        let mut text = String::new();
        pipe.expect("a pipe").read_to_string(&mut text).expect("text");
        output += &text;
    }
    assert!(child.wait().expect("it ended").success(), "{output}");
    for line in ["------< Global definitions >------", "VRRP Instance = VI_1", "10.9.0.100/24"] {
        assert!(output.contains(line), "{line}: {output}");
    }
}

/// Whoever says nothing does as the group, which does as all; whoever says something does that.
#[test]
fn priority_changes_are_told_of_whom_they_should_be() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    for (global, group, own, expected) in [
        ("off", "notify_priority_changes", "notify_priority_changes off", vec!["VI_2"]),
        ("on", "notify_priority_changes off", "", vec![]),
        ("on", "", "notify_priority_changes off", vec!["VI_2"]),
        ("off", "", "notify_priority_changes", vec!["VI_1"]),
    ] {
        for kind in BOTH {
            let namespace = surroundings(&format!("prio{kind:?}").to_lowercase());
            let folder = Directory::new("prio");
            let (fifo, number) = (Fifo::new(folder.join("fifo")), folder.join("number"));
            std::fs::write(&number, "0\n").expect("written");
            let globals = format!(
                "vrrp_notify_priority_changes {global}\nvrrp_notify_fifo {}",
                fifo.path().display()
            );
            let root = format!(
                "track_file num {{
                    file {}
                    weight 1
                }}
                vrrp_sync_group G {{
                    group {{
                        VI_1
                        VI_2
                    }}
                    track_file {{
                        num
                    }}
                    {group}
                }}
                vrrp_instance VI_2 {{
                    state MASTER
                    interface v1
                    virtual_router_id 52
                    priority 100
                    virtual_ipaddress {{
                        10.9.1.100/24
                    }}
                }}",
                number.display()
            );
            let daemon = Daemon::start(kind, &namespace, &config(&globals, &root, own));
            daemon.wait_state(0, "VI_1", "MASTER", SOON);
            daemon.wait_state(0, "VI_2", "MASTER", SOON);
            std::thread::sleep(Duration::from_millis(300));
            std::fs::write(&number, "7\n").expect("written");
            std::thread::sleep(Duration::from_secs(1));
            let lines = fifo.lines();
            let told = lines.iter().filter(|line| line.ends_with("MASTER_PRIORITY 107"));
            let told: Vec<_> = told.filter_map(|line| line.split('"').nth(1)).collect();
            assert_eq!(told, expected, "{kind:?} {global} {group} {own}: {lines:?}");
        }
    }
}

/// Whoever writes the configuration learns when it has been read.
#[test]
fn a_reload_is_over_when_its_file_is_gone() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let namespace = surroundings("reading");
    let folder = Directory::new("reading");
    let file = folder.join("reload");
    std::fs::write(&file, "x").expect("written");
    let config = config(&format!("reload_file {}", file.display()), "", "");
    let daemon = Daemon::start(Kind::Xvrrp, &namespace, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    assert!(!file.exists(), "the start has read it, too");
    for config in [config.clone(), config.replace("interface", "interfaces")] {
        std::fs::write(&file, "x").expect("written");
        daemon.reload(&config);
        eventually(SOON, "it has been read", || (!file.exists()).then_some(()));
    }
}
