//! The files under `assets` are put into the binary by a macro, which does not see a new one by itself.

fn main() {
    println!("cargo::rerun-if-changed=assets");
}
