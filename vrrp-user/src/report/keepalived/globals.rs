//! What does `keepalived.data` say of `global_defs`.
//!
//! Lines about what xvrrp has no part in say what keepalived says where nothing is set.
use super::{Dump, Lines, line, number, seconds, short, switch};
use crate::config::program::{Owner, Program};

/// All lines of it.
pub(super) fn render(to: &mut Lines, dump: &Dump<'_>) {
    let globals = &dump.config.globals;
    line!(to, "------< Global definitions >------");
    line!(to, " Network namespace = {}", dump.namespace.unwrap_or("(default)"));
    line!(to, " Network namespace ipvs = (main namespace)");
    if let Some(router_id) = &globals.router_id {
        line!(to, " Router ID = {router_id}");
    }
    line!(to, " Default smtp_alert = unset");
    line!(to, " Default smtp_alert_vrrp = unset");
    line!(to, " Default smtp_alert_checker = unset");
    line!(to, " Checkers log all failures = false");
    line!(to, " No test config before reload");
    let scripts = &globals.scripts;
    if let Some((program, timeout)) = &scripts.startup {
        let (command, (user, group)) = dump.command(program);
        line!(to, " Startup script = {command}, uid:gid {user}:{group}, timeout {timeout}");
    }
    if let Some((program, timeout)) = &scripts.shutdown {
        let (command, (user, group)) = dump.command(program);
        line!(to, " Shutdown script = {command}, uid:gid {user}:{group} timeout {timeout}");
    }
    line!(to, " Dynamic interfaces = {}", switch(globals.dynamic_interfaces, "true", "false"));
    if globals.dynamic_interfaces {
        let change = switch(globals.interfaces_change, "true", "false");
        line!(to, " Allow interface changes = {change}");
    }
    defaults(to, dump);
    to.line(format_args!(" Script security {}", switch(scripts.security, "enabled", "disabled")));
    line!(to, " Default script uid:gid {}:{}", dump.user.0, dump.user.1);
    for name in [
        "vrrp_netlink_cmd_rcv_bufs",
        "vrrp_netlink_cmd_rcv_bufs_force",
        "vrrp_netlink_monitor_rcv_bufs",
        "vrrp_netlink_monitor_rcv_bufs_force",
        "process_monitor_rcv_bufs",
        "process_monitor_rcv_bufs_force",
        "lvs_netlink_cmd_rcv_bufs",
        "lvs_netlink_cmd_rcv_bufs_force",
        "lvs_netlink_monitor_rcv_bufs",
        "lvs_netlink_monitor_rcv_bufs_force",
        "rs_init_notifies",
        "no_checker_emails",
    ] {
        line!(to, " {name} = 0");
    }
    line!(to, " rx_bufs_multiples = 3");
    line!(to, " umask = 0{:o}", dump.umask);
    if !globals.startup_delay.is_zero() {
        line!(to, " vrrp_startup_delay = {}", short(globals.startup_delay));
    }
}

/// What instances take that say nothing themselves.
fn defaults(to: &mut Lines, dump: &Dump<'_>) {
    let globals = &dump.config.globals;
    let defaults = &globals.defaults;
    line!(to, " Default interface = {}", defaults.interface.as_deref().unwrap_or("eth0"));
    line!(to, " Disable local IGMP = no");
    line!(to, " LVS flush = false");
    line!(to, " LVS flush on stop = disabled");
    let fifos = [
        ("Global", &globals.notify_fifo, &globals.scripts.fifo, &globals.scripts.fifo_owner),
        (
            "VRRP",
            &globals.vrrp_notify_fifo,
            &globals.scripts.vrrp_fifo,
            &globals.scripts.vrrp_fifo_owner,
        ),
    ];
    for (kind, path, script, owner) in fifos {
        let Some(path) = path else { continue };
        // A settled configuration has numbers.
        let numbers = owner.as_ref().and_then(|Owner { user, .. }| {
            Some((user.name.parse().ok()?, user.group.as_ref()?.parse().ok()?))
        });
        let (user, group) = numbers.unwrap_or(dump.user);
        line!(to, " {kind} notify fifo = {}, uid:gid {user}:{group}", path.display());
        fifo_script(to, dump, kind, script.as_deref());
    }
    line!(to, " FIFO write vrrp states on reload = false");
    let changes = switch(globals.notify_priority_changes, "true", "false");
    line!(to, " VRRP notify priority changes = {changes}");
    line!(to, " VRRP IPv4 mcast group = {}", defaults.group_v4);
    line!(to, " VRRP IPv6 mcast group = {}", defaults.group_v6);
    let garp = &defaults.garp;
    line!(to, " Gratuitous ARP delay = {}", garp.delay.as_secs());
    line!(to, " Gratuitous ARP repeat = {}", garp.repeat);
    line!(to, " Gratuitous ARP refresh timer = {}", garp.refresh.as_secs());
    line!(to, " Gratuitous ARP refresh repeat = {}", garp.refresh_repeat);
    line!(to, " Gratuitous ARP lower priority delay = {}", garp.lower_delay.as_secs());
    line!(to, " Gratuitous ARP lower priority repeat = {}", garp.lower_repeat);
    line!(to, " Num adverts before down = {}", defaults.down_timer_adverts);
    let kind = switch(garp.elsewhere.is_zero(), "VMAC", "i/f");
    line!(to, " Gratuitous ARP for each secondary {kind} = {}s", garp.elsewhere.as_secs());
    let lower = switch(defaults.answer_lower, "true", "false");
    line!(to, " Send advert after receive lower priority advert = {lower}");
    let higher = switch(defaults.answer_higher, "true", "false");
    line!(to, " Send advert after receive higher priority advert = {higher}");
    line!(to, " Gratuitous ARP interval = {}", seconds(globals.garp_interval));
    line!(to, " Gratuitous NA interval = {}", seconds(globals.gna_interval));
    line!(to, " VRRP default protocol version = {}", number(defaults.version));
    line!(to, " nftables without counters");
    let unicast = switch(defaults.check_unicast_source, "true", "false");
    line!(to, " VRRP check unicast_src = {unicast}");
    let skip = switch(defaults.skip_check_adv_addr, "true", "false");
    line!(to, " VRRP skip check advert addresses = {skip}");
    line!(to, " VRRP strict mode = {}", switch(defaults.strict, "true", "false"));
    line!(to, " Max auto priority = 0");
    line!(to, " Min auto priority delay = 1000000 usecs");
    for part in ["VRRP", "Checker", "BFD"] {
        line!(to, " {part} process priority = 0");
        line!(to, " {part} don't swap = false");
        line!(to, " {part} realtime priority = 0");
        line!(to, " {part} realtime limit = 10000");
    }
    for kind in ["vrrp", "checker", "RFCv2", "RFCv3", "traps"] {
        line!(to, " SNMP {kind} disabled");
    }
    line!(to, " SNMP socket = default (unix:/var/agentx/master)");
    line!(to, " DBus disabled");
    line!(to, " DBus service name = ");
}

fn fifo_script(to: &mut Lines, dump: &Dump<'_>, kind: &str, program: Option<&Program>) {
    let Some(program) = program else { return };
    let (command, (user, group)) = dump.command(program);
    line!(to, " {kind} notify fifo script = {command}, uid:gid {user}:{group}");
}
