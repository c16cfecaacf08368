//! Which interfaces share pauses between announcements, and which are announced on for their own sake.
use super::global::seconds;
use super::value;
use crate::config::findings::{Findings, Span};
use crate::config::keyword::{Keyword, Shape, apply, built};
use crate::config::model::{GarpGroup, Name};
use crate::config::tree::Node;
use foldhash::{HashMap, HashMapExt as _};
use std::time::Duration;

/// What a `garp_group` says.
#[derive(Default)]
pub(in crate::config) struct Draft {
    garp_interval: Option<Duration>,
    gna_interval: Option<Duration>,
    interfaces: Vec<(Name, Span)>,
}

/// What stands in a `garp_group`.
pub(in crate::config) static GROUP: &[Keyword<Draft>] = &[
    built(
        "garp_interval",
        Shape::Value,
        |draft, node, findings| draft.garp_interval = seconds(node, findings),
        "least seconds between two gratuitous ARPs on any of its interfaces",
    ),
    built(
        "gna_interval",
        Shape::Value,
        |draft, node, findings| draft.gna_interval = seconds(node, findings),
        "least seconds between two unsolicited neighbour advertisements on any of them",
    ),
    built(
        "interface",
        Shape::Words(1, 1),
        |draft, node, findings| {
            let word = node.arguments().first();
            let named = word.and_then(|word| Some((value::interface(word, findings)?, word.span)));
            draft.interfaces.extend(named);
        },
        "an interface; the pauses of vrrp_garp_interval and vrrp_gna_interval are not for it",
    ),
    built(
        "interfaces",
        Shape::Block,
        |draft, node, findings| {
            for word in node.children().iter().flat_map(|line| &line.words) {
                let named = value::interface(word, findings).map(|name| (name, word.span));
                draft.interfaces.extend(named);
            }
        },
        "interfaces whose announcements keep these pauses together",
    ),
];

/// Every group with something to say.
pub(super) fn groups(nodes: &[Node], findings: &mut Findings) -> Vec<GarpGroup> {
    let mut taken: HashMap<Name, Span> = HashMap::new();
    let mut groups = Vec::new();
    for node in nodes {
        let mut draft = Draft::default();
        apply("garp_group", GROUP, &mut draft, node.children(), findings);
        // What is there and wrong was told already.
        let says = |keyword: &str| node.children().iter().any(|child| child.keyword() == keyword);
        if draft.garp_interval.is_none() && draft.gna_interval.is_none() {
            if !says("garp_interval") && !says("gna_interval") {
                findings
                    .warning("no-interval", node.span(), "the `garp_group` sets no interval")
                    .label("ignored: it needs `garp_interval` or `gna_interval`");
            }
            continue;
        }
        let mut group = GarpGroup {
            garp_interval: draft.garp_interval,
            gna_interval: draft.gna_interval,
            interfaces: Vec::new(),
            numbered: says("interfaces"),
        };
        for (name, span) in draft.interfaces {
            match taken.get(&name) {
                Some(before) => {
                    findings
                        .warning("repeated", span, format!("`{name}` is in a `garp_group` already"))
                        .label("ignored")
                        .also(*before, "given before");
                }
                None => {
                    taken.insert(name.clone(), span);
                    group.interfaces.push(name);
                }
            }
        }
        if !group.interfaces.is_empty() {
            groups.push(group);
        } else if !says("interface") && !says("interfaces") {
            findings
                .warning("no-interface", node.span(), "the `garp_group` has no interface")
                .label("ignored: it needs `interface` or `interfaces`");
        }
    }
    groups
}

/// `[all] SECONDS`: how often to announce on interfaces that send no adverts. Without `all` keepalived
/// means those with a virtual MAC address.
pub(super) fn elsewhere(node: &Node, least: u32, findings: &mut Findings) -> Option<Duration> {
    let keyword = node.keyword();
    if keyword.ends_with("vmac_garp_intvl") {
        let now = keyword.replace("vmac_garp_intvl", "garp_extra_if");
        findings
            .warning("obsolete", node.span(), format!("`{keyword}` is an old name"))
            .help(format!("write `{now}`"));
    }
    let (mut all, mut given) = (None, None);
    for word in node.arguments() {
        if &*word.text == "all" {
            all = Some(word.span);
        } else {
            given = Some(value::number(word, least..=86_400, keyword, findings)?);
        }
    }
    let Some(given) = given else {
        findings.error("missing-value", node.span(), format!("`{keyword}` needs seconds"));
        return None;
    };
    if all.is_none() && given > 0 {
        findings
            .warning("only-vmac", node.span(), format!("`{keyword}` has no effect without `all`"))
            .label("it is for interfaces with a virtual MAC address, and there are none")
            .help(format!("write `{keyword} all {given}` to announce on every other interface"));
        return Some(Duration::ZERO);
    }
    Some(Duration::from_secs(u64::from(given)))
}
