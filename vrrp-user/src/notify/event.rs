//! What is told, in keepalived's words.
use crate::config::model::{Instance, Name};
use crate::config::program::{Notify, Program};
use crate::config::tracked::SyncGroup;
use std::sync::Arc;
use vrrp_common::ident::Priority;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Became master.
    Master,
    /// Became backup.
    Backup,
    /// Fell into FAULT.
    Fault,
    /// The daemon stops.
    Stop,
    /// A reload took it away.
    Deleted,
    /// As master heard an advert of lower priority.
    LowerHeard,
    /// Priority changed while master.
    MasterPriority,
    /// Priority changed otherwise.
    BackupPriority,
}

/// Of whom it is told.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An instance.
    Instance(Arc<Instance>),
    /// A sync group.
    Group(Arc<SyncGroup>),
}

/// One thing to tell.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Of whom.
    pub subject: Subject,
    /// What.
    pub event: Event,
    /// Its effective priority; 0 for a group.
    pub priority: Priority,
}

impl Event {
    const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
            Self::LowerHeard => "MASTER_RX_LOWER_PRI",
            Self::MasterPriority => "MASTER_PRIORITY",
            Self::BackupPriority => "BACKUP_PRIORITY",
        }
    }
}

impl Subject {
    fn notify(&self) -> &Notify {
        match self {
            Self::Instance(instance) => &instance.notify,
            Self::Group(group) => &group.notify,
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Instance(_) => "INSTANCE",
            Self::Group(_) => "GROUP",
        }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        match self {
            Self::Instance(instance) => &instance.name,
            Self::Group(group) => &group.name,
        }
    }
}

impl Notice {
    /// Of an instance.
    pub fn instance(instance: &Arc<Instance>, event: Event, priority: Priority) -> Self {
        Self { subject: Subject::Instance(Arc::clone(instance)), event, priority }
    }

    /// Of a sync group.
    pub fn group(group: &Arc<SyncGroup>, event: Event) -> Self {
        Self { subject: Subject::Group(Arc::clone(group)), event, priority: Priority(0) }
    }

    /// An instance that a reload takes away is said to be in FAULT unless it has `notify_deleted`.
    fn said(&self) -> Event {
        match self.event {
            Event::Deleted if !self.subject.notify().deleted.given => Event::Fault,
            event => event,
        }
    }

    /// The line for a FIFO.
    pub fn line(&self) -> String {
        let Priority(priority) = self.priority;
        let (kind, name) = (self.subject.kind(), self.subject.name());
        format!("{kind} \"{name}\" {} {priority}\n", self.said().word())
    }

    /// The programs to run, the event's own first, and what each is told.
    pub fn programs(&self) -> Vec<(&Program, Vec<String>)> {
        let notify = self.subject.notify();
        let (own, any) = match self.event {
            Event::Master => (&notify.master, true),
            Event::Backup => (&notify.backup, true),
            Event::Fault => (&notify.fault, true),
            Event::Stop => (&notify.stop, true),
            // Its `notify_fault` is not run where it is said to be in FAULT.
            Event::Deleted => (&notify.deleted.program, true),
            Event::LowerHeard => (&notify.lower, false),
            Event::MasterPriority | Event::BackupPriority => return Vec::new(),
        };
        let own = own.as_deref().map(|program| (program, Vec::new()));
        let any = notify.any.as_deref().filter(|_| any).map(|program| {
            let Priority(priority) = self.priority;
            let words = [self.subject.kind(), self.subject.name(), self.said().word()];
            let words = words.map(str::to_owned).into_iter().chain([priority.to_string()]);
            (program, words.collect())
        });
        own.into_iter().chain(any).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Origin;
    use vrrp_common::ident::{Family, Vrid};

    fn program(name: &str) -> Option<Box<Program>> {
        let words = vec![name.into()];
        Some(Box::new(Program { words, user: None, origin: Origin::default() }))
    }

    fn notice(event: Event, deleted: bool) -> Notice {
        let mut instance = Instance::new("VI_1", "eth0", Vrid::new(1).unwrap(), Family::V4);
        instance.notify = Notify {
            any: program("any"),
            master: program("master"),
            backup: program("backup"),
            fault: program("fault"),
            stop: program("stop"),
            lower: program("lower"),
            ..Notify::default()
        };
        instance.notify.deleted.given = deleted;
        instance.notify.deleted.program = program("deleted").filter(|_| deleted);
        Notice { subject: Subject::Instance(instance.into()), event, priority: Priority(101) }
    }

    #[test]
    fn each_event_has_its_line_and_its_programs() {
        for (event, deleted, word, own) in [
            (Event::Master, false, "MASTER", "master any"),
            (Event::Backup, false, "BACKUP", "backup any"),
            (Event::Fault, false, "FAULT", "fault any"),
            (Event::Stop, false, "STOP", "stop any"),
            (Event::Deleted, true, "DELETED", "deleted any"),
            (Event::Deleted, false, "FAULT", "any"),
            (Event::LowerHeard, false, "MASTER_RX_LOWER_PRI", "lower"),
            (Event::MasterPriority, false, "MASTER_PRIORITY", ""),
            (Event::BackupPriority, false, "BACKUP_PRIORITY", ""),
        ] {
            let notice = notice(event, deleted);
            assert_eq!(notice.line(), format!("INSTANCE \"VI_1\" {word} 101\n"));
            let programs = notice.programs();
            let names: Vec<_> = programs.iter().map(|(p, _)| p.words[0].as_str()).collect();
            assert_eq!(names.join(" "), own, "{event:?}");
            for (program, words) in programs {
                let all = program.words[0] == "any";
                let expected: &[&str] = if all { &["INSTANCE", "VI_1", word, "101"] } else { &[] };
                assert_eq!(words, expected, "{event:?}");
            }
        }
    }
}
