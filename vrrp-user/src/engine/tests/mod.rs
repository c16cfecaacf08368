//! Does each event do what the RFCs and keepalived say.
