//! What does `keepalived.data` hold: the configuration as it is understood, and the state.
use super::{Dump, Lines, globals, instance, line, links, statics, tracked};

/// The file.
pub fn render(dump: &Dump<'_>) -> String {
    let mut to = Lines::default();
    globals::render(&mut to, dump);
    statics::render(&mut to, dump);
    if !dump.routers.is_empty() {
        line!(to, "------< VRRP Topology >------");
    }
    for router in dump.routers {
        instance::render(&mut to, dump, router);
    }
    tracked::render(&mut to, dump);
    links::render(&mut to, dump);
    to.0
}
