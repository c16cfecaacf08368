//! Where do end-to-end tests run: network namespaces wired together, with real daemons in them.
//!
//! Everything made here is removed when it is dropped, also by a panic, and what a killed test run
//! left behind is removed by the next one. A failure of the lab itself panics: its only callers
//! are tests.
//!
//! - [`netns`][]: namespaces
//! - [`process`][]: what a process uses
//! - [`switch`][]: the segment routers share, and its ports
//! - [`socket`][]: the raw socket under [`capture`] and [`frame`] injection
//! - [`capture`][]: what was on the wire, when
//! - [`decode`][]: what a captured frame says
//! - [`frame`][]: frames to inject, right and wrong
//! - [`master`][]: a scripted master
//! - [`conf`][]: configuration text both daemons understand
//! - [`daemon`][]: xvrrp and keepalived, started and stopped
//! - [`report`][]: what `show --json` says
//! - [`monitor`][]: what the kernel told of links and addresses, and when
//! - [`fifo`][]: what a notify fifo was told
//! - [`cases`][]: many independent cases at once
//! - [`stall`][]: how late the machine itself is
//! - [`wait`][]: waiting with a deadline
pub mod capture;
pub mod cases;
pub mod conf;
pub mod daemon;
pub mod decode;
pub mod fifo;
pub mod frame;
pub mod master;
pub mod monitor;
pub mod netns;
pub mod process;
pub mod report;
pub mod socket;
pub mod stall;
pub mod switch;
pub mod wait;
