//! Reading server-sent events from a byte stream.
