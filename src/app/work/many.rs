//! Many pictures in place of one: how they are asked for, and how one of them becomes the picture again.

use crate::app::state::app::App;
use crate::app::state::model_slot::not_there;
use crate::app::state::picture::Source;
use crate::app::state::tiles::Tiles;
use crate::checkpoint::config::Generator;
use crate::error::{Error, Result};
use crate::run::many::Many;
use crate::run::request::Request;

impl App {
    /// Draws many pictures around what is shown or chosen; or shows one again, the one that was asked for.
    pub(in crate::app) fn draw_many(&mut self, many: Option<Many>) -> Result<()> {
        let Some(many) = many else {
            let asked = self.playback.tiles.as_ref().map(|tiles| tiles.many.asked());
            return asked.map_or(Ok(()), |n| self.take_tile(n));
        };
        self.draw_many_of(many, self.asked())
    }

    /// Draws many pictures around what is asked for.
    pub(in crate::app) fn draw_many_of(&mut self, many: Many, asked: Request) -> Result<()> {
        if matches!(many, Many::Strip(_)) && asked.generator == Generator::Baseline {
            return Err(Error::Request("the fixed-length baseline has no threshold to make a strip of".into()));
        }
        for request in many.requests(&asked) {
            request.check(&self.model.config)?;
        }
        let tiles = Tiles::new(many, &asked, &self.model.config, self.clock.now());
        self.own.image = None;
        let model = self.model.ready_mut().ok_or_else(not_there)?;
        self.playback.start_many(model, tiles);
        self.ui.look_at_all();
        Ok(())
    }

    /// What is shown under the present controls, else what is chosen.
    fn asked(&self) -> Request {
        let chosen = Request {
            controls: self.chosen.controls.clone(),
            ..Request::new(&self.model.config, Generator::Dpar, self.chosen.class.clone(), self.chosen.settings.seed)
        };
        let generator = self.model.config.generator().unwrap_or_default();
        let tiles = self.playback.tiles.as_ref();
        let shown = tiles.map(|tiles| &tiles.pictures[tiles.many.asked()]).or(self.playback.main.as_ref());
        match shown.filter(|picture| picture.source == Source::Run) {
            Some(picture) if picture.request.class == chosen.class && picture.request.seed == chosen.seed => {
                Request { controls: chosen.controls, schedule: Vec::new(), ..picture.request.clone() }
            }
            _ => Request { generator, ..chosen },
        }
    }

    /// One of many becomes the picture.
    pub(in crate::app) fn take_tile(&mut self, n: usize) -> Result<()> {
        let Some(tiles) = &self.playback.tiles else {
            return Err(Error::Request("there is one picture only: draw a wall or a strip first".into()));
        };
        let Some(picture) = tiles.pictures.get(n) else {
            let most = tiles.pictures.len() - 1;
            return Err(Error::Request(format!("there is no picture {n}: they go from 0 to {most}")));
        };
        let (request, many) = (picture.request.clone(), tiles.many);
        let model = self.model.ready_mut().ok_or_else(not_there)?;
        self.playback.take_tile(model, n);
        self.chosen.adopt(&request, &self.model.config);
        self.chosen.controls = many.controls(n, &self.chosen.controls);
        self.ui.look_at_all();
        Ok(())
    }
}
