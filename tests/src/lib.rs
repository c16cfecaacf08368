//! The testbed: simulator, namespace lab, capture.
