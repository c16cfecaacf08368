//! What the kernel knows of links, addresses and routes, and what it is told.
//!
//! Two halves. [`task`] runs on tokio: it follows links and addresses, and makes the kernel's
//! addresses and routes what they should be. The transmitter lives on the loop's thread.
//!
//! - [`task`]: commands in, events out
//! - [`transmit`]: adverts, built by `frame`
//! - [`membership`]: multicast groups
mod announce;
mod change;
mod entry;
mod frame;
pub mod membership;
mod message;
mod netlink;
mod patience;
mod promote;
mod reconcile;
mod routes;
mod slots;
mod sys;
mod table;
pub mod task;
pub mod transmit;
mod work;
