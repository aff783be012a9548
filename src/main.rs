//! The `dpar` program.

fn main() {}
