//! What a snapshot looks like as text and JSON.
