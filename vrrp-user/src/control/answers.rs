//! What is answered to each thing that can be asked.
//!
//! Reports are written on threads of their own: the main thread has addresses to add meanwhile.
use super::protocol::{Answer, Command, LONGEST_HOLD_MS};
use crate::daemon::advert_loop::Message;
use crate::daemon::carry_out::why_words;
use crate::daemon::past::Transition;
use crate::daemon::questions::{Found, Question};
use crate::daemon::service::Handle;
use crate::daemon::{clock, programs};
use crate::engine::snapshot::State;
use crate::net::statics::STATICS;
use crate::net::task::OwnedReport;
use crate::report::standard::Clock;
use crate::report::view::View;
use crate::report::{gather, model, standard};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::oneshot;
use vrrp_common::ident::RouterId;

/// Names longer than this are no slip of the keyboard.
const LONGEST_SLIP: usize = 64;

/// The line that is answered.
pub(super) async fn answer(command: Command, handle: &Handle) -> Vec<u8> {
    let answered = match command {
        Command::Snapshot => ask(handle, Question::View).await.map(|view| {
            let handle = handle.clone();
            later(move || Answer::Snapshot(Box::new(snapshot(&handle, &view))))
        }),
        Command::Counters => ask(handle, Question::View)
            .await
            .map(|view| later(move || Answer::Counters(Box::new(gather::counted(&whole(&view)))))),
        Command::Instance(name) => {
            let asked = name.clone();
            ask(handle, move |answer| Question::One(asked, answer)).await.map(|found| {
                let handle = handle.clone();
                later(move || match found {
                    Ok(view) => Answer::Snapshot(Box::new(only(snapshot(&handle, &view)))),
                    Err(names) => unknown(&name, &names),
                })
            })
        }
        Command::Events => ask(handle, Question::Past).await.map(|past| {
            later(move || Answer::Events(past.iter().map(event_of(clock())).collect()))
        }),
        Command::Xdp => ask(handle, Question::View).await.map(|view| {
            later(move || match programs::programs(&view) {
                Ok(programs) => Answer::Xdp(programs),
                Err(why) => Answer::Error(why),
            })
        }),
        // Has answers of its own.
        Command::Capture { .. } => return text(&Answer::Error("no capture here".to_owned())),
        Command::Reload => return text(&done(handle.reload().await)),
        Command::LogLevel(filter) => return text(&done(handle.log.set(&filter))),
        Command::Announce(name) => {
            let asked = name.clone();
            ask(handle, move |answer| Question::Announce(asked, answer)).await.map(|found| {
                later(move || match (found, name) {
                    (Ok(0), Some(name)) => Answer::Error(format!("{name} is not the master")),
                    (Ok(0), None) => Answer::Error("no instance is the master".to_owned()),
                    (Ok(_), _) => Answer::Done,
                    (Err(names), name) => unknown(&name.unwrap_or_default(), &names),
                })
            })
        }
        Command::Demote { instance: name, hold_ms } => {
            let hold = Duration::from_millis(hold_ms.min(LONGEST_HOLD_MS));
            let asked = name.clone();
            let question = move |answer| Question::Demote { name: asked, hold, answer };
            ask(handle, question).await.map(|found: Found<State>| {
                later(move || match found {
                    Ok(State::Active | State::Backup) => Answer::Done,
                    Ok(state) => Answer::Error(format!(
                        "{name} is in {state}: it is not the master, and cannot say who is"
                    )),
                    Err(names) => unknown(&name, &names),
                })
            })
        }
    };
    match answered {
        Some(writing) => writing.await.unwrap_or_default(),
        None => text(&Answer::Error("the daemon is stopping".to_owned())),
    }
}

/// An answer as a line.
pub(super) fn text(answer: &Answer) -> Vec<u8> {
    let mut text = serde_json::to_vec(answer).unwrap_or_default();
    text.push(b'\n');
    text
}

fn later(make: impl FnOnce() -> Answer + Send + 'static) -> tokio::task::JoinHandle<Vec<u8>> {
    tokio::task::spawn_blocking(move || text(&make()))
}

fn done(result: Result<(), String>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(why) => Answer::Error(why),
    }
}

/// Asks the loop; nothing where it has ended.
pub async fn ask<T>(
    handle: &Handle,
    question: impl FnOnce(oneshot::Sender<T>) -> Question,
) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    handle.mailbox.send(Message::Ask(question(answer)));
    answered.await.ok()
}

pub(super) fn unknown(name: &str, names: &[crate::config::model::Name]) -> Answer {
    let nearest = (name.len() <= LONGEST_SLIP)
        .then(|| names.iter().min_by_key(|known| strsim::damerau_levenshtein(known, name)))
        .flatten();
    Answer::Error(match nearest {
        Some(nearest) => format!("no instance `{name}`; did you mean `{nearest}`?"),
        None if names.is_empty() => format!("no instance `{name}`: the daemon has none at all"),
        None => format!("no instance `{name}`"),
    })
}

/// The two clocks now. What is told of is a moment old by then; a date is not told to that precision.
fn clock() -> Clock {
    Clock { now: clock::now(), wall: clock::wall() }
}

fn event_of(clock: Clock) -> impl Fn(&Transition) -> model::Event {
    move |transition| {
        gather::event(
            clock,
            transition.at,
            &transition.instance,
            (transition.from, transition.to),
            transition.priority,
            why_words(&transition.why),
        )
    }
}

/// Leaves the port of the one instance there is.
fn only(mut snapshot: model::Snapshot) -> model::Snapshot {
    let interfaces: Vec<_> = snapshot.instances.iter().map(|i| i.interface.clone()).collect();
    snapshot.ports.retain(|port| interfaces.contains(&port.interface));
    snapshot
}

/// Everything in `view`, without what became of the addresses.
fn whole(view: &View) -> model::Snapshot {
    report(view, &HashMap::new())
}

/// Everything the daemon knows of what is in `view`.
fn snapshot(handle: &Handle, view: &View) -> model::Snapshot {
    // Copied, for the network task waits for this lock.
    let owned = handle.owned.lock().map(|owned| owned.clone()).unwrap_or_default();
    model::Snapshot {
        config: handle.config.display().to_string(),
        reload_error: handle.reload_error.lock().ok().and_then(|error| error.clone()),
        log_dropped: handle.log.dropped(),
        ..report(view, &owned)
    }
}

fn report(view: &View, owned: &HashMap<RouterId, OwnedReport>) -> model::Snapshot {
    let clock = Clock { now: view.now, wall: clock::wall() };
    let nothing = OwnedReport::default();
    let instances = view.routers.iter().map(|(router, counts)| {
        let port = view.ports.iter().find(|port| *port.interface == *router.instance.interface);
        let owned = owned.get(&router.id).unwrap_or(&nothing);
        gather::instance(clock, router, counts, owned, port.map(|port| port.path))
    });
    let groups = view.groups.iter().map(|group| gather::group(view.now, group));
    model::Snapshot {
        format: model::FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        instances: instances.collect(),
        groups: groups.collect(),
        statics: gather::statics(&view.config.statics, owned.get(&STATICS)),
        ports: view.ports.iter().map(gather::port).collect(),
        controller: model::Controller {
            events: view.events,
            wakeups: view.wakeups,
            send_errors: view.send_errors,
        },
        ietf_vrrp: standard::global(
            clock,
            view.counted_since,
            &view.routers,
            view.ports.iter().map(|port| &port.counts),
        ),
        ..model::Snapshot::default()
    }
}
