//! Partial pictures on the way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use image::RgbImage;

use super::{Event, Preview, Session};
use crate::error::Result;

/// A decode under way.
pub(super) type Decoding = Pin<Box<dyn Future<Output = Result<RgbImage>>>>;

impl Session {
    /// Starts and finishes partial decodes. One at a time: a slow decoder skips previews, never tokens.
    pub(super) fn preview(&mut self, events: &mut Vec<Event>) {
        let Some(tokenizer) = &self.tokenizer else { return };
        let drawn = self.tokens.len();
        let due = drawn >= self.previewed + self.preview_every.max(1) || (self.done && drawn > self.previewed);
        if self.decoding.is_none() && self.preview_every > 0 && due {
            let (tokenizer, codes, grid) = (tokenizer.clone(), self.codes(), self.grid);
            let decode = async move { tokenizer.decode_image(&codes, grid).await };
            self.decoding = Some((drawn, Box::pin(decode)));
        }
        if let Some((tokens, future)) = &mut self.decoding
            && let Poll::Ready(image) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            self.previewed = *tokens;
            // A preview that fails is only a missing preview; a device that fails says so with the next step.
            if let Ok(image) = image {
                events.push(Event::Preview(Preview { tokens: *tokens, image }));
            }
            self.decoding = None;
        }
    }

    /// All T codes of the picture so far, see [`fill_undrawn`].
    pub fn codes(&self) -> Vec<u32> {
        fill_undrawn(self.tokens.iter().map(|t| t.id).collect(), self.grid, self.total())
    }
}

/// The first codes of a picture (raster order, `grid` a row) and a guess for the rest, `total` in all: undrawn codes
/// repeat the one above them (the newest one in the first row), so that the drawn part is decoded next to something like
/// itself. Viewers cover the guess.
pub fn fill_undrawn(mut codes: Vec<u32>, grid: usize, total: usize) -> Vec<u32> {
    while codes.len() < total {
        let at = codes.len();
        codes.push(if at >= grid { codes[at - grid] } else { codes.last().copied().unwrap_or(0) });
    }
    codes
}
