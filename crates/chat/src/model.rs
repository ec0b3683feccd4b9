//! The gateway, as far as chat knows it.

pub(crate) use lyceum_gateway::{CallContext, CallRecord, Gateway, ModelConfig, Purpose};
