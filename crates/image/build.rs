//! Rebuilds the library when a template or overlay is added or removed, since they are compiled
//! into the program.

fn main() {
    for watched in ["../../templates", "../../overlays", "build.rs"] {
        println!("cargo:rerun-if-changed={watched}");
    }
}
