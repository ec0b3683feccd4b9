/// The target of the spans that traces are made of. Where nobody collects traces, nothing takes spans
/// of this target, and making one costs nothing.
///
/// They say what was done and how long it took: names, ids, counts. Never a prompt, an answer, a
/// question or a secret.
pub const TRACE: &str = "lyceum::trace";
