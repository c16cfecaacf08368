//! What is there whatever the instances' states, and to which instances it matters.
use super::address;
use super::finish::Spans;
use super::global::Global;
use super::parts::{missing, no_block};
use super::route::{self, RouteDraft};
use super::rule::{self, RuleDraft};
use crate::config::findings::{Findings, Span};
use crate::config::keyword::{Keyword, Shape, apply, built};
use crate::config::model::{Instance, Name};
use crate::config::routing::{StaticAddress, Statics, TrackGroup};
use crate::config::suggest::nearest;
use crate::config::token::Word;
use crate::config::tree::Node;
use std::sync::Arc;

/// What stands in `track_group`.
pub(in crate::config) static TRACK_GROUP: &[Keyword<GroupDraft>] =
    &[built("group", Shape::Block, members, "the instances: one or more names a line")];

/// Members of a `track_group`.
#[derive(Default)]
pub(in crate::config) struct GroupDraft {
    members: Vec<Word>,
}

fn members(draft: &mut GroupDraft, node: &Node, findings: &mut Findings) {
    for line in node.children() {
        no_block(line, findings);
        draft.members.extend(line.words.iter().cloned());
    }
}

/// `track_group` blocks.
pub(super) fn groups(
    nodes: &[Node],
    instances: &[(Arc<Instance>, Spans)],
    findings: &mut Findings,
) -> Vec<TrackGroup> {
    let mut groups: Vec<(TrackGroup, Span)> = Vec::new();
    for node in nodes {
        let Some(word) = node.arguments().first() else { continue };
        let name = &*word.text;
        if let Some((_, before)) = groups.iter().find(|(group, _)| *group.name == *name) {
            findings
                .error("duplicate-name", word.span, format!("there are two track groups `{name}`"))
                .label("the second")
                .also(*before, "the first");
            continue;
        }
        let mut draft = GroupDraft::default();
        apply("track_group", TRACK_GROUP, &mut draft, node.children(), findings);
        let mut members: Vec<Name> = Vec::new();
        for member in &draft.members {
            if !instances.iter().any(|(instance, _)| *instance.name == *member.text) {
                let entry = findings.error(
                    "unknown-instance",
                    member.span,
                    format!("there is no instance `{}`", member.text),
                );
                let names = instances.iter().map(|(instance, _)| &*instance.name);
                if let Some(near) = nearest(&member.text, names) {
                    entry.help(format!("did you mean `{near}`?"));
                }
            } else if !members.iter().any(|before| **before == *member.text) {
                members.push((&*member.text).into());
            }
        }
        if draft.members.is_empty() {
            findings
                .error("missing-value", word.span, format!("track group `{name}` has no member"))
                .help("add `group { INSTANCE }`");
        }
        groups.push((TrackGroup { name: name.into(), members }, word.span));
    }
    groups.into_iter().map(|(group, _)| group).collect()
}

/// Takes `track_group NAME` out of a line, and says which group it is.
fn group<'a>(
    line: &'a Node,
    groups: &[TrackGroup],
    findings: &mut Findings,
) -> (Node, Option<(Name, &'a Word)>) {
    let mut words = Vec::with_capacity(line.words.len());
    let mut found: Option<(Name, &Word)> = None;
    let mut rest = line.words.iter();
    while let Some(word) = rest.next() {
        if &*word.text != "track_group" {
            words.push(word.clone());
            continue;
        }
        let Some(name) = rest.next() else {
            missing(word.span, "track_group", findings);
            break;
        };
        if let Some((_, before)) = found {
            findings
                .error("repeated", word.span, "a static object has one track group")
                .also(before.span, "given before");
        } else if groups.iter().any(|group| *group.name == *name.text) {
            found = Some(((&*name.text).into(), word));
        } else {
            let entry = findings.error(
                "unknown-group",
                name.span,
                format!("there is no track group `{}`", name.text),
            );
            if let Some(near) = nearest(&name.text, groups.iter().map(|group| &*group.name)) {
                entry.help(format!("did you mean `{near}`?"));
            } else {
                entry.help("add `track_group NAME { group { INSTANCE } }` at the top level");
            }
        }
    }
    (Node { words: words.into(), block: line.block.clone() }, found)
}

/// A track group needs an interface to watch.
fn checked(
    found: Option<(Name, &Word)>,
    no_track: bool,
    dev: bool,
    what: &str,
    findings: &mut Findings,
) -> Option<Name> {
    let (name, word) = found?;
    if no_track {
        findings
            .warning("no-track", word.span, "`track_group` has no effect beside `no_track`")
            .label("the interface is not tracked");
    } else if !dev {
        findings
            .error("missing-value", word.span, format!("nothing can be tracked for this {what}"))
            .help(if what == "rule" { "give it `iif NAME`" } else { "give it `dev NAME`" });
    }
    Some(name)
}

/// `static_ipaddress` blocks.
pub(super) fn addresses(
    nodes: &[Node],
    statics: &mut Statics,
    global: &Global,
    findings: &mut Findings,
) {
    for line in nodes.iter().flat_map(Node::children) {
        let (line, found) = group(line, &statics.groups, findings);
        if line.words.is_empty() {
            continue;
        }
        let mut drafts = Vec::new();
        let block = Node { words: line.words.clone(), block: Some([line].into()) };
        address::read(&block, &mut drafts, findings);
        for draft in drafts {
            let default = global.default_interface.clone().unwrap_or_else(|| "".into());
            let vip = draft.on(&default);
            if vip.dev.is_empty() {
                findings
                    .error("missing-value", draft.span, "the static address has no interface")
                    .help("give it `dev NAME`, or say `default_interface` in global_defs");
                continue;
            }
            let same = |before: &StaticAddress| {
                before.vip.address == vip.address && before.vip.dev == vip.dev
            };
            if statics.addresses.iter().any(same) {
                let text = format!("{} is given again; the first counts", vip.address);
                findings.warning("repeated", draft.span, text);
                continue;
            }
            let track_group = checked(found.clone(), vip.no_track, true, "address", findings);
            statics.addresses.push(StaticAddress { vip, track_group });
        }
    }
}

/// `static_routes` blocks.
pub(super) fn routes(nodes: &[Node], statics: &mut Statics, findings: &mut Findings) {
    for line in nodes.iter().flat_map(Node::children) {
        no_block(line, findings);
        let (stripped, found) = group(line, &statics.groups, findings);
        let draft = route::route(&stripped.words, line.span(), findings);
        let Some(RouteDraft { mut route, span }) = draft else { continue };
        route.track_group = checked(found, route.no_track, route.dev.is_some(), "route", findings);
        if statics.routes.contains(&route) {
            findings.warning("repeated", span, "the route is given again");
        } else {
            statics.routes.push(route);
        }
    }
}

/// One `static_rules` block.
pub(super) fn rules(node: &Node, groups: &[TrackGroup], findings: &mut Findings) -> Vec<RuleDraft> {
    let mut drafts = Vec::new();
    for line in node.children() {
        no_block(line, findings);
        let (stripped, found) = group(line, groups, findings);
        let draft = rule::rule(&stripped.words, line.span(), findings);
        let Some(mut draft) = draft else { continue };
        let (no_track, iif) = (draft.rule.no_track, draft.rule.iif.is_some());
        draft.rule.track_group = checked(found, no_track, iif, "rule", findings);
        drafts.push(draft);
    }
    drafts
}

/// Tells the instances which interfaces of static objects matter to them.
pub(super) fn tell(instances: &mut [(Arc<Instance>, Spans)], statics: &Statics) {
    for (instance, _) in instances {
        let mut names: Vec<Name> = Vec::new();
        for name in statics.tracked(&instance.name) {
            if *name != instance.interface && !names.contains(name) {
                names.push(name.clone());
            }
        }
        if !names.is_empty() {
            Arc::make_mut(instance).static_interfaces = names;
        }
    }
}
