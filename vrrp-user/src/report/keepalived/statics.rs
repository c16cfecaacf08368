//! What does `keepalived.data` say of static objects.
use super::{Dump, Lines, address, line, routing};

/// All of them, and who cares.
pub(super) fn render(to: &mut Lines, dump: &Dump<'_>) {
    let statics = &dump.config.statics;
    if !statics.addresses.is_empty() {
        line!(to, "------< Static Addresses >------");
    }
    for (i, own) in statics.addresses.iter().enumerate() {
        let presence = dump.statics.addresses.get(i).map(|report| &report.presence);
        let mut text = address::vip(&own.vip, presence);
        if let Some(group) = &own.track_group {
            let behind = [" deprecated", " preferred_lft", " set"];
            let at = behind.iter().filter_map(|words| text.find(words)).min();
            text.insert_str(at.unwrap_or(text.len()), &format!(" track_group {group}"));
        }
        line!(to, "     {text}");
    }
    if !statics.routes.is_empty() {
        line!(to, "------< Static Routes >------");
    }
    for route in &statics.routes {
        line!(to, "     {}", routing::route(route));
    }
    if !statics.rules.is_empty() {
        line!(to, "------< Static Rules >------");
    }
    for rule in &statics.rules {
        line!(to, "     {}", routing::rule(rule));
    }
    if !statics.groups.is_empty() {
        line!(to, "------< Static Track groups >------");
    }
    for group in &statics.groups {
        line!(to, " Static Track Group = {}", group.name);
        if !group.members.is_empty() {
            line!(to, "   VRRP member instances :");
        }
        for member in &group.members {
            line!(to, "     {member}");
        }
    }
}
