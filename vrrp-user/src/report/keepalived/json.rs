//! What does `keepalived.json` hold: every instance with what it has counted.
use super::stats::Counted;
use super::{Dump, Router, address, number, routing, seconds, short};
use crate::config::model::Instance;
use crate::config::program::Program;
use crate::config::tracked::ArgumentMatch;
use crate::engine::snapshot::State;
use std::fmt::{Display, Write as _};

/// An object or a list that is being written.
struct Writer(String);

impl Writer {
    fn separate(&mut self) {
        if !self.0.ends_with(['{', '[', ':']) {
            self.0.push(',');
        }
    }

    fn open(&mut self, name: &str, bracket: char) {
        self.separate();
        if !name.is_empty() {
            let _infallible = write!(self.0, "\"{name}\":");
        }
        self.0.push(bracket);
    }

    /// A number or a truth value.
    fn plain(&mut self, name: &str, value: impl Display) {
        self.separate();
        let _infallible = write!(self.0, "\"{name}\":{value}");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.separate();
        let _infallible = write!(self.0, "\"{name}\":{}", quoted(value));
    }

    /// Left out where it is empty, as keepalived does.
    fn list(&mut self, name: &str, values: impl Iterator<Item = String>) {
        let values: Vec<_> = values.map(|value| quoted(&value)).collect();
        if !values.is_empty() {
            self.plain(name, format_args!("[{}]", values.join(",")));
        }
    }
}

/// A JSON string; keepalived escapes slashes too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('/', "\\/")
}

/// The file.
pub fn render(dump: &Dump<'_>, counted: impl Iterator<Item = Counted>) -> String {
    let object = dump.config.globals.dump_files.json_object;
    let mut to = Writer(if object { "{\"vrrp\":[" } else { "[" }.to_owned());
    for (router, counted) in dump.routers.iter().zip(counted) {
        to.open("", '{');
        data(&mut to, dump, router);
        stats(&mut to, &counted);
        to.0.push('}');
    }
    to.0.push(']');
    if object {
        processes(&mut to, dump);
        to.0.push('}');
    }
    to.0.push('\n');
    to.0
}

/// Left out where there are none, as keepalived does.
fn processes(to: &mut Writer, dump: &Dump<'_>) {
    if dump.config.tracked.is_empty() {
        return;
    }
    to.open("track_process", '[');
    for tracked in &dump.config.tracked {
        let (path, parameters) =
            tracked.command.split_first().map_or(("", &[][..]), |(p, r)| (p, r));
        let count = dump.watched.processes.get(&tracked.name).copied().unwrap_or(0);
        let most = tracked.quorum_max.unwrap_or(u32::MAX);
        to.open("", '{');
        to.text("process", path);
        if !parameters.is_empty() {
            to.text("parameters", &parameters.join(" "));
        }
        to.text(
            "param_match",
            match tracked.arguments {
                None => "none",
                Some(ArgumentMatch::Exact) => "exact",
                Some(ArgumentMatch::Partial) => "partial",
                Some(ArgumentMatch::Initial) => "initial",
            },
        );
        to.plain("min_processes", tracked.quorum);
        if let Some(most) = tracked.quorum_max {
            to.plain("max_processes", most);
        }
        to.plain("current_processes", count);
        to.plain("have_quorum", (tracked.quorum..=most).contains(&count));
        let weight = i32::from(tracked.weight);
        to.plain("weight", if tracked.reverse { -weight } else { weight });
        to.plain("terminate_delay", short(tracked.terminate_delay));
        to.plain("fork_delay", short(tracked.fork_delay));
        to.plain("fork_delay_timer_running", false);
        to.plain("terminate_delay_timer_running", false);
        to.plain("full_command", tracked.full_command);
        to.0.push('}');
    }
    to.0.push(']');
}

fn data(to: &mut Writer, dump: &Dump<'_>, router: &Router) {
    let (engine, instance) = (&router.engine, &*router.engine.instance);
    to.open("data", '{');
    to.text("iname", &instance.name);
    to.plain("dont_track_primary", u8::from(instance.dont_track_primary));
    to.plain("skip_check_adv_addr", u8::from(!instance.check_address_list));
    to.plain("strict_mode", u8::from(instance.strict));
    to.text("vmac_ifname", "");
    to.text("ifp_ifname", &instance.interface);
    to.plain("master_priority", engine.master_priority.map_or(0, |priority| priority.0));
    to.plain("last_transition", seconds(dump.wall(engine.since)));
    to.plain("garp_delay", short(instance.garp.delay));
    to.plain("garp_refresh", instance.garp.refresh.as_secs());
    to.plain("garp_rep", instance.garp.repeat);
    to.plain("garp_refresh_rep", instance.garp.refresh_repeat);
    to.plain("garp_lower_prio_delay", instance.garp.lower_delay.as_secs());
    to.plain("garp_lower_prio_rep", instance.garp.lower_repeat);
    to.plain("lower_prio_no_advert", u8::from(!instance.answer_lower));
    to.plain("higher_prio_send_advert", u8::from(instance.answer_higher));
    to.plain("vrid", instance.vrid.get());
    to.plain("base_priority", instance.priority.0);
    to.plain("effective_priority", engine.effective_priority.0);
    to.plain("vipset", engine.state == State::Active);
    to.plain("promote_secondaries", instance.promote_secondaries);
    to.plain("adver_int", short(instance.advert_interval));
    to.plain("master_adver_int", short(engine.master_interval));
    to.plain("accept", u8::from(instance.accept));
    to.plain("nopreempt", !instance.preempt);
    to.plain("preempt_delay", instance.preempt_delay.as_secs());
    let state = state(engine.shown());
    to.plain("state", state);
    to.plain("wantstate", state);
    to.plain("version", number(instance.version));
    to.plain("smtp_alert", false);
    to.plain("notify_deleted", instance.notify.deleted.given);
    scripts(to, dump, instance);
    let vips: Vec<String> = instance
        .vips()
        .enumerate()
        .map(|(i, vip)| address::vip(vip, router.owned.addresses.get(i).map(|r| &r.presence)))
        .collect();
    let (announced, excluded) = vips.split_at(instance.addresses.len());
    to.list("vips", announced.iter().cloned());
    to.list("evips", excluded.iter().cloned());
    to.list("vroutes", instance.routes.iter().map(routing::route));
    to.list("vrules", instance.rules.iter().map(routing::rule));
    to.list("track_ifp", instance.track_interfaces.iter().map(|t| t.interface.to_string()));
    let commands = instance.tracks.scripts.iter().filter_map(|track| {
        let script = dump.config.scripts.iter().find(|script| script.name == track.object)?;
        Some(dump.command(&script.program).0)
    });
    to.list("track_script", commands);
    to.plain("auth_type", u8::from(instance.password.is_some()));
    if let Some(password) = &instance.password {
        to.text("auth_data", &super::instance::password(password));
    }
    to.0.push('}');
}

fn scripts(to: &mut Writer, dump: &Dump<'_>, instance: &Instance) {
    let notify = &instance.notify;
    let scripts: [(&str, &Option<Box<Program>>); 7] = [
        ("script_backup", &notify.backup),
        ("script_master", &notify.master),
        ("script_fault", &notify.fault),
        ("script_stop", &notify.stop),
        ("script_deleted", &notify.deleted.program),
        ("script", &notify.any),
        ("script_master_rx_lower_pri", &notify.lower),
    ];
    for (name, program) in scripts {
        if let Some(program) = program {
            to.text(name, &dump.command(program).0);
        }
    }
}

/// keepalived's numbers.
const fn state(state: State) -> u8 {
    match state {
        State::Initialize => 0,
        State::Backup => 1,
        State::Active => 2,
        State::Fault => 3,
    }
}

fn stats(to: &mut Writer, counted: &Counted) {
    to.open("stats", '{');
    to.plain("advert_rcvd", counted.received);
    to.plain("advert_sent", counted.sent);
    to.plain("become_master", counted.became_master);
    to.plain("release_master", counted.released_master);
    to.plain("packet_len_err", counted.length);
    to.plain("advert_interval_err", counted.interval);
    to.plain("ip_ttl_err", counted.ttl);
    to.plain("invalid_type_rcvd", counted.kind);
    to.plain("addr_list_err", counted.addresses);
    to.plain("invalid_authtype", counted.auth_type);
    to.plain("authtype_mismatch", counted.auth_mismatch);
    to.plain("auth_failure", counted.auth_failure);
    to.plain("pri_zero_rcvd", counted.zero_received);
    to.plain("pri_zero_sent", counted.zero_sent);
    to.0.push('}');
}
