//! Do the dump files have keepalived's lines for what the daemon does.
