//! A library that has nothing to do with equip.
#![warn(missing_docs)]

/// So that it exports something.
#[unsafe(no_mangle)]
pub extern "C" fn foreign_answer() -> u32 {
    42
}
