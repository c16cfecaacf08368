//! What does `keepalived.data` hold: the configuration as it is understood, and the state.
use super::{Dump, Lines, globals, instance, line, links, pauses, statics, tracked};

/// The file.
pub fn render(dump: &Dump<'_>) -> String {
    let mut to = Lines::default();
    globals::render(&mut to, dump);
    let groups = pauses::groups(dump);
    pauses::render(&mut to, dump, &groups);
    statics::render(&mut to, dump);
    if !dump.routers.is_empty() {
        line!(to, "------< VRRP Topology >------");
    }
    for router in dump.routers {
        instance::render(&mut to, dump, router);
    }
    tracked::render(&mut to, dump);
    links::render(&mut to, dump, &groups);
    to.0
}
