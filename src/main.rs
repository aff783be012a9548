//! The `dpar` program.
mod cli;
fn main() -> anyhow::Result<()> {
    let c = <cli::Cli as clap::Parser>::parse();
    cli::bench::run(&c.bench)
}
