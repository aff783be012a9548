//! Everything that happens between frames.

use crate::app::input::action::Action;
use crate::app::state::app::{App, ModelSlot};
use crate::app::state::picture::Picture;
use crate::checkpoint::config::Generator;
use crate::error::Result;
use crate::patching::Patches;

impl App {
    /// Everything that happens between frames.
    pub(in crate::app) fn advance(&mut self) {
        if self.over {
            return;
        }
        if let ModelSlot::Loading(task, _) = &self.model
            && let Some(loaded) = task.take()
        {
            self.loaded(loaded);
        }
        let (now, speed, wake) = (self.now(), self.settings.speed, self.wake.clone());
        let studio = match &mut self.model {
            ModelSlot::Ready(studio) => Some(&mut **studio),
            ModelSlot::Loading(..) | ModelSlot::Failed => None,
        };
        self.stage.frame = std::time::Duration::from_secs_f64(self.clock.frame_ms.max(0.0) / 1000.0);
        let mut outcome = self.stage.advance(studio, &wake, now, speed);
        if outcome.is_ok() {
            let studio = if let ModelSlot::Ready(studio) = &self.model { Some(&**studio) } else { None };
            outcome = self.decoder.advance(&mut self.stage, studio, self.seek, &wake);
        }
        let going_on = self.stage.is_live() && self.launch.kept.was_lost();
        if self.begin_analyst && !going_on {
            self.begin_analyst = false;
            self.analyst.begin(&self.backend, &self.wake);
        }
        self.lose_device(false);
        self.note();
        if let Err(e) = outcome.and_then(|()| self.backend.lost().map_or(Ok(()), Err)) {
            self.failed(&e);
        }
        if let Err(e) = self.think() {
            self.failed(&e);
        }
        self.collect();
        if self.after.is_some() && !self.stage.is_busy() && self.stage.main.as_ref().is_some_and(Picture::is_done) {
            let at = self.after.take();
            self.act(Action::Seek(at));
        }
        let first = self.stage.is_live() && self.stage.main.as_ref().is_some_and(|p| !p.tokens.is_empty());
        if first && self.clock.first_token_ms.is_none() {
            self.clock.first_token_ms = Some(1000.0 * now);
        }
    }

    /// The slow thoughts: the grid under a moved threshold, attention, the self-test's verdict, an own image.
    pub(in crate::app) fn think(&mut self) -> Result<()> {
        let moved = self.moved();
        let rule = moved.then(|| self.controls.rule(self.config.grid()));
        let finished = self.stage.main.as_ref().filter(|p| p.is_done() && p.entropies().len() == p.tokens.len());
        self.tasks.thinking = self.analyst.merge(finished, rule)?;
        if let Some((ok, verdict)) = self.analyst.verdict() {
            if !ok {
                self.message = Some((verdict.clone(), Some(("Use the CPU", Action::UseCpu))));
            }
            self.selfcheck = Some(verdict);
        }
        if let Some(own) = self.analyst.own() {
            match own {
                Ok(own) => self.show_own(own),
                Err(e) => self.message = Some((e.to_string(), None)),
            }
        }
        self.attention = self.attention()?;
        self.take_baseline()
    }

    /// What the inspected token's patch attends to, where that is wanted and known.
    pub(in crate::app) fn attention(&mut self) -> Result<Option<Vec<f32>>> {
        let (Some(attend), Some(token)) = (self.attend, self.hovered.or(self.selected)) else { return Ok(None) };
        let (ModelSlot::Ready(studio), Some(picture)) = (&self.model, &self.stage.main) else { return Ok(None) };
        if !picture.is_done() || picture.request.generator != Generator::Dpar {
            return Ok(None);
        }
        let patches = self.patches(picture);
        let Some(patch) = patches.ids().get(token).copied() else { return Ok(None) };
        self.analyst.attention(studio, picture, &patches, (attend, patch), &self.wake)
    }

    /// The patches to show for a picture: those of the moved threshold where its tokens are all there, else its own. The
    /// merge kernel finds them; until it has, the grid stays as it was.
    pub(in crate::app) fn patches(&self, picture: &Picture) -> Patches {
        let merged = if self.moved() { self.analyst.merged(picture) } else { None };
        merged.unwrap_or_else(|| picture.patches.clone())
    }

    /// Whether the finished picture was drawn under other controls than those now set.
    pub(in crate::app) fn moved(&self) -> bool {
        self.stage.main.as_ref().is_some_and(|p| {
            let (a, b) = (p.last_controls(), &self.controls);
            p.is_done() && (a.threshold, a.p_max, a.mode) != (b.threshold, b.p_max, b.mode)
        })
    }
}
