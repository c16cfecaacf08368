//! When is a configuration applied: once every interface it needs has its path, or is refused one.
//!
//! Attaching the program waits for the kernel, and the loop does not. So a configuration, the first
//! one as any later one, is a proposal at first: its interfaces are opened, and the configuration
//! that is running goes on until the answers are in.
use super::advert_loop::AdvertLoop;
use super::handover::Loaded;
use super::{clock, preflight};
use crate::config::model::{Config, Name};
use crate::engine::input::Input;
use crate::net::task;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use vrrp_common::time::Instant;

/// How long to wait for the best path where a socket receives meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// A configuration that is not applied yet.
#[derive(Debug)]
struct Proposal {
    loaded: Loaded,
    /// Who is told; nobody for the first one, whose refusal ends the daemon.
    answer: Option<oneshot::Sender<Result<(), String>>>,
}

/// The one whose interfaces are being opened.
#[derive(Debug)]
struct Waiting {
    proposal: Proposal,
    warned: Vec<String>,
    refused: Option<String>,
    /// When interfaces that receive already are waited for no longer.
    patience: Option<Instant>,
}

/// Configurations that are to be applied, one after the other.
#[derive(Debug, Default)]
pub struct Proposals {
    waiting: Option<Waiting>,
    queue: VecDeque<Proposal>,
    /// Whether the links are known, without which nothing can be said of a configuration.
    begun: bool,
    applied: bool,
}

impl Proposals {
    /// The daemon was started with `loaded`.
    pub fn begin_with(loaded: Loaded) -> Self {
        let first = Proposal { loaded, answer: None };
        Self { queue: VecDeque::from([first]), ..Self::default() }
    }

    /// The links are known.
    pub const fn begin(&mut self) {
        self.begun = true;
    }

    /// Whether the first one is still to be applied.
    pub const fn none_applied(&self) -> bool {
        !self.applied
    }

    /// One more, to be answered.
    pub fn add(&mut self, loaded: Loaded, answer: oneshot::Sender<Result<(), String>>) {
        self.queue.push_back(Proposal { loaded, answer: Some(answer) });
    }

    /// When to look again, if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.as_ref()?.patience
    }
}

impl AdvertLoop {
    /// Applies or refuses what can be by now.
    pub(super) fn consider(&mut self) -> anyhow::Result<()> {
        while self.proposals.begun && !self.stopping {
            let Some(waiting) = self.proposals.waiting.take() else {
                let Some(proposal) = self.proposals.queue.pop_front() else { break };
                match self.prepare(&proposal.loaded.config) {
                    Ok(warned) => {
                        let nanos = u64::try_from(PATIENCE.as_nanos())?;
                        let end = clock::now().as_nanos().saturating_add(nanos);
                        let patience = Some(Instant::from_nanos(end));
                        self.proposals.waiting =
                            Some(Waiting { proposal, warned, refused: None, patience });
                    }
                    Err(why) => self.turn_down(proposal, why)?,
                }
                continue;
            };
            if self.must_wait(&waiting) {
                let patience = waiting.patience.filter(|end| *end > clock::now());
                self.proposals.waiting = Some(Waiting { patience, ..waiting });
                break;
            }
            let Waiting { proposal, warned, refused, .. } = waiting;
            if let Some(why) = refused {
                self.turn_down(proposal, why)?;
                continue;
            }
            for warning in warned {
                tracing::warn!("{warning}");
            }
            self.apply(proposal.loaded);
            if let Some(answer) = proposal.answer {
                // Whoever asked may be gone.
                let _unheard = answer.send(Ok(()));
            }
        }
        Ok(())
    }

    /// Opens what a configuration needs, or says why it cannot be; nothing that runs is changed.
    fn prepare(&mut self, config: &Config) -> Result<Vec<String>, String> {
        let found = preflight::interfaces(config, |name| {
            self.links.get(name).is_some_and(|link| link.ifindex != 0)
        });
        if !found.refused.is_empty() {
            return Err(found.refused.join("; "));
        }
        let interfaces: BTreeSet<&Name> =
            config.instances.iter().map(|instance| &instance.interface).collect();
        for interface in interfaces {
            let was_open = self.open.contains_key(interface);
            let used = self.used(interface);
            match self.open_port(interface) {
                // A router that could not receive when it was started tries again.
                Ok(()) if used && !was_open => {
                    self.place_all(interface);
                    self.tell_link(interface);
                }
                Ok(()) => {}
                Err(e) if used => tracing::error!("{e:#}"),
                Err(e) => return Err(format!("{e:#}")),
            }
        }
        Ok(found.warned)
    }

    /// Whether the kernel has still to answer for one of its interfaces. One on which nothing is
    /// received meanwhile is waited for: a router that cannot receive as asked for would be a
    /// second master.
    fn must_wait(&self, waiting: &Waiting) -> bool {
        let patient = waiting.patience.is_some_and(|end| end > clock::now());
        let instances = &waiting.proposal.loaded.config.instances;
        waiting.refused.is_none()
            && instances
                .iter()
                .filter_map(|instance| self.open.get(&instance.interface))
                .any(|open| open.pending && (patient || !open.ready))
    }

    /// An interface cannot have its path. A proposal that would put the first router there is
    /// refused; else the reason comes back.
    pub(super) fn refuse(&mut self, interface: &Name, why: String) -> Option<String> {
        let used = self.used(interface);
        match &mut self.proposals.waiting {
            Some(waiting)
                if !used
                    && waiting.refused.is_none()
                    && waiting
                        .proposal
                        .loaded
                        .config
                        .instances
                        .iter()
                        .any(|instance| instance.interface == *interface) =>
            {
                waiting.refused = Some(why);
                None
            }
            _ => Some(why),
        }
    }

    fn turn_down(&mut self, proposal: Proposal, why: String) -> anyhow::Result<()> {
        for instance in &proposal.loaded.config.instances {
            self.close_if_unused(&instance.interface);
        }
        match proposal.answer {
            Some(answer) => {
                // Whoever asked may be gone.
                let _unheard = answer.send(Err(why));
                Ok(())
            }
            None => Err(anyhow::Error::msg(why)),
        }
    }

    fn apply(&mut self, Loaded { config, tracked }: Loaded) {
        self.workers.notifier.configure(Arc::clone(&config));
        self.config = Arc::clone(&config);
        // Numbers of routers may be those of others from here on.
        self.plane.end_mirror("the daemon has loaded a configuration");
        self.send_net(task::Command::Globals(Arc::clone(&config)));
        if self.proposals.applied {
            // Who reloads wants to be sure.
            self.send_net(task::Command::Resync);
        }
        // Before the routers start, so that none starts in a state that is over at once.
        for input in tracked {
            self.tell(clock::now(), input);
        }
        self.tell(clock::now(), Input::Reload(Arc::clone(&config)));
        self.engine.slim();
        // What went made room for what found none.
        self.place_again();
        self.workers.tracker.watch(&config);
        self.proposals.applied = true;
    }
}
