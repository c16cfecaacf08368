//! What does a keepalived.conf say: text to tokens with spans, to a tree, to a validated model.
pub mod model;
