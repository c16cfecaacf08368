//! What do a `vrrp_sync_group` and `interface_up_down_delays` say.
use super::alike::{self, Alike};
use super::parts::no_block;
use super::value;
use crate::config::findings::{Findings, Span};
use crate::config::keyword::{Keyword, Shape, apply, built, ignored, not_built, obsolete};
use crate::config::model::{Instance, Name};
use crate::config::token::Word;
use crate::config::tracked::LinkDelay;
use crate::config::tree::Node;
use foldhash::{HashMap, HashMapExt as _};
use std::time::Duration;

/// A group before its members are known to exist.
#[derive(Default)]
pub(in crate::config) struct GroupDraft {
    pub(super) name: Option<Word>,
    /// Where `group` stands.
    pub(super) list: Option<Span>,
    pub(super) members: Vec<Word>,
    pub(super) alike: Alike,
    pub(super) tracking_weight: bool,
}

impl AsMut<Alike> for GroupDraft {
    fn as_mut(&mut self) -> &mut Alike {
        &mut self.alike
    }
}

/// What stands in a `vrrp_sync_group`.
pub(in crate::config) static GROUP: &[Keyword<GroupDraft>] = &[
    built("group", Shape::Block, members, "the instances that change state together"),
    built("track_interface", Shape::Block, alike::interfaces, "track_interface of every member"),
    built("track_script", Shape::Block, alike::scripts, "track_script of every member"),
    built("track_file", Shape::Block, alike::files, "track_file of every member"),
    built("track_process", Shape::Block, alike::processes, "track_process of every member"),
    built(
        "notify",
        Shape::Program,
        alike::any,
        "run at every change of the group, with GROUP, its name, the state and 0 added",
    ),
    built("notify_master", Shape::Program, alike::master, "run when the group becomes MASTER"),
    built("notify_backup", Shape::Program, alike::backup, "run when the group becomes BACKUP"),
    built("notify_fault", Shape::Program, alike::fault, "run when the group goes to FAULT"),
    built("notify_stop", Shape::Program, alike::stop, "run when xvrrp stops"),
    built(
        "notify_priority_changes",
        Shape::Switch,
        alike::priority_changes,
        "write priority changes of the members to the notify FIFOs",
    ),
    built(
        "sync_group_tracking_weight",
        Shape::Flag,
        |draft, _, _| draft.tracking_weight = true,
        "members may have weights of their own; elections then rarely agree",
    ),
    not_built("track_bfd", "BFD sessions that move the priority"),
    ignored("smtp_alert", "no mail is sent"),
    obsolete("global_tracking", "use sync_group_tracking_weight, or track on the group"),
];

/// A `vrrp_sync_group` block.
pub(super) fn read(node: &Node, findings: &mut Findings) -> GroupDraft {
    let mut draft = GroupDraft::default();
    apply("vrrp_sync_group", GROUP, &mut draft, node.children(), findings);
    // keepalived takes the old word for the new one.
    draft.tracking_weight |=
        node.children().iter().any(|child| child.keyword() == "global_tracking");
    if let Some(word) = node.arguments().first() {
        if word.text.is_empty() || word.text.contains(|c: char| c == '"' || c.is_control()) {
            findings.error("bad-name", word.span, "a group's name cannot be empty or hold quotes");
        } else {
            draft.name = Some(word.clone());
        }
    }
    draft
}

/// Names of instances, one or more a line.
fn members(draft: &mut GroupDraft, node: &Node, findings: &mut Findings) {
    if let Some(before) = draft.list {
        findings
            .error("repeated", node.span(), "a group has one `group` block")
            .also(before, "given before");
        return;
    }
    draft.list = Some(node.span());
    for line in node.children() {
        no_block(line, findings);
        draft.members.extend(line.words.iter().cloned());
    }
}

/// keepalived's bound.
const LONGEST: u64 = 255;

/// `interface_up_down_delays`: `NAME DOWN [UP]` a line.
pub(super) fn link_delays(
    node: &Node,
    delays: &mut Vec<(LinkDelay, Span)>,
    findings: &mut Findings,
) {
    for line in node.children() {
        no_block(line, findings);
        let Some((first, times)) = line.words.split_first() else { continue };
        let Some(interface) = value::interface(first, findings) else { continue };
        let Some((down, rest)) = times.split_first() else {
            findings
                .error("missing-value", first.span, format!("`{interface}` has no delay"))
                .help("write `INTERFACE DOWN_SECONDS [UP_SECONDS]`");
            continue;
        };
        if let Some(extra) = rest.get(1) {
            findings
                .warning("extra-word", extra.span, format!("`{}` is ignored", extra.text))
                .label("an interface has two delays");
        }
        let down = value::duration(down, LONGEST, "the delay down", findings);
        let up = match rest.first() {
            Some(word) => value::duration(word, LONGEST, "the delay up", findings),
            // What 2.2.7 and 2.4.3 do; their manual says that it is the delay down.
            None => Some(Duration::ZERO),
        };
        let (Some(down), Some(up)) = (down, up) else { continue };
        let delay = LinkDelay { interface, down, up };
        match delays.iter().find(|(before, _)| before.interface == delay.interface) {
            Some((_, before)) => {
                findings
                    .warning(
                        "repeated",
                        first.span,
                        format!("{} is given again; the first line counts", first.text),
                    )
                    .also(*before, "given before");
            }
            None => delays.push((delay, first.span)),
        }
    }
}

/// A backup whose dead link counts as up hears nobody and becomes master on it. So, as in keepalived,
/// the link of an instance is waited for less than its master is.
pub(super) fn bound_delays<'a>(
    delays: &mut [(LinkDelay, Span)],
    instances: impl Iterator<Item = &'a Instance>,
    findings: &mut Findings,
) {
    if delays.is_empty() {
        return;
    }
    let mut soonest: HashMap<&Name, (Duration, &Name)> = HashMap::new();
    for instance in instances {
        let interval = instance.advert_interval;
        let adverts = u32::from(instance.down_timer_adverts).saturating_sub(1);
        // Less by the least skew there is, in keepalived's microseconds.
        let skew = u64::try_from(interval.as_micros() / 256).unwrap_or(u64::MAX);
        let limit = (interval * adverts).saturating_sub(Duration::from_micros(skew));
        let soon = soonest.entry(&instance.interface).or_insert((limit, &instance.name));
        if limit < soon.0 {
            *soon = (limit, &instance.name);
        }
    }
    for (delay, span) in delays {
        let Some((limit, name)) = soonest.get(&delay.interface) else { continue };
        if delay.down.max(delay.up) <= *limit {
            continue;
        }
        delay.down = delay.down.min(*limit);
        delay.up = delay.up.min(*limit);
        findings
            .warning(
                "long-delay",
                *span,
                format!("a change of `{}` counts too late", delay.interface),
            )
            .label(format!("shortened to {limit:?}: `{name}` would be master on a dead link"))
            .help("advertise less often, or have a shorter delay");
    }
}
