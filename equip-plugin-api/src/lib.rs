//! stand-in, replaced by the plugin API
pub mod edit;
pub mod opcode;
