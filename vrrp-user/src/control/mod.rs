//! How a running daemon is asked.
