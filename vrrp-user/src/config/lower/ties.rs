//! Is there what instances and groups name, and may they track it the way they say.
use super::alike::Alike;
use super::finish::Spans;
use super::group::GroupDraft;
use super::track::{TrackDraft, TracksDraft};
use super::watched::Watched;
use crate::config::findings::{Findings, Span};
use crate::config::model::{Instance, Name, TrackInterface};
use crate::config::suggest::nearest;
use crate::config::tracked::{Script, SyncGroup, Track, TrackedFile, TrackedProcess, Tracks};
use foldhash::{HashMap, HashMapExt as _};
use std::sync::Arc;
use vrrp_common::ident::Priority;

/// Things of one kind, by name.
pub(super) struct Kind<T> {
    /// The block they are defined by.
    block: &'static str,
    list: Vec<(Watched<T>, bool)>,
    names: HashMap<Name, usize>,
}

/// All things that can be tracked.
pub(super) struct Objects {
    pub(super) scripts: Kind<Script>,
    pub(super) files: Kind<TrackedFile>,
    pub(super) processes: Kind<TrackedProcess>,
}

impl<T> Kind<T> {
    /// Those defined, each name once.
    pub(super) fn new(
        block: &'static str,
        given: impl IntoIterator<Item = Watched<T>>,
        findings: &mut Findings,
    ) -> Self {
        let mut kind = Self { block, list: Vec::new(), names: HashMap::new() };
        for watched in given {
            match kind.names.get(&watched.name).and_then(|&at| kind.list.get(at)) {
                Some((before, _)) => {
                    findings
                        .error(
                            "duplicate-name",
                            watched.span,
                            format!("there are two `{block}` blocks `{}`", watched.name),
                        )
                        .label("the second")
                        .also(before.span, "the first");
                }
                None => {
                    kind.names.insert(watched.name.clone(), kind.list.len());
                    kind.list.push((watched, false));
                }
            }
        }
        kind
    }

    /// The lines of `who` about things that are there, each once.
    fn resolve(&mut self, drafts: Vec<TrackDraft>, findings: &mut Findings) -> Vec<(Track, Span)> {
        let mut tracks: Vec<(Track, Span)> = Vec::new();
        for draft in drafts {
            let (name, span) = (&*draft.object.text, draft.object.span);
            let Some((watched, used)) = self.names.get(name).and_then(|&at| self.list.get_mut(at))
            else {
                let near = nearest(name, self.names.keys().map(|name| &**name));
                let entry = findings.error(
                    "unknown-object",
                    span,
                    format!("there is no `{}` `{name}`", self.block),
                );
                match near.and_then(|near| self.names.get(near)).and_then(|&at| self.list.get(at)) {
                    Some((near, _)) => {
                        entry
                            .help(format!("did you mean `{}`?", near.name))
                            .also(near.span, "defined here");
                    }
                    None => {
                        entry.help(format!("add `{} {name} {{ ... }}`", self.block));
                    }
                }
                continue;
            };
            *used = true;
            if let Some((_, before)) = tracks.iter().find(|(track, _)| *track.object == *name) {
                findings
                    .warning(
                        "repeated",
                        span,
                        format!("`{name}` is given again; the first line counts"),
                    )
                    .also(*before, "given before");
                continue;
            }
            let track = Track {
                object: watched.name.clone(),
                weight: draft.weight.map_or(watched.weight, |(weight, _)| weight),
                reverse: draft.reverse.unwrap_or(watched.reverse),
            };
            tracks.push((track, draft.weight.map_or(span, |(_, span)| span)));
        }
        tracks
    }

    /// Those that something tracks.
    pub(super) fn used(self, findings: &mut Findings) -> Vec<Arc<T>> {
        let mut list = Vec::new();
        for (watched, used) in self.list {
            if used {
                list.extend(watched.object.map(Arc::new));
            } else {
                findings
                    .warning(
                        "unused",
                        watched.span,
                        format!("nothing tracks `{}`, so it is not watched", watched.name),
                    )
                    .label(format!("this `{}` has no effect", self.block));
            }
        }
        list
    }
}

impl Objects {
    fn resolve(&mut self, drafts: TracksDraft, findings: &mut Findings) -> Resolved {
        Resolved {
            scripts: self.scripts.resolve(drafts.scripts, findings),
            files: self.files.resolve(drafts.files, findings),
            processes: self.processes.resolve(drafts.processes, findings),
        }
    }
}

/// Lines about things that are there, and where a complaint about their weights belongs.
struct Resolved {
    scripts: Vec<(Track, Span)>,
    files: Vec<(Track, Span)>,
    processes: Vec<(Track, Span)>,
}

impl Resolved {
    fn tracks(self) -> Tracks {
        let strip = |list: Vec<(Track, Span)>| list.into_iter().map(|(track, _)| track).collect();
        Tracks {
            scripts: strip(self.scripts),
            files: strip(self.files),
            processes: strip(self.processes),
        }
    }
}

/// Why weights cannot be: the words, where it is decided, and why it must be.
struct Unweighted {
    code: &'static str,
    place: Option<(Span, &'static str)>,
    why: &'static str,
}

/// Fills in what instances and groups track, and who is in which group.
pub(super) fn tie(
    instances: &mut [(Arc<Instance>, Spans)],
    groups: Vec<GroupDraft>,
    objects: &mut Objects,
    findings: &mut Findings,
) -> Vec<Arc<SyncGroup>> {
    let (groups, of) = membership(groups, instances, findings);
    for (instance, spans) in instances.iter_mut() {
        let instance = Arc::make_mut(instance);
        let mut resolved = objects.resolve(std::mem::take(&mut spans.tracks), findings);
        let group = of.get(&instance.name).and_then(|&at| groups.get(at));
        if let Some(changes) = group.and_then(|group| group.draft.alike.notify_priority_changes)
            && !spans.notify_priority_changes
        {
            instance.notify_priority_changes = changes;
        }
        if instance.priority == Priority::OWNER {
            let why = Unweighted {
                code: "owner-weight",
                place: None,
                why: "the owner of the addresses (`priority 255`) keeps its priority",
            };
            unweigh(&mut resolved, &why, findings);
        } else if let Some((group, member)) =
            group.and_then(|group| Some((group, group.member(&instance.name)?)))
            && !group.draft.tracking_weight
        {
            let why = Unweighted {
                code: "group-weight",
                place: Some((member, "member of a sync group here")),
                why: "all members of a sync group must move alike",
            };
            unweigh(&mut resolved, &why, findings);
            let lines = instance.track_interfaces.iter_mut().zip(&spans.track_interfaces);
            for (track, span) in lines.filter(|(track, _)| track.weight != 0) {
                track.weight = 0;
                findings
                    .warning(why.code, *span, "a weight does not work in a sync group")
                    .label("the interface is tracked without it: its loss is a fault")
                    .also(member, "member of a sync group here")
                    .help("track it in the group");
            }
        }
        instance.tracks = resolved.tracks();
    }
    let owners = |group: &Tied| {
        let owner = |name: &Name| {
            let mut instances = instances.iter().map(|(instance, _)| instance);
            instances.find(|instance| instance.name == *name).map(|i| i.priority)
        };
        let members = group.members.iter().map(|(name, _)| owner(name));
        members.filter(|priority| *priority == Some(Priority::OWNER)).count()
    };
    let counts: Vec<usize> = groups.iter().map(owners).collect();
    let groups = groups.into_iter().zip(counts);
    groups.map(|(group, owners)| group.finish(owners, objects, findings)).collect()
}

/// As keepalived: what has a weight of its own is not tracked; a file's weight of 1, which is the
/// default, becomes 0.
fn unweigh(resolved: &mut Resolved, why: &Unweighted, findings: &mut Findings) {
    let mut tell = |track: &Track, span: Span, label: &str| {
        let entry = findings
            .warning(
                why.code,
                span,
                format!("`{}` cannot have weight {}: {}", track.object, track.weight, why.why),
            )
            .label(label);
        if let Some((place, what)) = why.place {
            entry.also(place, what).help("track it in the group, or with weight 0");
        }
    };
    let lists = [&mut resolved.scripts, &mut resolved.processes];
    for list in lists {
        list.retain(|(track, span)| {
            if track.weight != 0 {
                tell(track, *span, "not tracked, as with keepalived");
            }
            track.weight == 0
        });
    }
    resolved.files.retain_mut(|(track, span)| match track.weight {
        0 => true,
        1 => {
            tell(track, *span, "tracked with weight 0: a number but 0 is a fault");
            track.weight = 0;
            true
        }
        _ => {
            tell(track, *span, "not tracked, as with keepalived");
            false
        }
    });
}

/// A group and its members that exist.
struct Tied {
    name: Name,
    span: Span,
    draft: GroupDraft,
    members: Vec<(Name, Span)>,
    /// How many were given, good or not.
    listed: usize,
}

impl Tied {
    fn member(&self, name: &Name) -> Option<Span> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, span)| *span)
    }

    fn finish(
        self,
        owners: usize,
        objects: &mut Objects,
        findings: &mut Findings,
    ) -> Arc<SyncGroup> {
        let name = &self.name;
        if self.listed == 1 {
            findings
                .warning("one-member", self.span, format!("group `{name}` has one member"))
                .label("there is nothing to keep in step");
        }
        if owners > 0 && owners < self.members.len() {
            findings
                .warning(
                    "some-owners",
                    self.span,
                    format!("in group `{name}` only some members have priority 255"),
                )
                .label("the owners of addresses are always master, the others are not");
        }
        let Alike { track_interfaces: interfaces, tracks, notify, notify_priority_changes } =
            self.draft.alike;
        let mut resolved = objects.resolve(tracks, findings);
        let mut track_interfaces: Vec<TrackInterface> = Vec::new();
        let mut clear = |weight: &mut i16, what: &str, span: Span| {
            if owners > 0 && *weight != 0 {
                *weight = 0;
                findings
                    .warning(
                        "owner-weight",
                        span,
                        format!("`{what}` is tracked without its weight"),
                    )
                    .label("a member of the group has priority 255, which nothing moves");
            }
        };
        for (mut track, span) in interfaces {
            clear(&mut track.weight, &track.interface, span);
            track_interfaces.push(track);
        }
        let lists = [&mut resolved.scripts, &mut resolved.files, &mut resolved.processes];
        for (track, span) in lists.into_iter().flatten() {
            clear(&mut track.weight, &track.object, *span);
        }
        Arc::new(SyncGroup {
            origin: findings.origin(self.span),
            members: self.members.into_iter().map(|(name, _)| name).collect(),
            track_interfaces,
            tracks: resolved.tracks(),
            tracking_weight: self.draft.tracking_weight,
            notify,
            notify_priority_changes,
            name: self.name,
        })
    }
}

/// The groups with the members they have, and the number of the group of each member.
fn membership(
    drafts: Vec<GroupDraft>,
    instances: &[(Arc<Instance>, Spans)],
    findings: &mut Findings,
) -> (Vec<Tied>, HashMap<Name, usize>) {
    let known: HashMap<&str, (&Name, Span)> = instances
        .iter()
        // Of use only where there are groups.
        .filter(|_| !drafts.is_empty())
        .map(|(instance, spans)| (&*instance.name, (&instance.name, spans.name)))
        .collect();
    let mut groups: Vec<Tied> = Vec::new();
    let mut of: HashMap<Name, usize> = HashMap::new();
    for mut draft in drafts {
        let Some(word) = draft.name.take() else { continue };
        if let Some(before) = groups.iter().find(|group| *group.name == *word.text) {
            findings
                .error(
                    "duplicate-name",
                    word.span,
                    format!("there are two sync groups `{}`", word.text),
                )
                .label("the second")
                .also(before.span, "the first");
            continue;
        }
        if draft.members.is_empty() {
            findings
                .error("no-members", word.span, format!("group `{}` has no members", word.text))
                .help("add `group { ... }` with the names of its instances");
            continue;
        }
        let mut members: Vec<(Name, Span)> = Vec::new();
        let listed = draft.members.len();
        for member in std::mem::take(&mut draft.members) {
            let Some((name, place)) = known.get(&*member.text) else {
                let entry = findings.error(
                    "unknown-member",
                    member.span,
                    format!("there is no instance `{}`", member.text),
                );
                if let Some(near) = nearest(&member.text, known.keys().copied()) {
                    let entry = entry.help(format!("did you mean `{near}`?"));
                    if let Some((_, place)) = known.get(near) {
                        entry.also(*place, "defined here");
                    }
                }
                continue;
            };
            if let Some((_, before)) = members.iter().find(|(before, _)| before == *name) {
                findings
                    .warning("repeated", member.span, format!("`{name}` is given again"))
                    .also(*before, "given before");
                continue;
            }
            let other = of.get(*name).and_then(|&at| groups.get(at));
            if let Some((group, before)) =
                other.and_then(|group| Some((group, group.member(name)?)))
            {
                findings
                    .error(
                        "two-groups",
                        member.span,
                        format!("`{name}` is a member of group `{}` too", group.name),
                    )
                    .label("an instance is in one group at most")
                    .also(before, "there")
                    .also(*place, "the instance");
                continue;
            }
            of.insert((*name).clone(), groups.len());
            members.push(((*name).clone(), member.span));
        }
        groups.push(Tied { name: word.text.clone(), span: word.span, draft, members, listed });
    }
    (groups, of)
}
