//! Does xvrrp look like keepalived to whoever looks at keepalived: dump files, flags, signals.
mod dumps;
