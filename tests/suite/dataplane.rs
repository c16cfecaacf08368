//! Does the dataplane do on real interfaces what it says.
