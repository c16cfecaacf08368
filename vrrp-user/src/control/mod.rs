//! How a running daemon is asked.
//!
//! One request, one answer, each a line of JSON, over a unix socket that only root and the daemon's
//! own user may use.
//!
//! - [`protocol`]: what can be asked and answered
//! - [`socket`]: where sockets are, and whose
//! - [`server`]: the daemon's side of the socket
//! - [`answers`]: what it answers
//! - [`capture`]: the one answer that goes on: captured frames
//! - [`client`]: the side of `xvrrp show` and others
pub mod answers;
pub mod capture;
pub mod client;
pub mod protocol;
pub mod server;
pub mod socket;
