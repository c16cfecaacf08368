//! Is what is tracked, kept in step and run read as it is written.
use super::{VIP, bad, good, instance, text};
use crate::config::program::{Program, User};
use crate::config::tracked::{ArgumentMatch, FileInit, Script, Track, TrackedProcess};
use std::time::Duration;

fn tracked(block: &str, line: &str) -> String {
    let list = block.split_whitespace().next().unwrap_or_default();
    let list = list.trim_start_matches("vrrp_");
    let list = if list.starts_with("track") { list.to_owned() } else { format!("track_{list}") };
    format!(
        "{block}\nvrrp_instance V {{\n interface eth0\n virtual_router_id 5\n{list} {{\n{line}\n}}\n\
         {VIP}}}\n"
    )
}

fn script(body: &str) -> Script {
    let config = good(&tracked(&format!("vrrp_script s {{\n{body}\n}}"), "s"));
    (*config.scripts[0]).clone()
}

fn tracked_process(body: &str) -> TrackedProcess {
    let config = good(&tracked(&format!("vrrp_track_process s {{\n{body}\n}}"), "s"));
    (*config.tracked[0]).clone()
}

/// keepalived 2.2.7's own.
#[test]
fn defaults() {
    let plain = script("script /bin/true");
    let second = Duration::from_secs(1);
    assert_eq!((plain.interval, plain.timeout, plain.rise, plain.fall), (second, second, 1, 1));
    assert_eq!((plain.weight, plain.init_fail, &plain.program.user), (0, false, &None));
    let plain = tracked_process("process nginx");
    assert_eq!((plain.quorum, plain.quorum_max, plain.arguments), (1, None, None));
    assert_eq!((plain.weight, plain.full_command), (0, false));
    assert_eq!((plain.fork_delay, plain.terminate_delay), (Duration::ZERO, Duration::ZERO));
    let config = good(&tracked("track_file f {\n file /f\n}", "f"));
    assert_eq!((config.files[0].weight, config.files[0].init), (1, None));
    assert_eq!(config.instances[0].tracks.files[0].weight, 1);
    let scripts = config.globals.scripts;
    assert!(scripts.security && !scripts.symlink_paths && scripts.user.is_none());
    // As it does, not as its manual says.
    let config = good(&format!(
        "interface_up_down_delays {{\n eth0 0.000001\n eth1 1 2\n}}\n{}",
        tracked("vrrp_script s {\n script /s\n}", "s")
    ));
    let delays: Vec<_> = config.link_delays.iter().map(|delay| (delay.down, delay.up)).collect();
    let micro = Duration::from_micros(1);
    assert_eq!(delays, [(micro, Duration::ZERO), (second, 2 * second)]);
}

/// Each of the two by itself, to what keepalived 2.2.7 makes of them.
#[test]
fn the_own_link_is_waited_for_less_than_its_master() {
    let instance = |interval: &str, name: &str, vrid: u8| {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n version 3\n virtual_router_id {vrid}\n\
             advert_int {interval}\n virtual_ipaddress {{\n 192.0.2.{vrid}\n}}\n}}\n"
        )
    };
    let delayed = |delays: &str| {
        let instances = instance("0.1", "A", 1) + &instance("1", "B", 2);
        format!("interface_up_down_delays {{\n {delays}\n}}\n{instances}")
    };
    let (config, diagnostics) = text(&delayed("eth0 0.1 2"));
    let delay = &config.expect("a warning alone").link_delays[0];
    let micros = (delay.down.as_micros(), delay.up.as_micros());
    assert_eq!(micros, (100_000, 199_610));
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].code, "long-delay");
    assert!(diagnostics[0].label.as_ref().is_some_and(|label| label.contains("`A`")));
    assert_eq!(good(&delayed("eth0 0.15 0.19")).link_delays[0].up, Duration::from_millis(190));
    assert_eq!(good(&delayed("eth9 5 6")).link_delays[0].up, Duration::from_secs(6));
}

#[test]
fn weights_of_lines_and_of_objects() {
    let weigh = |own: &str, line: &str| {
        let block = format!("vrrp_script s {{\n script /s\n{own}\n}}");
        let config = good(&tracked(&block, line));
        let Track { weight, reverse, .. } = config.instances[0].tracks.scripts[0];
        (weight, reverse)
    };
    assert_eq!(weigh("", "s"), (0, false));
    assert_eq!(weigh("weight -20 reverse", "s"), (-20, true));
    assert_eq!(weigh("weight -20 reverse", "s weight 7"), (7, true));
    assert_eq!(weigh("weight -20 reverse", "s weight 7 noreverse"), (7, false));
    assert_eq!(weigh("", "s weight 0 reverse"), (0, true));
    assert_eq!(weigh("weight 253", "s weight -253"), (-253, false));
}

#[test]
fn commands_are_words_in_quotes() {
    let words = |text: &str| script(&format!("script {text}")).program.words;
    assert_eq!(words("/bin/true"), ["/bin/true"]);
    assert_eq!(words("\"/bin/a b  c\""), ["/bin/a", "b", "c"]);
    assert_eq!(words("\"/bin/a 'b c' d\\\\ e\""), ["/bin/a", "b c", "d e"]);
    assert_eq!(words("'/bin/a \"b c\" \"\"'"), ["/bin/a", "b c", ""]);
    let (_, found) = text(&tracked("vrrp_script s {\n script /bin/a -x\n}", "s"));
    assert!(found.iter().any(|one| one.message == "`-x` is ignored"), "{found:?}");
}

#[test]
fn who_runs_what() {
    let user = |name: &str, group: Option<&str>| {
        Some(User { name: name.to_owned(), group: group.map(str::to_owned) })
    };
    let all = instance(&format!(
        "notify \"/n a\" u g\nnotify_master /m u\nnotify_backup /b\nnotify_fault /f\n\
         notify_stop /s\nnotify_master_rx_lower_pri /l\nnotify_deleted\n{VIP}"
    ))
    .notify;
    let Program { words, user: who, origin } = *all.any.expect("notify");
    assert_eq!((words, who, origin.line), (vec!["/n".into(), "a".into()], user("u", Some("g")), 4));
    assert_eq!(all.master.and_then(|program| program.user), user("u", None));
    let first = |program: Option<Box<Program>>| program.map(|program| program.words[0].clone());
    let others = [all.backup, all.fault, all.stop, all.lower].map(first);
    assert_eq!(others.map(Option::unwrap_or_default), ["/b", "/f", "/s", "/l"]);
    assert!(all.deleted.given && all.deleted.program.is_none());
    let deleted = instance(&format!("notify_deleted /d\n{VIP}")).notify.deleted;
    assert_eq!(first(deleted.program).as_deref(), Some("/d"));
    let first_counts = bad(&format!("notify /a\nnotify /b\n{VIP}"));
    assert_eq!(
        first_counts,
        ["t.conf:5:1: warning: `notify` is given again; the first one counts"]
    );
    let config = good(&format!(
        "global_defs {{\n script_user u g\n enable_script_security off\n use_symlink_paths\n\
         startup_script /up\n shutdown_script \"/down x\" v\n shutdown_script_timeout 1000\n\
         notify_fifo_script /r\n}}\nvrrp_instance V {{\n interface eth0\n virtual_router_id 5\n\
         {VIP}}}\n"
    ));
    let scripts = config.globals.scripts;
    assert_eq!((scripts.user, scripts.security), (user("u", Some("g")), false));
    assert_eq!(
        scripts.startup.map(|(program, most)| (program.words[0].clone(), most)),
        Some(("/up".into(), 10))
    );
    assert_eq!(scripts.shutdown.map(|(_, most)| most), Some(1000));
    assert!(scripts.fifo.is_some() && scripts.vrrp_fifo.is_none() && scripts.symlink_paths);
}

#[test]
fn processes() {
    let arguments = tracked_process("process nginx -g \"a b\"");
    assert_eq!(arguments.command, ["nginx", "-g", "a b"]);
    assert_eq!((arguments.arguments, arguments.full_command), (Some(ArgumentMatch::Exact), true));
    let none = tracked_process("process nginx\nparam_match");
    assert_eq!((none.arguments, none.full_command), (Some(ArgumentMatch::Exact), true));
    let initial = tracked_process("param_match initial\nprocess nginx -g");
    assert_eq!(initial.arguments, Some(ArgumentMatch::Initial));
    let must_not = tracked_process("process nginx\nquorum_max 0");
    assert_eq!((must_not.quorum, must_not.quorum_max), (0, Some(0)));
    let delays = tracked_process("process nginx\ndelay 0.5\nterminate_delay 2");
    assert_eq!(
        (delays.fork_delay, delays.terminate_delay),
        (Duration::from_millis(500), Duration::from_secs(2))
    );
}

#[test]
fn files_may_be_given_a_number() {
    let init = |line: &str| {
        let block = format!("vrrp_track_file f {{\n file \"/a b\"\n{line}\n}}");
        good(&tracked(&block.replace("vrrp_track_file", "track_file"), "f")).files[0].init
    };
    assert_eq!(init("init_file"), Some(FileInit { value: 0, overwrite: false }));
    assert_eq!(init("init_file -7"), Some(FileInit { value: -7, overwrite: false }));
    assert_eq!(init("init_file overwrite 9"), Some(FileInit { value: 9, overwrite: true }));
}

const PAIR: &str = "vrrp_script s {\n script /s\n weight 5\n}\n\
     vrrp_instance A {\n interface eth0\n virtual_router_id 1\nvirtual_ipaddress { 10.0.0.1 }\n}\n\
     vrrp_instance B {\n interface eth0\n virtual_router_id 2\nvirtual_ipaddress { 10.0.0.2 }\n\
     track_script {\n s\n}\n}\n";

#[test]
fn groups_take_weights_from_their_members() {
    let load = |more: &str| {
        let group = format!("vrrp_sync_group G {{\n group {{ A B }}\n{more}\n}}\n{PAIR}");
        let (config, found) = text(&group);
        (config.expect("usable"), found.len())
    };
    let (config, found) = load("track_script { s }\nnotify_priority_changes");
    assert_eq!(found, 1);
    assert!(config.instances[1].tracks.scripts.is_empty());
    let group = &config.groups[0];
    assert_eq!(group.members.iter().map(|name| &**name).collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!((group.tracks.scripts[0].weight, group.notify_priority_changes), (5, Some(true)));
    let (config, found) = load("sync_group_tracking_weight");
    assert_eq!((found, config.instances[1].tracks.scripts[0].weight), (0, 5));
    // The old word means the same.
    let (config, found) = load("global_tracking");
    assert_eq!((found, config.instances[1].tracks.scripts[0].weight), (1, 5));
}

#[test]
fn an_instance_has_the_last_word_on_priority_changes() {
    let load = |global: &str, group: &str, own: &str| {
        let pair = PAIR.replacen("virtual_router_id 1", &format!("virtual_router_id 1\n{own}"), 1);
        let (config, _) = text(&format!(
            "global_defs {{\n{global}\n}}\nvrrp_sync_group G {{\n group {{ A B }}\n{group}\n}}\n{pair}"
        ));
        let config = config.expect("usable");
        [0, 1].map(|number| config.instances[number].notify_priority_changes)
    };
    let (all, changes) = ("vrrp_notify_priority_changes", "notify_priority_changes");
    let off = "notify_priority_changes off";
    assert_eq!(load("", "", ""), [false, false]);
    assert_eq!(load(all, "", off), [false, true]);
    assert_eq!(load(all, off, ""), [false, false]);
    assert_eq!(load(all, off, changes), [true, false]);
    assert_eq!(load("", changes, off), [false, true]);
}

/// keepalived takes the line from the owner, but leaves it to a group without its weight.
#[test]
fn nothing_moves_an_owner() {
    let owners = PAIR.replace("virtual_ipaddress", "priority 255\nvirtual_ipaddress");
    let (config, found) = text(&format!(
        "vrrp_sync_group G {{\n group {{ A B }}\n track_script {{ s }}\n}}\n{owners}"
    ));
    let config = config.expect("usable");
    assert_eq!(found.iter().map(|one| one.code).collect::<Vec<_>>(), ["owner-weight"; 2]);
    assert!(config.instances[1].tracks.scripts.is_empty());
    assert_eq!(config.groups[0].tracks.scripts[0].weight, 0);
}
