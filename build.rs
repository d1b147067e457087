//! Has the library compiled anew when a template or overlay comes or goes: they are inside the program.

fn main() {
    println!("cargo:rerun-if-changed=templates");
    println!("cargo:rerun-if-changed=overlays");
    println!("cargo:rerun-if-changed=build.rs");
}
