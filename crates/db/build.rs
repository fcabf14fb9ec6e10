//! Rebuilds the crate when a migration is added: `migrate!` embeds the files
//! that exist, and cargo by itself watches only those.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
