//! Do the members of a sync group change together, in keepalived's order?
use super::*;
use crate::config::model::{Globals, TrackInterface};
use crate::config::tracked::{SyncGroup, Track, Tracks};
use crate::engine::snapshot::{Fault, Known, Reason};

const A: RouterId = RouterId(0);
const B: RouterId = RouterId(1);
const C: RouterId = RouterId(2);

/// Members A on eth0 and B on eth4, C on eth5 on demand.
pub(super) fn member(name: &str, interface: &str, priority: u8) -> Instance {
    let mut instance = fixture();
    instance.name = name.into();
    instance.interface = interface.into();
    instance.addresses = vec![vip(1, interface)];
    instance.priority = Priority(priority);
    instance
}

pub(super) fn group(name: &str, members: &[&str]) -> SyncGroup {
    SyncGroup {
        name: name.into(),
        origin: Default::default(),
        members: members.iter().map(|member| (*member).into()).collect(),
        track_interfaces: Vec::new(),
        tracks: Tracks::default(),
        tracking_weight: false,
        notify: Default::default(),
        notify_priority_changes: None,
    }
}

fn config(instances: &[Instance], group: SyncGroup) -> Config {
    Config {
        instances: instances.iter().cloned().map(Arc::new).collect(),
        groups: vec![Arc::new(group)],
        ..Config::default()
    }
}

fn pair() -> Config {
    let members = [member("A", "eth0", 100), member("B", "eth4", 100)];
    config(&members, group("G", &["A", "B"]))
}

fn reload(config: Config) -> Input {
    Input::Reload(Arc::new(config))
}

fn rig(config: Config) -> Rig {
    let mut rig = Rig::new();
    rig.tell(reload(config));
    rig
}

fn active(config: Config) -> Rig {
    let mut rig = rig(config);
    while rig.states().contains(&State::Backup) {
        rig.expire();
    }
    rig
}

/// Transitions as keepalived's FIFO would have them.
fn lines(outputs: &[Output]) -> Vec<String> {
    let line = |output: &Output| match output {
        Output::Transition { router, to, .. } => {
            Some(format!("{} {to}", ["A", "B", "C"][router.index()]))
        }
        Output::GroupTransition { group, to } => Some(format!("{group} {to}")),
        _ => None,
    };
    outputs.iter().filter_map(line).collect()
}

fn why(outputs: &[Output], id: RouterId) -> Why {
    let why = outputs.iter().find_map(|output| match output {
        Output::Transition { router, why, .. } if *router == id => Some(why.clone()),
        _ => None,
    });
    why.unwrap()
}

impl Rig {
    pub(super) fn states(&self) -> Vec<State> {
        self.engine.snapshot().iter().map(|router| router.state).collect()
    }

    fn hear_for(&mut self, id: RouterId, host: u8, priority: u8) -> Vec<Output> {
        let mut advert = self.advert(host, priority, 100);
        advert.router = id;
        self.tell(Input::Advert(advert))
    }

    fn faults_of(&self, id: RouterId) -> Vec<Fault> {
        self.engine.router_snapshot(id).unwrap().faults.into_iter().collect()
    }
}

fn synced(member: &str) -> Why {
    Why::Synced { member: member.into() }
}

fn of_member(member: &str) -> Fault {
    Fault { reason: Reason::Member, object: member.into() }
}

#[test]
fn start_stop_and_takeover_are_told_in_keepalived_s_order() {
    let mut rig = Rig::new();
    assert_eq!(lines(&rig.tell(reload(pair()))), ["G BACKUP", "A BACKUP", "B BACKUP"]);
    // Both timers end at once, and are served in one go.
    let outputs = rig.expire();
    assert_eq!(lines(&outputs), ["A MASTER", "B MASTER", "G MASTER"]);
    assert_eq!(why(&outputs, A), Why::MasterDown);
    assert_eq!(why(&outputs, B), Why::MasterDown);
    let outputs = rig.tell(down("eth4"));
    assert_eq!(lines(&outputs), ["B FAULT", "A FAULT", "G FAULT"]);
    assert_eq!(why(&outputs, A), Why::Faulty(of_member("B")));
    // A can tell the others, and does.
    assert!(outputs.contains(&Output::Advert { router: A, priority: Priority::RELEASE }));
    assert_eq!(lines(&rig.tell(up("eth4"))), ["A BACKUP", "B BACKUP", "G BACKUP"]);
    rig.expire();
    let outputs = rig.hear_for(B, PEER, 200);
    assert_eq!(lines(&outputs), ["B BACKUP", "A BACKUP", "G BACKUP"]);
    assert_eq!(why(&outputs, A), synced("B"));
    // Who took over from B takes over from A as well.
    assert!(!outputs.iter().any(|output| matches!(output, Output::Advert { .. })));
    assert_eq!(lines(&rig.tell(Input::Shutdown)), ["A INIT", "B INIT"]);
}

#[test]
fn a_member_whose_timer_ends_waits_for_the_others() {
    let mut rig =
        rig(config(&[member("A", "eth0", 100), member("B", "eth4", 50)], group("G", &["A", "B"])));
    assert_eq!(lines(&rig.expire()), Vec::<String>::new());
    let groups = rig.engine.groups();
    assert_eq!((groups[0].state, &groups[0].ready), (State::Backup, &vec![name("A")]));
    // B hears a better master: A goes on waiting.
    rig.hear_for(B, PEER, 200);
    rig.pass(3000 * MS);
    rig.hear_for(B, PEER, 200);
    assert_eq!(rig.expire(), []);
    assert_eq!(rig.states(), [State::Backup, State::Backup]);
    // A hears one too, and must wait for its own timer again.
    rig.hear_for(A, PEER, 200);
    assert_eq!(rig.engine.groups()[0].ready, Vec::<Name>::new());
    rig.expire();
    assert_eq!(rig.states(), [State::Backup, State::Backup]);
    let outputs = rig.expire();
    assert_eq!(lines(&outputs), ["A MASTER", "B MASTER", "G MASTER"]);
}

#[test]
fn a_stamp_that_nobody_read_keeps_the_group_from_taking_over() {
    struct OfA(Stamp);
    impl Heard for OfA {
        fn stamp(&self, router: RouterId) -> Stamp {
            if router == A { self.0 } else { Stamp::default() }
        }
    }
    let mut rig =
        rig(config(&[member("A", "eth0", 200), member("B", "eth4", 50)], group("G", &["A", "B"])));
    let outputs = rig.hear_for(A, PEER, 250);
    let generation = expectation(&outputs).unwrap().unwrap().generation;
    rig.hear_for(B, PEER, 250);
    rig.expire();
    assert_eq!(rig.engine.groups()[0].ready, [name("A")]);
    // The master is back on A's LAN, and the dataplane alone heard it.
    let stamp = OfA(Stamp { at: rig.now + MS, generation });
    rig.now = rig.engine.deadline().unwrap();
    rig.engine.handle(rig.now, Input::Deadline, &stamp);
    assert!(lines(&std::iter::from_fn(|| rig.engine.poll()).collect::<Vec<_>>()).is_empty());
    assert_eq!(rig.engine.groups()[0].ready, [name("B")]);
}

#[test]
fn faults_of_members_add_up_and_never_hold_each_other() {
    let mut rig = active(pair());
    rig.tell(down("eth0"));
    let eth0 = Fault { reason: Reason::Interface, object: name("eth0") };
    let eth4 = Fault { reason: Reason::Interface, object: name("eth4") };
    assert_eq!(rig.faults_of(A), std::slice::from_ref(&eth0));
    assert_eq!(rig.faults_of(B), [of_member("A")]);
    let known = rig.engine.router_snapshot(B).unwrap().known;
    assert_eq!(known, [(of_member("A"), Known::Member([eth0.clone()].into()))]);
    assert_eq!(rig.tell(down("eth4")), []);
    assert_eq!(rig.faults_of(A), [eth0, of_member("B")]);
    assert_eq!(rig.tell(up("eth0")), []);
    assert_eq!(rig.faults_of(A), [of_member("B")]);
    assert_eq!(rig.faults_of(B), [eth4]);
    assert_eq!(lines(&rig.tell(up("eth4"))), ["A BACKUP", "B BACKUP", "G BACKUP"]);
    assert_eq!((rig.faults_of(A), rig.faults_of(B)), (vec![], vec![]));
}

#[test]
fn one_link_takes_all_members_that_are_on_it_on_their_own_account() {
    let members = [member("A", "eth0", 100), member("B", "eth0", 100), member("C", "eth5", 100)];
    let mut rig = active(config(&members, group("G", &["A", "B", "C"])));
    let outputs = rig.tell(down("eth0"));
    assert_eq!(lines(&outputs), ["A FAULT", "B FAULT", "C FAULT", "G FAULT"]);
    let own = Why::Faulty(Fault { reason: Reason::Interface, object: name("eth0") });
    assert_eq!((why(&outputs, A), why(&outputs, B)), (own.clone(), own));
    assert_eq!(why(&outputs, C), Why::Faulty(of_member("A")));
    assert_eq!(rig.faults_of(C), [of_member("A"), of_member("B")]);
}

#[test]
fn no_track_spares_the_whole_group() {
    for no_track in [false, true] {
        let mut a = member("A", "eth0", 100);
        a.excluded = vec![Vip { no_track, ..vip(44, "eth5") }];
        let mut rig = active(config(&[a, member("B", "eth4", 100)], group("G", &["A", "B"])));
        let outputs = rig.tell(down("eth5"));
        assert_eq!(outputs.is_empty(), no_track);
        assert_eq!(rig.states()[1] == State::Active, no_track);
    }
}

#[test]
fn owners_lead_together_or_not_at_all() {
    let owners = [member("A", "eth0", 255), member("B", "eth4", 255)];
    let mut rig = Rig::new();
    let outputs = rig.tell(reload(config(&owners, group("G", &["A", "B"]))));
    assert_eq!(lines(&outputs), ["A MASTER", "B MASTER", "G MASTER"]);
    rig.tell(down("eth0"));
    assert_eq!(lines(&rig.tell(up("eth0"))), ["A MASTER", "B MASTER", "G MASTER"]);
    let mixed = [member("A", "eth0", 255), member("B", "eth4", 100)];
    let mut rig = Rig::new();
    let outputs = rig.tell(reload(config(&mixed, group("G", &["A", "B"]))));
    assert_eq!(lines(&outputs), ["G BACKUP", "A BACKUP", "B BACKUP"]);
}

#[test]
fn who_may_not_preempt_keeps_the_others_from_it() {
    let stubborn = Instance { preempt: false, ..member("B", "eth4", 100) };
    let mut rig = rig(config(&[member("A", "eth0", 100), stubborn], group("G", &["A", "B"])));
    for _ in 0..10 {
        rig.pass(1000 * MS);
        rig.hear_for(A, PEER, 50);
        rig.hear_for(B, PEER, 50);
        rig.tell(Input::Deadline);
    }
    assert_eq!(rig.states(), [State::Backup, State::Backup]);
    assert_eq!(rig.engine.groups()[0].ready, [name("A")]);
}

#[test]
fn the_longest_preempt_delay_of_a_group_counts() {
    let slow = Instance { preempt_delay: 8000 * MS, ..member("B", "eth4", 100) };
    let mut rig = rig(config(&[member("A", "eth0", 100), slow], group("G", &["A", "B"])));
    let start = rig.now;
    while rig.states() == [State::Backup, State::Backup] {
        rig.pass(500 * MS);
        rig.hear_for(A, PEER, 50);
        rig.hear_for(B, PEER, 50);
        rig.tell(Input::Deadline);
    }
    assert_eq!(rig.states(), [State::Active, State::Active]);
    let took = rig.now.since(start);
    assert!(took > 8000 * MS && took < 13_000 * MS, "{took:?}");
}

#[test]
fn a_lost_address_makes_all_members_give_their_mastership_away() {
    let mut rig = active(pair());
    let outputs = rig.tell(Input::Lost { router: A, address: 0 });
    assert_eq!(lines(&outputs), ["A BACKUP", "B BACKUP", "G BACKUP"]);
    for router in [A, B] {
        assert!(outputs.contains(&Output::Advert { router, priority: Priority::RELEASE }));
    }
}

#[test]
fn a_lower_master_of_one_member_is_undone_for_all() {
    let mut rig = active(pair());
    let outputs = rig.hear_for(A, PEER, 50);
    assert!(outputs.contains(&Output::LowerHeard { router: A }));
    assert!(outputs.contains(&Output::Announce { router: B, times: 5 }));
    // A second one a little later is no news.
    rig.pass(100 * MS);
    assert_eq!(rig.hear_for(A, PEER, 50), []);
    rig.pass(890 * MS);
    assert!(rig.hear_for(A, PEER, 50).contains(&Output::LowerHeard { router: A }));
}

#[test]
fn what_the_group_tracks_each_member_tracks() {
    let mut tracked = group("G", &["A", "B"]);
    let eth5 = |weight| TrackInterface { interface: name("eth5"), weight, reverse: false };
    tracked.track_interfaces = vec![eth5(0)];
    let members = [member("A", "eth0", 100), member("B", "eth4", 100)];
    let mut rig = active(config(&members, tracked.clone()));
    let outputs = rig.tell(down("eth5"));
    let own = Fault { reason: Reason::TrackedInterface, object: name("eth5") };
    assert_eq!(lines(&outputs), ["A FAULT", "B FAULT", "G FAULT"]);
    assert_eq!(rig.faults_of(A), [own.clone(), of_member("B")]);
    assert_eq!(rig.faults_of(B), [own, of_member("A")]);
    // With a weight it is no fault, and both change by it.
    tracked.track_interfaces = vec![eth5(-30)];
    rig.tell(reload(config(&members, tracked.clone())));
    let priorities = |rig: &Rig| rig.engine.snapshot().iter().map(|r| r.effective_priority.0).sum();
    assert_eq!((rig.states(), priorities(&rig)), (vec![State::Backup; 2], 140u8));
    // The instance's own line without weight wins, with weight it gives way.
    let mut own = member("A", "eth0", 100);
    own.track_interfaces = vec![eth5(-50)];
    rig.tell(reload(config(&[own.clone(), member("B", "eth4", 100)], tracked.clone())));
    assert_eq!(priorities(&rig), 140u8);
    own.track_interfaces = vec![eth5(0)];
    rig.tell(reload(config(&[own, member("B", "eth4", 100)], tracked)));
    assert_eq!(rig.states(), [State::Fault; 2]);
}

#[test]
fn members_come_and_go_by_reloads() {
    let three = [member("A", "eth0", 100), member("B", "eth4", 100), member("C", "eth5", 100)];
    let mut rig = active(pair());
    // Who is new joins a group that is master.
    let outputs = rig.tell(reload(config(&three, group("G", &["A", "B", "C"]))));
    assert_eq!(lines(&outputs), ["C MASTER"]);
    assert_eq!(why(&outputs, C), synced("A"));
    // Who leaves takes nothing along.
    let outputs = rig.tell(reload(config(&three, group("G", &["A", "B"]))));
    assert_eq!(lines(&outputs), Vec::<String>::new());
    rig.hear_for(C, PEER, 200);
    assert_eq!(rig.states(), [State::Active, State::Active, State::Backup]);
    // Who has a better master takes the others along to backup.
    let outputs = rig.tell(reload(config(&three, group("G", &["A", "B", "C"]))));
    assert_eq!(lines(&outputs), ["A BACKUP", "B BACKUP", "G BACKUP"]);
    // Whose faults were another's has none alone.
    rig.tell(down("eth0"));
    assert_eq!(rig.states(), [State::Fault; 3]);
    let outputs = rig.tell(reload(config(&three, group("H", &["B", "C"]))));
    assert_eq!(lines(&outputs), ["H BACKUP", "B BACKUP", "C BACKUP"]);
    assert_eq!(rig.states()[0], State::Fault);
}

#[test]
fn who_waited_for_its_group_goes_on_alone() {
    let members = [member("A", "eth0", 200), member("B", "eth4", 50)];
    let mut rig = rig(config(&members, group("G", &["A", "B"])));
    rig.expire();
    assert_eq!(rig.engine.groups()[0].ready, [name("A")]);
    let outputs = rig.load(members);
    assert_eq!(lines(&outputs), ["A MASTER"]);
}

#[test]
fn a_startup_delay_ends_for_all_members_at_once() {
    let globals = Globals { startup_delay: 5000 * MS, ..Globals::default() };
    let mut rig = Rig::new();
    assert_eq!(lines(&rig.tell(reload(Config { globals, ..pair() }))), Vec::<String>::new());
    assert_eq!(lines(&rig.expire()), ["G BACKUP", "A BACKUP", "B BACKUP"]);
}

#[test]
fn a_script_without_result_holds_the_whole_group_in_silence() {
    let mut pair = pair();
    let script = super::tracked::script("s");
    let track = Track { object: name("s"), weight: 0, reverse: false };
    pair.scripts = vec![Arc::new(script)];
    let mut a = (*pair.instances[0]).clone();
    a.tracks.scripts = vec![track];
    pair.instances[0] = Arc::new(a);
    let start = |rig: &mut Rig| lines(&rig.tell(reload(pair.clone())));
    let told = |succeeded| Input::Script { name: name("s"), succeeded };
    let mut rig = Rig::new();
    assert_eq!(start(&mut rig), Vec::<String>::new());
    assert_eq!(rig.states(), [State::Initialize; 2]);
    assert!(rig.engine.snapshot().iter().all(|router| router.waits));
    assert_eq!(lines(&rig.tell(told(true))), ["A BACKUP", "B BACKUP", "G BACKUP"]);
    // A fault beside it is told, and lasts until the result is there.
    let mut rig = Rig::new();
    rig.tell(down("eth4"));
    assert_eq!(start(&mut rig), ["B FAULT", "A FAULT", "G FAULT"]);
    assert_eq!(lines(&rig.tell(up("eth4"))), Vec::<String>::new());
    assert_eq!(lines(&rig.tell(told(true))), ["A BACKUP", "B BACKUP", "G BACKUP"]);
}
