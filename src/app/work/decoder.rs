//! Partial pictures: decodes what is drawn so far beside the frame, as often as it is worth it.

use std::sync::Arc;

use image::RgbImage;
use web_time::{Duration, Instant};

use crate::app::state::picture::Picture;
use crate::app::state::playback::Playback;
use crate::app::work::loaded_model::{LoadedModel, Wake};
use crate::error::Result;
use crate::platform::Task;

/// Tokens between two partial pictures at least.
const EVERY: usize = 8;
/// Decoding may take this share of the time while a run goes on.
const SHARE: f64 = 0.2;
/// How long the cursor must rest before the picture under it is decoded exactly.
const REST: Duration = Duration::from_millis(120);

/// Decodes one picture at a time.
#[derive(Default)]
pub struct Decoder {
    job: Option<Job>,
    took: Duration,
    ended: Option<Instant>,
    cursor: Option<(usize, Instant)>,
}

struct Job {
    picture: u64,
    tokens: usize,
    started: Instant,
    task: Task<Result<RgbImage>>,
}

impl Decoder {
    /// Takes a finished decode and starts the next one that is worth it.
    ///
    /// # Errors
    /// As [`crate::model::Tokenizer::decode_image`].
    pub fn advance(
        &mut self,
        playback: &mut Playback,
        model: Option<&LoadedModel>,
        seek: Option<usize>,
        wake: &Wake,
    ) -> Result<()> {
        if let Some((job, result)) = self.job.as_ref().and_then(|job| job.task.take().map(|r| (job, r))) {
            self.took = job.started.elapsed();
            self.ended = Some(Instant::now());
            let (picture, tokens) = (job.picture, job.tokens);
            self.job = None;
            let image = result?;
            if let Some(to) = playback.pictures_mut().find(|p| p.id == picture) {
                to.frame(tokens, &image);
            }
        }
        let rested = self.rested(seek);
        let Some(model) = model.filter(|_| self.job.is_none()) else { return Ok(()) };
        // The one that has waited longest: of many each gets its turn.
        let wanted = playback.pictures().filter_map(|p| Some((p, self.wanted(p, seek, rested)?)));
        if let Some((picture, tokens)) = wanted.min_by_key(|(p, _)| p.frames.keys().next_back().copied().unwrap_or(0)) {
            let (tokenizer, codes, grid) = (model.tokenizer.clone(), picture.codes(tokens), picture.grid);
            let (picture, wake) = (picture.id, wake.clone());
            let task = Task::spawn(move || wake(), async move || tokenizer.decode_image(&codes, grid).await);
            self.job = Some(Job { picture, tokens, started: Instant::now(), task });
        }
        Ok(())
    }

    /// Whether the cursor has rested where it is; so that dragging it does not decode every token on the way.
    fn rested(&mut self, seek: Option<usize>) -> bool {
        match (seek, self.cursor) {
            (None, _) => {
                self.cursor = None;
                false
            }
            (Some(at), Some((was, since))) if at == was => since.elapsed() >= REST,
            (Some(at), _) => {
                self.cursor = Some((at, Instant::now()));
                false
            }
        }
    }

    /// How many tokens of a picture to decode now, if any.
    fn wanted(&self, picture: &Picture, seek: Option<usize>, rested: bool) -> Option<usize> {
        let drawn = picture.tokens.len();
        if drawn == 0 {
            return None;
        }
        if picture.is_done() && !picture.frames.contains_key(&drawn) {
            return Some(drawn);
        }
        if let Some(at) = seek.filter(|at| rested && (1..=drawn).contains(at) && !picture.frames.contains_key(at)) {
            return Some(at);
        }
        if picture.is_done() {
            return None;
        }
        let newest = picture.frames.keys().next_back().copied().unwrap_or(0);
        let pause = self.took.mul_f64((1.0 - SHARE) / SHARE);
        let due = self.ended.is_none_or(|ended| ended.elapsed() >= pause);
        (due && drawn >= newest + EVERY).then_some(drawn)
    }
}

/// A picture's frame of exactly its drawn tokens, as an image: what is saved and copied.
pub fn finished(picture: &Picture) -> Option<Arc<eframe::egui::ColorImage>> {
    picture.frames.get(&picture.tokens.len()).cloned()
}
