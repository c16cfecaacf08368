//! Do the instances get along with each other.
use super::finish::Spans;
use crate::config::findings::{Findings, Span};
use crate::config::model::{Instance, Transport};
use foldhash::{HashMap, HashMapExt as _};
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// Names and (interface, family, VRID) must be unique; an address on two instances is doubtful.
pub(super) fn check(instances: &[(Arc<Instance>, Spans)], findings: &mut Findings) {
    let mut names: HashMap<&str, Span> = HashMap::new();
    let mut routers = HashMap::new();
    let mut addresses = HashMap::new();
    for (instance, spans) in instances {
        match names.entry(&instance.name) {
            Entry::Vacant(entry) => {
                entry.insert(spans.name);
            }
            Entry::Occupied(entry) => {
                findings
                    .error(
                        "duplicate-name",
                        spans.name,
                        format!("there are two instances `{}`", instance.name),
                    )
                    .label("the second")
                    .also(*entry.get(), "the first");
            }
        }
        match routers.entry((&instance.interface, instance.family, instance.vrid)) {
            Entry::Vacant(entry) => {
                entry.insert((&**instance, spans.vrid));
            }
            Entry::Occupied(entry) => {
                let (first, span) = entry.get();
                let entry = findings
                    .error(
                        "duplicate-vrid",
                        spans.vrid,
                        format!(
                            "`{}` and `{}` both use VRID {} on {}",
                            first.name, instance.name, instance.vrid, instance.interface
                        ),
                    )
                    .label("the second")
                    .also(*span, "the first");
                let unicast =
                    |instance: &Instance| matches!(instance.transport, Transport::Unicast { .. });
                if unicast(first) || unicast(instance) {
                    entry.help(
                        "keepalived tells unicast instances apart by their peers; not built yet",
                    );
                } else {
                    entry.help("give each its own `virtual_router_id`");
                }
            }
        }
        for (vip, span) in instance.vips().zip(&spans.vips) {
            match addresses.entry((vip.address, &vip.dev)) {
                Entry::Vacant(entry) => {
                    entry.insert((&instance.name, *span));
                }
                Entry::Occupied(entry) => {
                    let (first, place) = entry.get();
                    findings
                        .warning(
                            "shared-address",
                            *span,
                            format!("{} on {} belongs to `{first}` too", vip.address, vip.dev),
                        )
                        .also(*place, "there")
                        .help("it stays while either of the two is MASTER");
                }
            }
        }
    }
}
