//! How long a submit has kept the GPU, by the GPU's own clock.

use super::readback::Readback;

/// Two timestamps, at the beginning and the end of a pass, and the way back for them.
pub(crate) struct Stopwatch {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Nanoseconds a tick.
    period: f64,
}

impl Stopwatch {
    /// Words that both timestamps take in a readback.
    pub(crate) const WORDS: usize = 4;

    /// One for a device that has a clock (`TIMESTAMP_QUERY`).
    pub(crate) fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Option<Self> {
        device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| Self {
            set: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("stopwatch"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("stopwatch"),
                size: 4 * Self::WORDS as u64,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            period: f64::from(queue.get_timestamp_period()),
        })
    }

    /// What a pass has to write.
    pub(crate) fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    /// Sends the timestamps along, to word `at` of what is read back.
    pub(crate) fn read(&self, encoder: &mut wgpu::CommandEncoder, to: &Readback, at: usize) {
        encoder.resolve_query_set(&self.set, 0..2, &self.resolved, 0);
        to.append(encoder, &self.resolved, at, Self::WORDS);
    }

    /// Seconds between the timestamps in the words that came back; `None` where they make no sense.
    pub(crate) fn seconds(&self, words: &[u32]) -> Option<f64> {
        seconds(words, self.period)
    }
}

fn seconds(words: &[u32], period: f64) -> Option<f64> {
    let [a, b, c, d] = *words else { return None };
    let (begun, ended) = (u64::from(b) << 32 | u64::from(a), u64::from(d) << 32 | u64::from(c));
    let ticks = ended.checked_sub(begun).filter(|ticks| *ticks > 0 && begun > 0)?;
    let seconds = ticks as f64 * period / 1e9;
    (seconds < 3600.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_seconds_and_clocks_that_stand_or_run_backwards_are_none() {
        let words = |begun: u64, ended: u64| [begun as u32, (begun >> 32) as u32, ended as u32, (ended >> 32) as u32];
        let of = |begun, ended| seconds(&words(begun, ended), 2.0);
        assert_eq!(of(1 << 33, (1 << 33) + 500_000), Some(0.001));
        assert_eq!(of(u64::from(u32::MAX), u64::from(u32::MAX) + 500), Some(1e-6), "over the lower word's end");
        assert_eq!((of(5, 5), of(7, 6), of(0, 9), of(1, u64::MAX / 4)), (None, None, None, None));
        assert_eq!(seconds(&[1, 2], 1.0), None);
    }
}
