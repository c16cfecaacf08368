//! Who is told of transitions.
