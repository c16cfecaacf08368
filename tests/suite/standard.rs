//! Do the leaves of RFC 8347 say what happened on the wire?
