//! Says that it was built for a plugin API of the far future. Its only symbol is written out here,
//! not taken from equip-plugin-api: the layout of that symbol never changes.
#![warn(missing_docs)]

/// What a host reads before anything else.
#[repr(C)]
pub struct Info {
    magic: [u8; 16],
    api_major: u32,
    api_minor: u32,
    name: [u8; 64],
    version: [u8; 32],
    rustc: [u8; 96],
}

/// Version 99.3.
#[unsafe(no_mangle)]
pub static EQUIP_PLUGIN_INFO: Info = Info {
    magic: *b"equip plugin\0\0\0\x01",
    api_major: 99,
    api_minor: 3,
    name: text(b"other_api"),
    version: text(b"0.1.0"),
    rustc: text(b"rustc 9.99.0"),
};

const fn text<const N: usize>(from: &[u8]) -> [u8; N] {
    let (mut to, mut at) = ([0; N], 0);
    while at < from.len() {
        to[at] = from[at];
        at += 1;
    }
    to
}
