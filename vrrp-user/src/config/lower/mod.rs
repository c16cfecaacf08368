//! What does the tree mean: the top level, and the order in which its blocks are understood.
mod across;
mod address;
pub(super) mod alike;
pub(super) mod announce;
mod finish;
mod global;
pub(super) mod globals;
pub(super) mod group;
mod hop;
pub(super) mod instance;
pub(super) mod parts;
mod program;
mod reach;
mod route;
mod rule;
mod scheduling;
pub(super) mod statics;
mod ties;
pub(super) mod track;
mod transition;
mod value;
pub(super) mod watched;
mod words;

use super::findings::Findings;
use super::keyword::{Keyword, Shape, apply, built, ignored, not_built, obsolete, skipped};
use super::model::{Config, Instance, Statics};
use super::tree::Node;
use globals::Global;
use std::sync::Arc;
use ties::{Kind, Objects};

/// The blocks of the top level, in the order of the text.
#[derive(Default)]
pub(super) struct Root {
    globals: Vec<Node>,
    instances: Vec<Node>,
    groups: Vec<Node>,
    scripts: Vec<Node>,
    files: Vec<Node>,
    processes: Vec<Node>,
    link_delays: Vec<Node>,
    track_groups: Vec<Node>,
    static_addresses: Vec<Node>,
    static_routes: Vec<Node>,
    /// Blocks with rules in the order of the text, in which priorities are given out.
    rules: Vec<RuleBlock>,
    garp_groups: Vec<Node>,
    instance: Option<String>,
    namespace: Option<String>,
}

/// A block that may have rules.
enum RuleBlock {
    /// The next instance.
    Instance,
    /// `static_rules`.
    Static(Node),
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
        |root, node, _| {
            root.instances.push(node.clone());
            root.rules.push(RuleBlock::Instance);
        },
        "a virtual router",
    ),
    built(
        "vrrp_sync_group",
        Shape::Named,
        |root, node, _| root.groups.push(node.clone()),
        "instances that change state together",
    ),
    built(
        "vrrp_script",
        Shape::Named,
        |root, node, _| root.scripts.push(node.clone()),
        "a program that is run again and again, for track_script",
    ),
    built(
        "vrrp_track_process",
        Shape::Named,
        |root, node, _| root.processes.push(node.clone()),
        "processes that should run, for track_process",
    ),
    built(
        "track_file",
        Shape::Named,
        |root, node, _| root.files.push(node.clone()),
        "a file whose number counts, for track_file",
    ),
    built(
        "vrrp_track_file",
        Shape::Named,
        |root, node, _| root.files.push(node.clone()),
        "the old name of track_file",
    ),
    built(
        "interface_up_down_delays",
        Shape::Block,
        |root, node, _| root.link_delays.push(node.clone()),
        "INTERFACE DOWN [UP] a line: seconds a change must last to count; UP is 0 unless given; on an \
         instance's own interface less than two adverts take",
    ),
    built(
        "instance",
        Shape::Value,
        |root, node, _| {
            root.instance = node.arguments().first().map(|word| word.text.to_string());
        },
        "the name of this daemon among several: a part of the names of files",
    ),
    built(
        "garp_group",
        Shape::Block,
        |root, node, _| root.garp_groups.push(node.clone()),
        "announcement pauses of several interfaces together",
    ),
    not_built("linkbeat_interfaces", "links watched by polling"),
    built(
        "track_group",
        Shape::Named,
        |root, node, _| root.track_groups.push(node.clone()),
        "instances to which the interfaces of static objects with this track_group matter",
    ),
    built(
        "static_ipaddress",
        Shape::Block,
        |root, node, _| root.static_addresses.push(node.clone()),
        "addresses that are there from start to stop",
    ),
    built(
        "static_routes",
        Shape::Block,
        |root, node, _| root.static_routes.push(node.clone()),
        "routes that are there from start to stop",
    ),
    built(
        "static_rules",
        Shape::Block,
        |root, node, _| root.rules.push(RuleBlock::Static(node.clone())),
        "rules that are there from start to stop",
    ),
    built(
        "net_namespace",
        Shape::Value,
        |root, node, findings| root.namespace = value::namespace(node, findings),
        "the network namespace to run in, of those of `ip netns`; not changed by a reload",
    ),
    skipped("virtual_server", "load balancing stays with keepalived"),
    skipped("virtual_server_group", "load balancing stays with keepalived"),
    skipped("SSL", "load balancing stays with keepalived"),
    skipped("bfd_instance", "BFD sessions stay with keepalived or a routing daemon"),
    ignored("net_namespace_ipvs", "load balancing stays with keepalived"),
    ignored("namespace_with_ipsets", "no ipsets are used"),
    ignored("use_pid_dir", "no pid file is written"),
    ignored("child_wait_time", "there are no child processes"),
    obsolete("linkbeat_use_polling", "netlink tells of every link change"),
];

/// `random_seed`, as far as it can be understood.
pub(super) fn random_seed(nodes: &[Node]) -> Option<u32> {
    let globals = nodes.iter().filter(|node| node.keyword() == "global_defs");
    let mut seeds = globals.flat_map(Node::children).filter(|node| node.keyword() == "random_seed");
    seeds.next_back()?.arguments().first()?.text.parse().ok()
}

/// Understands the whole tree. What comes back is of use only if no error was found.
///
/// Of a large configuration the tree is most of the memory, so each part of it goes when it is
/// understood.
pub(super) fn lower(nodes: Vec<Node>, findings: &mut Findings) -> Config {
    let mut root = Root::default();
    apply("", ROOT, &mut root, &nodes, findings);
    drop(nodes);
    if root.instances.is_empty() && !findings.failed() {
        findings
            .error_anywhere("no-instance", "there is no `vrrp_instance`, so nothing to do")
            .help("add `vrrp_instance NAME { ... }`");
    }
    let mut global = Global::default();
    apply("global_defs", globals::GLOBALS, &mut global, &root.globals, findings);
    global.own.namespace = root.namespace.take();
    global.own.dump_files.instance = root.instance.take();
    let none = root.instances.is_empty();
    let mut instances = Vec::with_capacity(root.instances.len());
    // Of a broken instance too, for the order of the rules.
    let mut rules = Vec::with_capacity(root.instances.len());
    for node in std::mem::take(&mut root.instances) {
        let mut draft = instance::read(&node, findings);
        rules.push((std::mem::take(&mut draft.rules), None));
        if let Some((instance, spans)) = finish::finish(&node, draft, &global, findings) {
            if let Some((_, number)) = rules.last_mut() {
                *number = Some(instances.len());
            }
            instances.push((Arc::new(instance), spans));
        }
    }
    across::check(&instances, findings);
    let statics = statics(&root, &global, &mut instances, rules, findings);
    let scripts = root.scripts.iter().filter_map(|node| watched::script(node, findings));
    let scripts: Vec<_> = scripts.collect();
    let files = root.files.into_iter().filter_map(|node| watched::file(&node, findings));
    let files: Vec<_> = files.collect();
    let processes =
        root.processes.iter().filter_map(|node| watched::tracked_process(node, findings));
    let processes: Vec<_> = processes.collect();
    let mut objects = Objects {
        scripts: Kind::new("vrrp_script", scripts, findings),
        files: Kind::new("track_file", files, findings),
        processes: Kind::new("vrrp_track_process", processes, findings),
    };
    let groups = root.groups.iter().map(|node| group::read(node, findings)).collect();
    let groups = ties::tie(&mut instances, groups, &mut objects, findings);
    let mut link_delays = Vec::new();
    for node in &root.link_delays {
        group::link_delays(node, &mut link_delays, findings);
    }
    let all = instances.iter().map(|(instance, _)| &**instance);
    group::bound_delays(&mut link_delays, all, findings);
    if none && !findings.has_errors() {
        findings
            .error_anywhere("no-instance", "there is no `vrrp_instance`: nothing to run")
            .help("add a `vrrp_instance` block");
    }
    Config {
        globals: global.finish(),
        // Not taken out in place: the list would keep the memory of all they came with.
        instances: instances.iter().map(|(instance, _)| Arc::clone(instance)).collect(),
        groups,
        scripts: objects.scripts.used(findings),
        files: objects.files.used(findings),
        tracked: objects.processes.used(findings),
        garp_groups: announce::groups(&root.garp_groups, findings),
        link_delays: link_delays.into_iter().map(|(delay, _)| delay).collect(),
        statics,
    }
}

/// Understands what is static, and gives every rule its priority: with `rules`, those of each instance
/// block and the instance's number.
fn statics(
    root: &Root,
    global: &Global,
    instances: &mut [(Arc<Instance>, finish::Spans)],
    rules: Vec<(Vec<rule::RuleDraft>, Option<usize>)>,
    findings: &mut Findings,
) -> Statics {
    let mut statics = Statics {
        groups: statics::groups(&root.track_groups, instances, findings),
        ..Statics::default()
    };
    statics::addresses(&root.static_addresses, &mut statics, global, findings);
    statics::routes(&root.static_routes, &mut statics, findings);
    let mut priorities = rule::Priorities::default();
    let mut rules = rules.into_iter();
    for block in &root.rules {
        match block {
            RuleBlock::Instance => {
                let Some((drafts, number)) = rules.next() else { continue };
                let settled = priorities.settle(&drafts, findings);
                if let Some((instance, _)) = number.and_then(|number| instances.get_mut(number)) {
                    Arc::make_mut(instance).rules = settled;
                }
            }
            RuleBlock::Static(node) => {
                let drafts = statics::rules(node, &statics.groups, findings);
                for rule in priorities.settle(&drafts, findings) {
                    if !statics.rules.contains(&rule) {
                        statics.rules.push(rule);
                    }
                }
            }
        }
    }
    statics::tell(instances, &statics);
    statics
}
