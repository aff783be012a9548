//! From the app to what panels see of it: once a frame.

use std::borrow::Cow;

use crate::app::panels::facts::{Facts, ShownPicture, ShownTile, ShownTiles};
use crate::app::state::app::App;
use crate::app::state::figures::{Cost, Figures};
use crate::app::state::picture::{Picture, Source};
use crate::app::state::starting::Slot;
use crate::app::state::tiles::Tiles;
use crate::app::work::decoder;
use crate::app::work::regrid::GridLine;
use crate::controls::Controls;
use crate::patching::Patches;
use crate::platform;
use crate::run::many::Many;
use crate::run::prompt;

impl App {
    /// What panels, the published state and files see of the app.
    pub(in crate::app) fn facts(&self) -> Facts<'_> {
        let main = self.playback.main.as_ref().map(|p| self.shown(Slot::Main, p, self.patches(p)));
        let other = self.playback.other.as_ref().map(|p| self.shown(Slot::Other, p, Cow::Borrowed(&p.patches)));
        let picture = self.playback.main.as_ref();
        let model = self.model.ready();
        Facts {
            config: &self.model.config,
            controls: &self.chosen.controls,
            settings: &self.chosen.settings,
            playback: &self.playback,
            pinned_grid: if other.is_none() { self.pinned_grid() } else { None },
            tiles: self.playback.tiles.as_ref().map(|tiles| self.side_by_side(tiles)),
            main,
            other,
            class: &self.chosen.class,
            pinned: self.chosen.pinned,
            inspected: self.ui.inspected(),
            selected: self.ui.selected,
            hovered: self.ui.hovered,
            moved: self.moved(),
            ready: model.is_some(),
            fetching: self.model.progress(),
            opening: self.jobs.model.as_ref().map(|(_, progress)| progress.get()),
            kept_model: platform::kept_model(),
            other_model: self.launch.model.is_some(),
            fetching_baseline: self.model.baseline.as_ref().and_then(|(_, progress)| progress.get()),
            fetching_encoder: self.analyst.fetching(),
            finished: picture.is_some_and(|p| p.is_done() && decoder::finished(p).is_some()),
            linkable: self.playback.tiles.is_some()
                || picture.is_some_and(|p| matches!(p.source, Source::Run | Source::Recorded)),
            own: self.own.image.as_ref(),
            keep: &self.own.keep,
            looking: self.analyst.is_looking(),
            attend: self.ui.attend,
            attention: self.analyst.row.as_deref(),
            message: self.ui.message.as_ref(),
            tour: self.ui.tour,
            about: self.ui.about,
            keys: self.ui.keys,
            places: &self.ui.places,
            device: self.machine.backend.name(),
            fallback: self.machine.backend.fallback.as_deref(),
            renderer: self.machine.renderer,
            selfcheck: self.analyst.selfcheck.as_deref(),
            source: model.map_or("built-in model", |model| model.files.source.as_str()),
            hash: self.model.hash(),
            now: self.clock.now(),
            textures: &self.ui.textures,
        }
    }

    fn shown<'a>(&self, slot: Slot, picture: &'a Picture, patches: Cow<'a, Patches>) -> ShownPicture<'a> {
        let drawn = self.ui.drawn(picture);
        let cost = Cost::of(&self.model.config, picture.request.generator);
        let measured = picture.source == Source::Run;
        let ms = match (&picture.statistics, self.playback.session(slot)) {
            (Some(s), _) if measured => (Some(s.ms_per_token()), s.timed_by),
            (_, Some(session)) => (session.ms_per_token(), session.timed_by()),
            _ => (None, None),
        };
        let figures = Figures::of(picture, &patches, drawn, cost, ms);
        let title = self.title(slot, picture, &figures);
        ShownPicture { slot, picture, patches, drawn, figures, title }
    }

    fn side_by_side<'a>(&'a self, tiles: &'a Tiles) -> ShownTiles<'a> {
        let tile = |(n, picture): (usize, &'a Picture)| {
            let (own, set) = (picture.last_controls(), tiles.many.controls(n, &self.chosen.controls));
            let patches = if picture.is_done() && differ(own, &set) {
                Cow::Owned(picture.patches_under(&set.rule(picture.grid)))
            } else {
                Cow::Borrowed(&picture.patches)
            };
            let (threshold, count, tokens) = (set.threshold, patches.count(), picture.tokens.len());
            let name = match tiles.many {
                Many::Wall(_) => format!("seed {}", picture.request.seed),
                Many::Strip(_) => format!("\u{03B8} {threshold:.2}"),
            };
            let title = format!("{name}: {count} {} for {tokens}", if count == 1 { "patch" } else { "patches" });
            ShownTile { picture, patches, threshold, title, short: format!("{name}: {count}") }
        };
        let pictures = tiles.pictures.iter().enumerate().map(tile).collect();
        ShownTiles { many: tiles.many, pictures, difference: tiles.difference, time: tiles.time() }
    }

    fn title(&self, slot: Slot, picture: &Picture, figures: &Figures) -> String {
        let name = || prompt::caption(&picture.request.class, &self.model.config);
        let name = match &picture.source {
            Source::Original => return "your image".to_owned(),
            _ if slot == Slot::Other => return format!("baseline: {} steps", picture.tokens.len()),
            Source::Own(name) => name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned(),
            Source::Recorded => format!("{}, recorded", name()),
            Source::Run => format!("{}, seed {}", name(), picture.request.seed),
        };
        format!("{name}: {} patches for {} tokens", figures.patches, figures.tokens)
    }

    fn pinned_grid(&self) -> Option<ShownPicture<'_>> {
        let picture = self.playback.main.as_ref().filter(|p| p.is_done())?;
        let threshold = self.chosen.pinned?;
        let patches = self.analyst.regrid.grid(picture, GridLine::Pinned).unwrap_or(&picture.patches);
        let mut shown = self.shown(Slot::Main, picture, Cow::Borrowed(patches));
        shown.title = format!("pinned at {threshold:.2} nats: {} patches", shown.patches.count());
        Some(shown)
    }

    /// The patches to show for a picture: those of the moved threshold where its tokens are all there, else its own.
    /// Where the merge kernel finds them the grid stays as it was until it has.
    pub(in crate::app) fn patches<'a>(&'a self, picture: &'a Picture) -> Cow<'a, Patches> {
        let merged = if self.moved() { self.analyst.regrid.grid(picture, GridLine::Moved) } else { None };
        Cow::Borrowed(merged.unwrap_or(&picture.patches))
    }

    /// Whether the finished picture, or one of many, was drawn under other controls than those now set.
    pub(in crate::app) fn moved(&self) -> bool {
        if let Some(tiles) = &self.playback.tiles {
            let set = |n| tiles.many.controls(n, &self.chosen.controls);
            let mut pictures = tiles.pictures.iter().enumerate();
            return pictures.any(|(n, picture)| picture.is_done() && differ(picture.last_controls(), &set(n)));
        }
        self.playback.main.as_ref().is_some_and(|p| p.is_done() && differ(p.last_controls(), &self.chosen.controls))
    }
}

/// Whether two sets of controls cut patches by different rules.
fn differ(a: &Controls, b: &Controls) -> bool {
    (a.threshold, a.p_max, a.mode) != (b.threshold, b.p_max, b.mode)
}
