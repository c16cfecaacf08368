//! What does a router track: its own objects and those of its sync group.
use crate::config::model::{Instance, Name, TrackInterface};
use crate::config::tracked::{SyncGroup, Track, Tracks};

/// Everything one router tracks.
///
/// Where an instance and its group track the same object, the group's weight counts, unless the
/// instance has it without weight: keepalived's rule.
#[derive(Clone, Copy)]
pub(super) struct Tracking<'a> {
    pub(super) instance: &'a Instance,
    pub(super) group: Option<&'a SyncGroup>,
}

impl<'a> Tracking<'a> {
    /// `track_interface`.
    pub(super) fn interfaces(self) -> impl Iterator<Item = &'a TrackInterface> {
        let shared = self.group.map_or(&[][..], |group| &group.track_interfaces);
        merge(
            &self.instance.track_interfaces,
            shared,
            |track| &track.interface,
            |track| track.weight,
        )
    }

    /// `track_script`.
    pub(super) fn scripts(self) -> impl Iterator<Item = &'a Track> {
        self.tracks(|tracks| &tracks.scripts)
    }

    /// `track_file`.
    pub(super) fn files(self) -> impl Iterator<Item = &'a Track> {
        self.tracks(|tracks| &tracks.files)
    }

    /// `track_process`.
    pub(super) fn processes(self) -> impl Iterator<Item = &'a Track> {
        self.tracks(|tracks| &tracks.processes)
    }

    fn tracks(self, of: fn(&'a Tracks) -> &'a Vec<Track>) -> impl Iterator<Item = &'a Track> {
        let shared = self.group.map_or(&[][..], |group| of(&group.tracks));
        merge(of(&self.instance.tracks), shared, |track| &track.object, |track| track.weight)
    }
}

fn merge<'a, T>(
    own: &'a [T],
    shared: &'a [T],
    object: fn(&T) -> &Name,
    weight: fn(&T) -> i16,
) -> impl Iterator<Item = &'a T> {
    let both =
        move |one: &T, others: &'a [T]| others.iter().find(|other| object(other) == object(one));
    own.iter()
        .filter(move |one| weight(one) == 0 || both(one, shared).is_none())
        .chain(shared.iter().filter(move |one| both(one, own).is_none_or(|own| weight(own) != 0)))
}
