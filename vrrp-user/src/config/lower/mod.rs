//! What does the tree mean: the top level, and the order in which its blocks are understood.
mod across;
mod address;
mod finish;
pub(super) mod globals;
pub(super) mod instance;
pub(super) mod parts;
mod reach;
mod route;
mod transition;
mod value;

use super::findings::Findings;
use super::keyword::{Keyword, Shape, apply, built, ignored, not_built, obsolete, skipped};
use super::model::Config;
use super::tree::Node;
use globals::Global;

/// The blocks of the top level, in the order of the text.
#[derive(Default)]
pub(super) struct Root {
    globals: Vec<Node>,
    instances: Vec<Node>,
}

/// What stands at the top level.
pub(super) static ROOT: &[Keyword<Root>] = &[
    built(
        "global_defs",
        Shape::Block,
        |root, node, _| root.globals.extend(node.children().iter().cloned()),
        "settings of the whole program and defaults for every instance",
    ),
    built(
        "vrrp_instance",
        Shape::Named,
        |root, node, _| root.instances.push(node.clone()),
        "a virtual router",
    ),
    not_built("vrrp_sync_group", "instances that change state together"),
    not_built("vrrp_script", "a check that moves priorities"),
    not_built("vrrp_track_process", "processes whose presence moves priorities"),
    not_built("track_file", "a file whose content moves priorities"),
    not_built("vrrp_track_file", "the old name of track_file"),
    not_built("garp_group", "announcement pauses of several interfaces together"),
    not_built("interface_up_down_delays", "how long a link change must last to count"),
    not_built("linkbeat_interfaces", "links watched by polling"),
    not_built("track_group", "instances whose state static addresses follow"),
    not_built("static_ipaddress", "addresses that are always there"),
    not_built("static_routes", "routes that are always there"),
    not_built("static_rules", "rules that are always there"),
    not_built("net_namespace", "start xvrrp inside the namespace instead: ip netns exec NAME"),
    skipped("virtual_server", "load balancing stays with keepalived"),
    skipped("virtual_server_group", "load balancing stays with keepalived"),
    skipped("SSL", "load balancing stays with keepalived"),
    skipped("bfd_instance", "BFD sessions stay with keepalived or a routing daemon"),
    ignored("net_namespace_ipvs", "load balancing stays with keepalived"),
    ignored("namespace_with_ipsets", "no ipsets are used"),
    ignored("instance", "no pid file is named after it"),
    ignored("use_pid_dir", "no pid file is written"),
    ignored("child_wait_time", "there are no child processes"),
    obsolete("linkbeat_use_polling", "netlink tells of every link change"),
];

/// Understands the whole tree. What comes back is of use only if no error was found.
pub(super) fn lower(nodes: &[Node], findings: &mut Findings) -> Config {
    let mut root = Root::default();
    apply("", ROOT, &mut root, nodes, findings);
    if root.instances.is_empty() && !findings.failed() {
        findings
            .error_anywhere("no-instance", "there is no `vrrp_instance`, so nothing to do")
            .help("add `vrrp_instance NAME { ... }`");
    }
    let mut global = Global::default();
    apply("global_defs", globals::GLOBALS, &mut global, &root.globals, findings);
    let mut instances = Vec::with_capacity(root.instances.len());
    for node in &root.instances {
        let draft = instance::read(node, findings);
        if let Some(instance) = finish::finish(node, draft, &global, findings) {
            instances.push(instance);
        }
    }
    across::check(&instances, findings);
    if root.instances.is_empty() && !findings.has_errors() {
        findings
            .error_anywhere("no-instance", "there is no `vrrp_instance`: nothing to run")
            .help("add a `vrrp_instance` block");
    }
    Config {
        globals: global.own,
        instances: instances.into_iter().map(|(instance, _)| instance.into()).collect(),
        ..Config::default()
    }
}
