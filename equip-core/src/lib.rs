//! Instruments compiled Python programs. See ARCHITECTURE.md for the map; modules use only those above.
#![deny(unsafe_code)]

pub mod analysis;
pub mod body;
pub mod bytes;
pub mod code;
pub mod compile;
pub mod declaration;
pub mod edits;
mod facts;
pub mod fragment;
pub mod inject;
pub mod isa;
pub mod listing;
pub mod marshal;
pub mod options;
pub mod pipeline;
pub mod plugin;
pub mod program;
pub mod provenance;
pub mod pyc;
pub mod python;
pub mod rewrite;
pub mod run;
pub mod select;
pub mod snippet;
pub mod store;
pub mod verify;

/// The API of plugins, for visitors that are part of a program.
pub use equip_plugin_api as api;
pub use equip_plugin_api::edit::{Edge, LoopEdge, OnError, Position, Site, Snippet, Value, When};
