//! What joins engine, dataplane and network.
