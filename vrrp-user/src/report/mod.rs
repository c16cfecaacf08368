//! What a snapshot looks like as text and JSON.
//!
//! - [`model`]: the JSON everyone reads: `show --json`, the control socket
//! - [`gather`]: from the engine's, the network's and the dataplane's views to the model
//! - [`standard`]: the same under the names of RFC 8347 and RFC 6527
//! - [`grid`]: columns that fit a terminal
//! - [`capture`], [`pcapng`]: captured frames
//! - [`view`], [`histogram`]: what the loop hands over for it
//! - [`lists`]: what is counted, and the XDP program
//! - [`metrics`]: the text Prometheus reads
//! - [`table`]: many routers, a line each
//! - [`detail`]: one router, key and value
//! - [`routing`]: routes and rules as `ip` writes them
//! - [`keepalived`]: keepalived's own dump files
pub mod capture;
pub mod detail;
pub mod gather;
pub mod grid;
pub mod histogram;
pub mod keepalived;
pub mod lists;
pub mod metrics;
pub mod model;
pub mod pcapng;
pub mod routing;
pub mod standard;
pub mod table;
pub mod view;
pub mod why;
