//! The gateway, as far as chat knows it.

pub(crate) use lyceum_gateway::{CallContext, CallRecord, Gateway, ModelConfig, Purpose};

/// The provider of the models that run beside the program.
pub(crate) const LOCAL: &str = "local";
