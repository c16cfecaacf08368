//! What does `global_defs` say.
use super::announce;
use super::program::{owner, program, user};
use super::{scheduling, value};
use crate::config::keyword::{Keyword, Shape, built, ignored, obsolete, ours};
use std::time::Duration;

pub(super) use super::global::*;

const MAIL: &str = "no mail is sent";
const LVS: &str = "load balancing stays with keepalived";
const BUFFERS: &str = "buffers have room for bursts of thousands of packets";
/// What the kernel takes without making a negative number of it.
const MOST_BUFFER: u32 = 1 << 30;
const FIREWALL: &str = "no_accept uses an nftables table of its own, called xvrrp";
const PROCESS: &str = "set it from outside, as in the service file";
const LIMIT: &str = "the kernel would end the daemon at it";
const OUTPUTS: &str = "SNMP and D-Bus are not offered";

/// What stands in `global_defs`.
pub(in crate::config) static GLOBALS: &[Keyword<Global>] = &[
    built(
        "router_id",
        Shape::Value,
        |global, node, _| global.own.router_id = text(node),
        "how this host is called in reports",
    ),
    built(
        "dynamic_interfaces",
        Shape::Words(0, 1),
        dynamic_interfaces,
        "interfaces may be missing at start; allow_if_changes: and return as another kind, which they \
         always may here",
    ),
    built(
        "vrrp_version",
        Shape::Value,
        version,
        "2 or 3: the version of IPv4 instances; default 2",
    ),
    ours(
        "metrics",
        Shape::Words(1, 2),
        metrics,
        "serve metrics for Prometheus at ADDRESS:PORT, :PORT or a path",
    ),
    built("vrrp_mcast_group4", Shape::Value, group_v4, "destination of IPv4 adverts"),
    built("vrrp_mcast_group6", Shape::Value, group_v6, "destination of IPv6 adverts"),
    built(
        "default_interface",
        Shape::Value,
        |global, node, findings| {
            let word = node.arguments().first();
            global.default_interface = word.and_then(|word| value::interface(word, findings));
        },
        "the interface of instances that name none",
    ),
    built(
        "vrrp_garp_master_delay",
        Shape::Value,
        |global, node, findings| global.garp.delay = seconds(node, findings),
        "seconds until announcements are repeated after becoming master; default 5",
    ),
    built(
        "vrrp_garp_master_repeat",
        Shape::Value,
        |global, node, findings| global.garp.repeat = count(node, findings),
        "announcements of each address at a time; default 5",
    ),
    built(
        "vrrp_garp_master_refresh",
        Shape::Value,
        |global, node, findings| global.garp.refresh = seconds(node, findings),
        "seconds between periodic announcements while master; 0, the default, for none",
    ),
    built(
        "vrrp_garp_master_refresh_repeat",
        Shape::Value,
        |global, node, findings| global.garp.refresh_repeat = count(node, findings),
        "announcements of each address at a periodic time; default 1",
    ),
    built(
        "vrrp_garp_lower_prio_delay",
        Shape::Value,
        |global, node, findings| global.garp.lower_delay = seconds(node, findings),
        "like vrrp_garp_master_delay, after a lower master was heard",
    ),
    built(
        "vrrp_garp_lower_prio_repeat",
        Shape::Value,
        |global, node, findings| global.garp.lower_repeat = count_or_none(node, findings),
        "like vrrp_garp_master_repeat, after a lower master was heard; 0 for none",
    ),
    built(
        "vrrp_min_garp",
        Shape::Switch,
        |global, node, findings| {
            if value::switch(node, findings) == Some(true) {
                global.garp.repeat = Some(1);
                global.garp.delay = Some(Duration::ZERO);
            }
        },
        "one announcement of each address, not repeated",
    ),
    built(
        "vrrp_garp_interval",
        Shape::Value,
        |global, node, findings| {
            global.own.garp_interval = seconds(node, findings).unwrap_or_default();
        },
        "least seconds between two gratuitous ARPs on an interface; 0 for none",
    ),
    built(
        "vrrp_gna_interval",
        Shape::Value,
        |global, node, findings| {
            global.own.gna_interval = seconds(node, findings).unwrap_or_default();
        },
        "least seconds between two unsolicited neighbour advertisements on an interface",
    ),
    built(
        "log_unknown_vrids",
        Shape::Flag,
        |global, _, _| global.own.log_unknown_vrids = true,
        "warn of adverts with a VRID that is not configured on their interface",
    ),
    built(
        "vrrp_strict",
        Shape::Flag,
        |global, _, _| global.strict = true,
        "strict_mode for every instance",
    ),
    built(
        "vrrp_skip_check_adv_addr",
        Shape::Switch,
        |global, node, findings| {
            global.skip_check_adv_addr = value::switch(node, findings).unwrap_or_default();
        },
        "compare address lists only when the master changes",
    ),
    built(
        "vrrp_check_unicast_src",
        Shape::Flag,
        |global, _, _| global.check_unicast_source = true,
        "unicast adverts are taken from peers only; always so here",
    ),
    built(
        "vrrp_lower_prio_no_advert",
        Shape::Switch,
        |global, node, findings| global.lower_prio_no_advert = value::switch(node, findings),
        "do not answer a lower master's advert",
    ),
    built(
        "vrrp_higher_prio_send_advert",
        Shape::Switch,
        |global, node, findings| {
            global.higher_prio_send_advert = value::switch(node, findings).unwrap_or_default();
        },
        "send a last advert when giving way to a higher master",
    ),
    built(
        "vrrp_down_timer_adverts",
        Shape::Value,
        |global, node, findings| global.down_timer_adverts = down_timer(node, findings),
        "adverts that must be missed until the master is down, 1 to 100; default 3",
    ),
    built(
        "vrrp_owner_ignore_adverts",
        Shape::Switch,
        |global, node, findings| {
            global.owner_ignore_adverts = value::switch(node, findings).unwrap_or_default();
        },
        "the address owner ignores adverts of others",
    ),
    built(
        "v3_checksum_as_v2",
        Shape::Switch,
        |global, node, findings| {
            global.plain_checksum = value::switch(node, findings).unwrap_or_default();
        },
        "send VRRPv3 over IPv4 with a checksum without pseudo-header; both are taken always",
    ),
    built(
        "vrrp_notify_priority_changes",
        Shape::Switch,
        |global, node, findings| {
            global.own.notify_priority_changes = value::switch(node, findings).unwrap_or_default();
        },
        "write priority changes to the notify FIFOs",
    ),
    built(
        "vrrp_startup_delay",
        Shape::Value,
        |global, node, findings| {
            global.own.startup_delay = seconds(node, findings).unwrap_or_default();
        },
        "seconds to stay quiet after the start",
    ),
    built(
        "notify_fifo",
        Shape::Words(1, 3),
        |global, node, findings| {
            global.own.notify_fifo = value::path(node, findings);
            global.own.scripts.fifo_owner = owner(node, findings);
        },
        "a named pipe that gets a line for every state change; perhaps user and group to own it, \
         otherwise those of script_user",
    ),
    built(
        "vrrp_notify_fifo",
        Shape::Words(1, 3),
        |global, node, findings| {
            global.own.vrrp_notify_fifo = value::path(node, findings);
            global.own.scripts.vrrp_fifo_owner = owner(node, findings);
        },
        "a named pipe that gets a line for every VRRP state change; perhaps user and group to own it",
    ),
    built(
        "notify_fifo_script",
        Shape::Program,
        |global, node, findings| global.own.scripts.fifo = program(node, findings),
        "a program that reads the notify FIFO; its name is added to the arguments",
    ),
    built(
        "vrrp_notify_fifo_script",
        Shape::Program,
        |global, node, findings| global.own.scripts.vrrp_fifo = program(node, findings),
        "a program that reads the VRRP notify FIFO; its name is added to the arguments",
    ),
    built(
        "script_user",
        Shape::Words(1, 2),
        |global, node, findings| global.own.scripts.user = user(node.arguments(), findings),
        "user and perhaps group of programs that name none; default keepalived_script, or root \
         where there is no such user",
    ),
    built(
        "enable_script_security",
        Shape::Switch,
        |global, node, findings| {
            global.own.scripts.security = value::switch(node, findings).unwrap_or(true);
        },
        "run nothing as root that others could change; on unless it says off",
    ),
    built(
        "use_symlink_paths",
        Shape::Switch,
        |global, node, findings| {
            global.own.scripts.symlink_paths = value::switch(node, findings).unwrap_or_default();
        },
        "run scripts under the name given, not the one its links lead to",
    ),
    built(
        "set_supplementary_groups",
        Shape::Flag,
        |global, _, _| global.own.scripts.supplementary_groups = true,
        "programs have all groups of their user",
    ),
    built(
        "startup_script",
        Shape::Program,
        |global, node, findings| global.startup = program(node, findings),
        "a program run before the start",
    ),
    built(
        "startup_script_timeout",
        Shape::Value,
        |global, node, findings| global.startup_timeout = count(node, findings),
        "seconds it may take, 1 to 1000; default 10",
    ),
    built(
        "shutdown_script",
        Shape::Program,
        |global, node, findings| global.shutdown = program(node, findings),
        "a program run after the end",
    ),
    built(
        "shutdown_script_timeout",
        Shape::Value,
        |global, node, findings| global.shutdown_timeout = count(node, findings),
        "seconds it may take, 1 to 1000; default 10",
    ),
    built(
        "state_dump_file",
        Shape::Value,
        |global, node, findings| global.own.dump_files.state = value::path(node, findings),
        "where SIGUSR1 writes the state; default keepalived.data in $TMPDIR or /tmp",
    ),
    built(
        "stats_dump_file",
        Shape::Value,
        |global, node, findings| global.own.dump_files.stats = value::path(node, findings),
        "where SIGUSR2 writes the counters; default keepalived.stats in $TMPDIR or /tmp",
    ),
    built(
        "json_dump_file",
        Shape::Value,
        |global, node, findings| global.own.dump_files.json = value::path(node, findings),
        "where SIGRTMIN+2 writes both as JSON; default keepalived.json in $TMPDIR or /tmp",
    ),
    built(
        "json_version",
        Shape::Value,
        |global, node, findings| {
            let word = node.arguments().first();
            let version =
                word.and_then(|word| value::number(word, 1..=2, "json_version", findings));
            global.own.dump_files.json_object = version == Some(2);
        },
        "1 or 2: the list of keepalived.json, or an object with that list; default 1",
    ),
    built(
        "data_use_instance",
        Shape::Switch,
        |global, node, findings| {
            global.own.dump_files.use_instance = value::switch(node, findings).unwrap_or_default();
        },
        "name the file of the state after the network namespace and `instance`",
    ),
    built(
        "vrrp_priority",
        Shape::Value,
        |global, node, findings| global.own.scheduling.nice = scheduling::nice(node, findings),
        "nice value of the thread that adverts depend on, -20 to 19; at the start; default -20; addresses have -10, or this where it is greater",
    ),
    built(
        "vrrp_rt_priority",
        Shape::Value,
        |global, node, findings| {
            global.own.scheduling.realtime = scheduling::realtime(node, findings);
        },
        "real-time priority of that thread, 1 to 99; at the start",
    ),
    built(
        "vrrp_cpu_affinity",
        Shape::Words(1, usize::MAX),
        |global, node, findings| {
            global.own.scheduling.processors = scheduling::processors(node, findings);
        },
        "numbers of processors that thread runs on; at the start",
    ),
    built(
        "vrrp_no_swap",
        Shape::Flag,
        |global, _, _| global.own.scheduling.no_swap = true,
        "keep the daemon's memory in memory; from the start on",
    ),
    built(
        "vrrp_delay_after_boot",
        Shape::Value,
        |global, node, findings| {
            global.own.delay_after_boot = seconds(node, findings).unwrap_or_default();
        },
        "seconds after the boot of the machine to stay quiet",
    ),
    built(
        "vrrp_garp_extra_if",
        Shape::Words(1, 2),
        |global, node, findings| global.garp.elsewhere = announce::elsewhere(node, 1, findings),
        "all, and seconds between announcements of one address on each interface that is not the \
         instance's; without all no interface is meant here",
    ),
    built(
        "vrrp_vmac_garp_intvl",
        Shape::Words(1, 2),
        |global, node, findings| global.garp.elsewhere = announce::elsewhere(node, 1, findings),
        "the old name of vrrp_garp_extra_if",
    ),
    built(
        "reload_file",
        Shape::Words(0, 1),
        |global, node, findings| {
            // A bad path is told, and is no reason for another one.
            global.reload_file = match node.arguments() {
                [] => Some(None),
                _ => value::path(node, findings).map(Some),
            };
        },
        "a file that is there, and empty, while a reload reads the configuration; default \
         /run/keepalived.reload",
    ),
    ignored("max_auto_priority", PROCESS),
    ignored("min_auto_priority_delay", PROCESS),
    ignored("notification_email", MAIL),
    ignored("notification_email_from", MAIL),
    ignored("smtp_server", MAIL),
    ignored("smtp_helo_name", MAIL),
    ignored("smtp_connect_timeout", MAIL),
    ignored("smtp_alert", MAIL),
    ignored("smtp_alert_vrrp", MAIL),
    ignored("smtp_alert_checker", MAIL),
    ignored("no_email_faults", MAIL),
    ignored("checker_log_all_failures", LVS),
    ignored("lvs_sync_daemon", LVS),
    ignored("lvs_timeouts", LVS),
    ignored("lvs_flush", LVS),
    ignored("lvs_flush_on_stop", LVS),
    ignored("lvs_flush_onstop", LVS),
    ignored("lvs_notify_fifo", LVS),
    ignored("lvs_notify_fifo_script", LVS),
    ignored("lvs_netlink_cmd_rcv_bufs", LVS),
    ignored("lvs_netlink_cmd_rcv_bufs_force", LVS),
    ignored("lvs_netlink_monitor_rcv_bufs", LVS),
    ignored("lvs_netlink_monitor_rcv_bufs_force", LVS),
    ignored("snmp_socket", OUTPUTS),
    ignored("enable_traps", OUTPUTS),
    ignored("enable_snmp_keepalived", OUTPUTS),
    ignored("enable_snmp_vrrp", OUTPUTS),
    ignored("enable_snmp_checker", OUTPUTS),
    ignored("enable_snmp_rfc", OUTPUTS),
    ignored("enable_snmp_rfcv2", OUTPUTS),
    ignored("enable_snmp_rfcv3", OUTPUTS),
    ignored("enable_dbus", OUTPUTS),
    ignored("dbus_service_name", OUTPUTS),
    ignored("dbus_no_interface_name", OUTPUTS),
    ignored("vrrp_rlimit_rttime", LIMIT),
    ignored("vrrp_rlimit_rtime", LIMIT),
    ignored("checker_priority", LVS),
    ignored("checker_no_swap", LVS),
    ignored("checker_rt_priority", LVS),
    ignored("checker_cpu_affinity", LVS),
    ignored("checker_rlimit_rttime", LVS),
    ignored("checker_rlimit_rtime", LVS),
    ignored("bfd_priority", PROCESS),
    ignored("bfd_no_swap", PROCESS),
    ignored("bfd_rt_priority", PROCESS),
    ignored("bfd_cpu_affinity", PROCESS),
    ignored("bfd_rlimit_rttime", PROCESS),
    ignored("bfd_rlimit_rtime", PROCESS),
    ignored("vrrp_netlink_cmd_rcv_bufs", BUFFERS),
    ignored("vrrp_netlink_cmd_rcv_bufs_force", BUFFERS),
    built(
        "vrrp_netlink_monitor_rcv_bufs",
        Shape::Value,
        |global, node, findings| {
            let word = node.arguments().first();
            global.own.netlink_buffer = word.and_then(|word| {
                value::number(word, 1..=MOST_BUFFER, "vrrp_netlink_monitor_rcv_bufs", findings)
            });
        },
        "receive buffer of the netlink socket in bytes; default 16 MiB",
    ),
    ignored("vrrp_netlink_monitor_rcv_bufs_force", BUFFERS),
    ignored("vrrp_rx_bufs_policy", BUFFERS),
    ignored("vrrp_rx_bufs_multiplier", BUFFERS),
    ignored("process_monitor_rcv_bufs", BUFFERS),
    ignored("process_monitor_rcv_bufs_force", BUFFERS),
    ignored("rs_init_notifies", LVS),
    ignored("no_checker_emails", LVS),
    ignored("vrrp_iptables", FIREWALL),
    ignored("vrrp_ipsets", FIREWALL),
    ignored("nftables", FIREWALL),
    ignored("nftables_ipvs", LVS),
    ignored("nftables_ipvs_priority", LVS),
    ignored("nftables_ipvs_start_fwmark", LVS),
    ignored("nftables_priority", FIREWALL),
    ignored("nftables_ifindex", FIREWALL),
    ignored("nftables_counters", FIREWALL),
    ignored("disable_local_igmp", "the kernel's setting is left alone"),
    ignored("process_names", PROCESS),
    ignored("process_name", PROCESS),
    ignored("vrrp_process_name", PROCESS),
    ignored("checker_process_name", LVS),
    ignored("lvs_process_name", LVS),
    ignored("bfd_process_name", PROCESS),
    ignored("vmac_prefix", "no macvlan devices are made"),
    ignored("vmac_addr_prefix", "no macvlan devices are made"),
    ignored("umask", PROCESS),
    built(
        "random_seed",
        Shape::Value,
        |_, node, findings| {
            let word = node.arguments().first();
            // Used before: it decides what is read.
            word.map(|word| value::number(word, 0..=u32::MAX, "random_seed", findings));
        },
        "what the numbers of ${_RANDOM} begin with, so that they are the same each time",
    ),
    ignored("iproute_usr_dir", "routing tables are given by number"),
    ignored("iproute_etc_dir", "routing tables are given by number"),
    ignored("config_save_dir", "nothing is saved at a reload"),
    ignored("tmp_config_directory", "the configuration is read once"),
    ignored("reload_check_config", "a reload with errors changes nothing, always"),
    ignored("reload_time_file", "reloads come by signal"),
    ignored("reload_repeat", "reloads come by signal"),
    ignored("fifo_write_vrrp_states_on_reload", "the FIFO gets changes only"),
    ignored("include_check", "a missing included file is an error, always"),
    obsolete("linkbeat_use_polling", "netlink tells of every link change"),
];
