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
    difference: Option<(Key, TextureHandle)>,
}

impl Shown {
    fn update(
        &mut self,
        ctx: &egui::Context,
        picture: &Picture,
        drawn: usize,
        heat: bool,
        (side, vocab): (usize, usize),
        looks: Option<&TokenSwatches>,
    ) {
        let frame = picture.frame_for(drawn).map_or(0, |(n, _)| n);
        let key = (picture.id, drawn, frame + 1);
        let side = side.max(picture.grid);
        let options = if side >= 128 { TextureOptions::LINEAR } else { TextureOptions::NEAREST };
        put(ctx, &mut self.image, key, options, || picture.compose(drawn, side, looks));
        if heat {
            let most = (vocab.max(2) as f32).ln();
            put(ctx, &mut self.heat, key, TextureOptions::NEAREST, || picture.heat(drawn, most));
        }
    }
}

/// The textures.
pub struct Textures {
    main: Shown,
    other: Shown,
    tiles_shown: Vec<Shown>,
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
            tiles_shown: Vec::new(),
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
        let (side, vocab) = (self.side, self.vocab);
        let shown = if slot == Slot::Main { &mut self.main } else { &mut self.other };
        shown.update(ctx, picture, drawn, heat, (side, vocab), self.looks.as_ref());
    }

    /// Uploads what tiles show, where that has changed. `middle`: how each differs from this finished picture is shown instead of
    /// what it is, but for itself.
    pub fn update_tiles(&mut self, ctx: &egui::Context, tiles: &[Picture], heat: bool, middle: Option<&Picture>) {
        self.tiles_shown.resize_with(tiles.len(), Shown::default);
        for (shown, picture) in self.tiles_shown.iter_mut().zip(tiles) {
            let drawn = picture.tokens.len();
            shown.update(ctx, picture, drawn, heat, (self.side, self.vocab), self.looks.as_ref());
            let middle = middle.filter(|middle| middle.id != picture.id);
            let key = (picture.id, drawn, 0);
            shown.difference = match (middle, shown.difference.take()) {
                (None, _) => None,
                // Both are finished: what they differ in does not change any more.
                (Some(_), Some(before)) if before.0 == key => Some(before),
                (Some(middle), _) => picture.difference(middle).map(|image| {
                    let texture = ctx.load_texture("difference", image, TextureOptions::LINEAR);
                    (key, texture)
                }),
            };
        }
    }

    /// What a tile shows, and its entropies.
    pub fn tile_shown(&self, n: usize) -> (Option<&TextureHandle>, Option<&TextureHandle>) {
        let Some(shown) = self.tiles_shown.get(n) else { return (None, None) };
        let image = shown.difference.as_ref().or(shown.image.as_ref());
        (image.map(|(_, t)| t), shown.heat.as_ref().map(|(_, t)| t))
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
