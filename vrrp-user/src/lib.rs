//! xvrrp: VRRP router redundancy with an XDP dataplane.
//!
//! - [`config`]: text to validated model
//! - [`engine`]: the state machine, without IO
//! - [`dataplane`]: how adverts arrive
//! - [`net`]: links, addresses, routes, transmitted packets
//! - [`report`]: snapshots as text and JSON
//! - [`daemon`]: the loop that joins them
//! - [`control`]: the unix socket
//! - [`cli`]: one verb a file
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dataplane;
pub mod engine;
pub mod net;
pub mod notify;
pub mod program;
pub mod report;
pub mod track;
