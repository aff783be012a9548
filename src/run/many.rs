//! Many pictures in place of one: a wall of seeds, or a strip of thresholds.

use super::request::Request;
use crate::controls::Controls;
use crate::error::{Error, Result};

/// Which pictures are drawn at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Many {
    /// So many pictures of one thing, with the seeds that follow.
    Wall(u8),
    /// One thing and seed at five thresholds, so many nats apart; the asked one is in the middle.
    Strip(f32),
}

impl Many {
    /// Sizes of walls.
    pub const WALLS: [u8; 3] = [4, 9, 16];
    /// Pictures of a strip.
    pub const THRESHOLDS: usize = 5;
    /// Nats between them, where nobody says.
    pub const SPAN: f32 = 0.8;

    /// A wall of `count` pictures.
    ///
    /// # Errors
    /// [`Error::Request`] for another count than those of [`Self::WALLS`].
    pub fn wall(count: u32) -> Result<Self> {
        let size = Self::WALLS.into_iter().find(|size| u32::from(*size) == count);
        size.map(Self::Wall).ok_or_else(|| Error::Request(format!("a wall has 4, 9 or 16 pictures, not {count}")))
    }

    /// A strip with `span` nats between its thresholds.
    ///
    /// # Errors
    /// [`Error::Request`] for what is no such distance.
    pub fn strip(span: f32) -> Result<Self> {
        if span > 0.0 && span <= 4.0 {
            return Ok(Self::Strip(span));
        }
        Err(Error::Request(format!("a strip's thresholds are more than 0 and at most 4 nats apart, not {span}")))
    }

    /// How many.
    pub fn count(self) -> usize {
        match self {
            Self::Wall(count) => usize::from(count),
            Self::Strip(_) => Self::THRESHOLDS,
        }
    }

    /// The picture that was asked for among them: a wall's first, a strip's middle one.
    pub fn asked(self) -> usize {
        match self {
            Self::Wall(_) => 0,
            Self::Strip(_) => Self::THRESHOLDS / 2,
        }
    }

    /// The controls of the `n`th where `asked` are asked for. A strip's thresholds do not go below 0, where every token starts a
    /// patch.
    pub fn controls(self, n: usize, asked: &Controls) -> Controls {
        match self {
            Self::Wall(_) => asked.clone(),
            Self::Strip(span) => {
                let threshold = asked.threshold + span * (n as f32 - self.asked() as f32);
                Controls { threshold: threshold.max(0.0), ..asked.clone() }
            }
        }
    }

    /// What each is asked for, in order.
    pub fn requests(self, asked: &Request) -> Vec<Request> {
        let one = |n: usize| {
            let seed = match self {
                Self::Wall(_) => asked.seed.wrapping_add(n as u32),
                Self::Strip(_) => asked.seed,
            };
            let schedule = asked.schedule.iter().map(|(at, controls)| (*at, self.controls(n, controls))).collect();
            Request { seed, controls: self.controls(n, &asked.controls), schedule, ..asked.clone() }
        };
        (0..self.count()).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::config::Generator;

    #[test]
    fn walls_have_seeds_that_follow_and_strips_thresholds_around_the_asked_one() {
        let config = crate::platform::built_in_config();
        let asked = Request::new(&config, Generator::Dpar, 3, u32::MAX);
        let wall = Many::wall(4).unwrap().requests(&asked);
        assert_eq!(wall.iter().map(|r| r.seed).collect::<Vec<_>>(), [u32::MAX, 0, 1, 2]);
        assert!(wall.iter().all(|r| r.controls == asked.controls && r.class == asked.class));

        let mut asked = asked;
        asked.controls.threshold = 1.5;
        let strip = Many::strip(1.0).unwrap();
        let thresholds: Vec<f32> = strip.requests(&asked).iter().map(|r| r.controls.threshold).collect();
        assert_eq!(thresholds, [0.0, 0.5, 1.5, 2.5, 3.5]);
        assert_eq!(strip.requests(&asked)[strip.asked()], asked);
        assert_eq!(wall[Many::Wall(4).asked()].seed, asked.seed);
    }

    #[test]
    fn other_sizes_are_refused() {
        for count in [0, 1, 5, 25, u32::MAX] {
            assert!(Many::wall(count).unwrap_err().to_string().contains("4, 9 or 16"));
        }
        for span in [0.0, -1.0, 4.1, f32::NAN, f32::INFINITY] {
            assert!(Many::strip(span).is_err(), "{span}");
        }
    }
}
