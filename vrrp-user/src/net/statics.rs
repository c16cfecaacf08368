//! How static objects are those of a router that owns them from start to stop.
use super::reconcile::Reconciler;
use super::slots::Slot;
use crate::config::model::{Instance, Statics, Vip};
use crate::config::routing::StaticAddress;
use std::sync::Arc;
use vrrp_common::ident::{Family, RouterId, Vrid};

/// The number of that router, which the engine does not know of.
pub const STATICS: RouterId = RouterId(u32::MAX);

/// One it must have; no packet carries it.
const VRID: Vrid = Vrid::new(u8::MAX).unwrap();

impl Reconciler {
    /// What is static from now on.
    pub(crate) fn statics(&mut self, statics: &Statics) {
        let instance = instance(statics);
        let known = self.instance(STATICS);
        if known.is_some_and(|known| *known == instance)
            || known.is_none() && *statics == Statics::default()
        {
            return;
        }
        self.router(STATICS, Arc::new(instance));
        self.own(STATICS, true, 0);
    }

    /// Whether an address is static: an own address of its link like any other.
    pub(super) fn is_static(&self, slot: &Slot) -> bool {
        self.users(slot).iter().any(|(id, _)| *id == STATICS)
    }
}

fn instance(statics: &Statics) -> Instance {
    let mut instance = Instance::new("static", "", VRID, Family::V4);
    // Whoever removes one, it is put back: there is no state it could lead to.
    let address = |own: &StaticAddress| Vip { no_track: true, ..own.vip.clone() };
    instance.excluded = statics.addresses.iter().map(address).collect();
    instance.routes.clone_from(&statics.routes);
    instance.rules.clone_from(&statics.rules);
    // Nobody takes them over, so nobody needs to be told.
    instance.garp.repeat = 0;
    instance
}
