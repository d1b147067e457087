//! Has the library compiled again when a template or overlay comes or goes: they are inside the program.

fn main() {
    for watched in ["../../templates", "../../overlays", "build.rs"] {
        println!("cargo:rerun-if-changed={watched}");
    }
}
