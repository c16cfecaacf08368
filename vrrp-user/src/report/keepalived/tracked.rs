//! What does `keepalived.data` say of sync groups and of tracked scripts, files and processes.
use super::instance::{script, tracked, tracked_interfaces};
use super::{Dump, Lines, line, seconds, switch};
use crate::config::model::Name;
use crate::config::tracked::{ArgumentMatch, SyncGroup, Track, Tracks};

/// Groups, scripts, files and processes, each under its heading.
pub(super) fn render(to: &mut Lines, dump: &Dump<'_>) {
    let config = dump.config;
    if !config.groups.is_empty() {
        line!(to, "------< VRRP Sync groups >------");
        for group in &config.groups {
            self::group(to, dump, group);
        }
    }
    if !config.scripts.is_empty() {
        line!(to, "------< VRRP Scripts >------");
        scripts(to, dump);
    }
    if !config.files.is_empty() {
        line!(to, "------< VRRP Track files >------");
    }
    for file in &config.files {
        line!(to, " Track file = {}", file.name);
        line!(to, "   File = {}", file.path.display());
        line!(to, "   Status = {}", dump.watched.files.get(&file.name).copied().unwrap_or(0));
        line!(to, "   Weight = {}{}", file.weight, switch(file.reverse, " reverse", ""));
        trackers(to, dump, &file.name, |tracks| &tracks.files);
    }
    if !config.tracked.is_empty() {
        line!(to, "------< VRRP Track processes >------");
        processes(to, dump);
    }
}

fn group(to: &mut Lines, dump: &Dump<'_>, group: &SyncGroup) {
    line!(to, " VRRP Sync Group = {}, {}", group.name, dump.group_state(&group.members));
    let members = dump.routers.iter().filter(|r| group.members.contains(&r.engine.instance.name));
    let faulty = members.filter(|member| !member.engine.faults.is_empty()).count();
    line!(to, "   Num member fault {faulty}, num member init 0");
    line!(to, "   VRRP member instances :");
    for member in &group.members {
        line!(to, "     {member}");
    }
    if group.tracking_weight {
        line!(to, "   sync group tracking weight set");
    }
    line!(to, "   Using smtp notification = no");
    if let Some(changes) = group.notify_priority_changes {
        line!(to, "   Notify priority changes = {}", switch(changes, "yes", "no"));
    }
    if !group.track_interfaces.is_empty() {
        line!(to, "   Tracked interfaces :");
        tracked_interfaces(to, &group.track_interfaces);
    }
    tracked(to, &group.tracks, "process");
    let notify = &group.notify;
    for (program, what) in [
        (&notify.backup, "Backup"),
        (&notify.master, "Master"),
        (&notify.fault, "Fault"),
        (&notify.stop, "Stop"),
        (&notify.any, "Generic"),
    ] {
        script(to, dump, program.as_deref(), what);
    }
}

fn scripts(to: &mut Lines, dump: &Dump<'_>) {
    for script in &dump.config.scripts {
        let (command, (user, group)) = dump.command(&script.program);
        let known = dump.watched.scripts.get(&script.name);
        let good = known.copied().unwrap_or_default();
        line!(to, " VRRP Script = {}", script.name);
        line!(to, "   Command = {command}");
        line!(to, "   Interval = {} sec", script.interval.as_secs());
        let timeout = if script.timeout == script.interval { 0 } else { script.timeout.as_secs() };
        line!(to, "   Timeout = {timeout} sec");
        line!(to, "   Weight = {}{}", script.weight, switch(script.reverse, " reverse", ""));
        line!(to, "   Rise = {}", script.rise);
        line!(to, "   Fall = {}", script.fall);
        // keepalived's is between 0 and rise + fall - 1, and good from rise on.
        let result = if good { script.rise.saturating_add(script.fall) - 1 } else { 0 };
        line!(to, "   Result = {result}");
        line!(to, "   Insecure = no");
        let init = match known {
            Some(_) => "unknown",
            None if script.init_fail => "INIT/FAILED",
            None => "INIT",
        };
        line!(to, "   Init state = {init}");
        line!(to, "   Status = {}", switch(good, "GOOD", "BAD"));
        line!(to, "   Script uid:gid = {user}:{group}");
        line!(to, "   VRRP instances :");
        trackers(to, dump, &script.name, |tracks| &tracks.scripts);
        let running = dump.watched.running.contains(&script.name);
        line!(to, "   State = {}", switch(running, "running", "idle"));
    }
}

fn processes(to: &mut Lines, dump: &Dump<'_>) {
    for tracked in &dump.config.tracked {
        let (path, parameters) =
            tracked.command.split_first().map_or(("", &[][..]), |(p, r)| (p, r));
        line!(to, " VRRP Track process = {}", tracked.name);
        line!(to, "   Process = {path}");
        if !parameters.is_empty() {
            line!(to, "   Parameters = {}", parameters.join(" "));
        }
        match tracked.arguments {
            None => {}
            Some(ArgumentMatch::Exact) => line!(to, "   Param match"),
            Some(ArgumentMatch::Partial) => line!(to, "   Param match = partial"),
            Some(ArgumentMatch::Initial) => line!(to, "   Param match = initial"),
        }
        line!(to, "   Min processes = {}", tracked.quorum);
        if let Some(most) = tracked.quorum_max {
            line!(to, "   Max processes = {most}");
        }
        let count = dump.watched.processes.get(&tracked.name).copied().unwrap_or(0);
        let most = tracked.quorum_max.unwrap_or(u32::MAX);
        let quorum = (tracked.quorum..=most).contains(&count);
        line!(to, "   Current processes = {count}");
        line!(to, "   Have quorum = {}", switch(quorum, "true", "false"));
        line!(to, "   Weight = {}{}", tracked.weight, switch(tracked.reverse, " reverse", ""));
        line!(to, "   Terminate delay = {}s", seconds(tracked.terminate_delay));
        line!(to, "   Fork delay = {}s", seconds(tracked.fork_delay));
        line!(to, "   Fork delay timer not running");
        line!(to, "   Terminate delay timer not running");
        line!(to, "   Full command = {}", switch(tracked.full_command, "true", "false"));
        trackers(to, dump, &tracked.name, |tracks| &tracks.processes);
    }
}

/// Who tracks `object`: instances, and members of groups.
fn trackers(to: &mut Lines, dump: &Dump<'_>, object: &Name, list: fn(&Tracks) -> &Vec<Track>) {
    let own = dump.config.instances.iter().map(|instance| (&instance.name, &instance.tracks));
    let groups = dump.config.groups.iter();
    let members = groups.flat_map(|group| group.members.iter().map(|name| (name, &group.tracks)));
    let mut headed = false;
    for (name, tracks) in own.chain(members) {
        for track in list(tracks).iter().filter(|track| track.object == *object) {
            if !std::mem::replace(&mut headed, true) {
                line!(to, "   Tracking instances :");
            }
            let reverse = switch(track.reverse, " reverse", "");
            line!(to, "     {name}, weight {}{reverse}", track.weight);
        }
    }
}
