//! Many pictures in place of one.

use crate::app::state::picture::Picture;
use crate::app::state::playback::Playback;
use crate::app::state::starting::Slot;
use crate::app::state::tiles::Tiles;
use crate::app::work::loaded_model::LoadedModel;

impl Playback {
    /// All pictures that are shown.
    pub fn pictures(&self) -> impl Iterator<Item = &Picture> {
        let tiles = self.tiles.iter().flat_map(|tiles| &tiles.pictures);
        self.main.iter().chain(&self.other).chain(tiles)
    }

    /// The same, to change.
    pub fn pictures_mut(&mut self) -> impl Iterator<Item = &mut Picture> {
        let tiles = self.tiles.iter_mut().flat_map(|tiles| &mut tiles.pictures);
        self.main.iter_mut().chain(&mut self.other).chain(tiles)
    }

    /// Holds all that goes on, or lets it go on.
    pub(super) fn hold(&mut self, on: bool) {
        match &mut self.tiles {
            Some(tiles) => tiles.pause(on),
            None if on => self.turns.pause(),
            None => self.turns.resume(),
        }
    }

    /// Draws many pictures in place of the one that the app is about.
    pub fn start_many(&mut self, model: &mut LoadedModel, tiles: Tiles) {
        self.clear(Some(model));
        (self.main, self.other) = (None, None);
        self.tiles = Some(tiles);
    }

    /// One of many becomes the picture that the app is about; where it is not finished its run goes on alone.
    pub fn take_tile(&mut self, model: &mut LoadedModel, n: usize) {
        let Some(mut tiles) = self.tiles.take() else { return };
        if n >= tiles.pictures.len() {
            self.tiles = Some(tiles);
            return;
        }
        let picture = tiles.pictures.swap_remove(n);
        tiles.end(Some(model));
        let done = picture.is_done();
        self.main = Some(picture);
        if !done && let Some(rest) = self.rest(Slot::Main) {
            let frames = self.main.take().map(|picture| picture.frames);
            self.start(model, vec![rest]);
            if let (Some(main), Some(frames)) = (&mut self.main, frames) {
                main.frames = frames;
            }
        }
    }
}
