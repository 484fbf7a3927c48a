//! Instruments compiled Python programs. See ARCHITECTURE.md for the map; modules use only those above.
#![deny(unsafe_code)]

pub mod bytes;
pub mod isa;
pub mod code;
pub mod marshal;
pub mod pyc;
pub mod body;
pub mod snippet;
pub mod python;
pub mod declaration;
pub mod fragment;
pub mod rewrite;
pub mod compile;
pub mod provenance;
pub mod program;
pub mod store;
pub mod edits;
pub mod verify;
pub mod pipeline;
pub mod plugin;
pub mod run;
pub mod listing;

pub use equip_plugin_api::edit::{Position, Site, Snippet, Value, When};
