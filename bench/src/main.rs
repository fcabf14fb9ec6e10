//! The project's measurements and soaks, each beside its peer, in one run.

fn main() {}
