//! What do instances and groups say alike: what they track, and whom they tell.
use super::program::program;
use super::track::{self, MOST, MOST_OF_SCRIPTS, TracksDraft};
use super::{parts, value};
use crate::config::findings::{Findings, Span};
use crate::config::model::TrackInterface;
use crate::config::program::Notify;
use crate::config::tree::Node;

/// A part of what a block says.
#[derive(Default)]
pub(in crate::config) struct Alike {
    pub(super) track_interfaces: Vec<(TrackInterface, Span)>,
    pub(super) tracks: TracksDraft,
    pub(super) notify: Notify,
    pub(super) notify_priority_changes: Option<bool>,
}

pub(super) fn interfaces(block: &mut impl AsMut<Alike>, node: &Node, findings: &mut Findings) {
    parts::track_interface(node, &mut block.as_mut().track_interfaces, findings);
}

pub(super) fn scripts(block: &mut impl AsMut<Alike>, node: &Node, findings: &mut Findings) {
    track::read(node, MOST_OF_SCRIPTS, &mut block.as_mut().tracks.scripts, findings);
}

pub(super) fn files(block: &mut impl AsMut<Alike>, node: &Node, findings: &mut Findings) {
    track::read(node, MOST, &mut block.as_mut().tracks.files, findings);
}

pub(super) fn processes(block: &mut impl AsMut<Alike>, node: &Node, findings: &mut Findings) {
    track::read(node, MOST, &mut block.as_mut().tracks.processes, findings);
}

pub(super) fn any(block: &mut impl AsMut<Alike>, node: &Node, findings: &mut Findings) {
    block.as_mut().notify.any = program(node, findings);
}

pub(super) fn master(block: &mut impl AsMut<Alike>, node: &Node, findings: &mut Findings) {
    block.as_mut().notify.master = program(node, findings);
}

pub(super) fn backup(block: &mut impl AsMut<Alike>, node: &Node, findings: &mut Findings) {
    block.as_mut().notify.backup = program(node, findings);
}

pub(super) fn fault(block: &mut impl AsMut<Alike>, node: &Node, findings: &mut Findings) {
    block.as_mut().notify.fault = program(node, findings);
}

pub(super) fn stop(block: &mut impl AsMut<Alike>, node: &Node, findings: &mut Findings) {
    block.as_mut().notify.stop = program(node, findings);
}

pub(super) fn priority_changes(
    block: &mut impl AsMut<Alike>,
    node: &Node,
    findings: &mut Findings,
) {
    block.as_mut().notify_priority_changes = value::switch(node, findings);
}
