//! Notes which compiler builds a plugin, for `equip plugins`; it is shown, never compared.
fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = std::process::Command::new(rustc).arg("--version").output();
    let version = output
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        .unwrap_or_default();
    println!("cargo:rustc-env=EQUIP_RUSTC={version}");
    println!("cargo:rerun-if-changed=build.rs");
}
