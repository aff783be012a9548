//! Pictures on the screen: uploaded when they change, and only then.

use std::collections::HashMap;

use eframe::egui::{self, ColorImage, Rect, TextureHandle, TextureOptions, pos2};

use crate::app::state::picture::Picture;
use crate::app::state::starting::Slot;
use crate::bundled::sheet::SheetLayout;
use crate::bundled::thumbnails::Thumbnails;
use crate::bundled::token_swatches::TokenSwatches;
use crate::checkpoint::config::ModelConfig;

/// What a texture shows: picture, tokens, frame below them, frames in all.
type Key = (u64, usize, usize);

#[derive(Default)]
struct Shown {
    image: Option<(Key, TextureHandle)>,
    heat: Option<(Key, TextureHandle)>,
}

/// The textures.
pub struct Textures {
    main: Shown,
    other: Shown,
    looks: Option<TokenSwatches>,
    tiles: Option<TextureHandle>,
    thumbnails: Option<(TextureHandle, SheetLayout, HashMap<usize, usize>)>,
    side: usize,
    vocab: usize,
}

impl Textures {
    /// Nothing uploaded yet.
    pub fn new(config: &ModelConfig) -> Self {
        let mut textures = Self {
            main: Shown::default(),
            other: Shown::default(),
            looks: None,
            tiles: None,
            thumbnails: None,
            side: 0,
            vocab: 0,
        };
        textures.model(config);
        textures
    }

    /// Another model's sizes.
    pub fn model(&mut self, config: &ModelConfig) {
        (self.side, self.vocab) = (config.image_size(), config.vocab());
    }

    /// What the codes look like, where that is known.
    pub fn set_looks(&mut self, ctx: &egui::Context, looks: TokenSwatches) {
        let sheet = crate::app::state::picture::to_egui(looks.sheet().pixels());
        self.tiles = Some(ctx.load_texture("looks", sheet, TextureOptions::NEAREST));
        self.looks = Some(looks);
    }

    /// Pictures of some classes.
    pub fn set_thumbnails(&mut self, ctx: &egui::Context, thumbnails: &Thumbnails) {
        let sheet = thumbnails.sheet();
        let texture =
            ctx.load_texture("thumbnails", crate::app::state::picture::to_egui(sheet.pixels()), TextureOptions::LINEAR);
        let tiles = thumbnails.classes().iter().enumerate().map(|(tile, class)| (*class, tile)).collect();
        self.thumbnails = Some((texture, sheet.layout(), tiles));
    }

    /// Uploads what a slot shows of its picture, where that has changed.
    pub fn update(&mut self, ctx: &egui::Context, slot: Slot, picture: &Picture, drawn: usize, heat: bool) {
        let frame = picture.frame_for(drawn).map_or(0, |(n, _)| n);
        let key = (picture.id, drawn, frame + 1);
        let shown = if slot == Slot::Main { &mut self.main } else { &mut self.other };
        let side = self.side.max(picture.grid);
        let options = if side >= 128 { TextureOptions::LINEAR } else { TextureOptions::NEAREST };
        put(ctx, &mut shown.image, key, options, || picture.compose(drawn, side, self.looks.as_ref()));
        if heat {
            let most = (self.vocab.max(2) as f32).ln();
            put(ctx, &mut shown.heat, key, TextureOptions::NEAREST, || picture.heat(drawn, most));
        }
    }

    /// A slot's picture.
    pub fn image(&self, slot: Slot) -> Option<&TextureHandle> {
        let shown = if slot == Slot::Main { &self.main } else { &self.other };
        shown.image.as_ref().map(|(_, t)| t)
    }

    /// A slot's entropies.
    pub fn heat(&self, slot: Slot) -> Option<&TextureHandle> {
        let shown = if slot == Slot::Main { &self.main } else { &self.other };
        shown.heat.as_ref().map(|(_, t)| t)
    }

    /// A class's thumbnail.
    pub fn thumbnail(&self, class: usize) -> Option<(egui::TextureId, Rect)> {
        let (texture, layout, tiles) = self.thumbnails.as_ref()?;
        cell(*tiles.get(&class)?, *layout).map(|uv| (texture.id(), uv))
    }

    /// What a code looks like.
    pub fn tile(&self, id: u32) -> Option<(egui::TextureId, Rect)> {
        let (texture, looks) = (self.tiles.as_ref()?, self.looks.as_ref()?);
        cell(id as usize, looks.sheet().layout()).map(|uv| (texture.id(), uv))
    }
}

/// Tile `n` of a sheet, in texture coordinates.
fn cell(n: usize, layout: SheetLayout) -> Option<Rect> {
    let n = u32::try_from(n).ok().filter(|n| *n < layout.count)?;
    let (width, height) = layout.size();
    let (x, y) = layout.corner(n);
    let (w, h) = (width as f32, height as f32);
    let side = layout.side as f32;
    Some(Rect::from_min_size(pos2(x as f32 / w, y as f32 / h), egui::vec2(side / w, side / h)))
}

fn put(
    ctx: &egui::Context,
    slot: &mut Option<(Key, TextureHandle)>,
    key: Key,
    options: TextureOptions,
    image: impl FnOnce() -> ColorImage,
) {
    match slot {
        Some((shown, _)) if *shown == key => {}
        Some((shown, texture)) => {
            *shown = key;
            texture.set(image(), options);
        }
        None => *slot = Some((key, ctx.load_texture("picture", image(), options))),
    }
}
