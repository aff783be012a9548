//! temporary
pub mod bench;
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Device {
    Auto,
    Gpu,
    Cpu,
}
impl From<Device> for dpar::backend::DeviceChoice {
    fn from(d: Device) -> Self {
        match d {
            Device::Auto => Self::Auto,
            Device::Gpu => Self::Gpu,
            Device::Cpu => Self::Cpu,
        }
    }
}
#[derive(clap::Parser)]
pub struct Cli {
    #[command(flatten)]
    pub bench: bench::BenchArgs,
}
