//! How adverts reach the engine: XDP where it can be had, packet sockets elsewhere.
pub mod port;
