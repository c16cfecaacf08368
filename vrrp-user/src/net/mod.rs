//! What the kernel knows of links, addresses and routes, and what it is told.
//!
//! Two halves. [`task`] runs on tokio: it follows links and addresses, and makes the kernel's
//! addresses and routes what they should be. The transmitter lives on the loop's thread.
//!
//! - [`task`]: commands in, events out; `work` joins what follows
//!   - `netlink` asks and hears the kernel, `message` knows its words with `route_message` and
//!     `rule_message`, `change` what they mean with `path`
//!   - `table`: what is in the kernel
//!   - `reconcile`: what has to be done, with `slots`, `entry`, `look`, `routing`, `promote`,
//!     `patience`; `routing` is of `routes` and `rules`, both of
//!     `owners`
//!   - `announce`: when addresses are announced
//! - [`guard`]: addresses that take no packets, as a table of rules (`ruleset`) told to the
//!   kernel by `nft`
//! - [`transmit`]: adverts, built by `frame`
//! - [`membership`]: multicast groups
//! - [`namespace`]: moving to another one
//! - [`statics`]: what is there whatever the instances' states
//! - `sys`: the few calls that need `unsafe`
mod announce;
mod change;
mod entry;
mod frame;
pub mod guard;
mod look;
pub mod membership;
mod message;
pub mod namespace;
mod netlink;
mod nft;
mod owners;
mod path;
mod patience;
mod promote;
mod reconcile;
mod route_message;
mod routes;
mod routing;
mod rule_message;
mod rules;
mod ruleset;
mod slots;
pub mod statics;
mod sys;
mod table;
pub mod task;
pub mod transmit;
mod work;

pub(crate) use sys::realtime;
