//! Colours and type of the app, light and dark.

use std::sync::Arc;

use eframe::egui::{self, Color32, FontData, FontDefinitions, FontFamily, Visuals};
use image::Rgb;

/// Marks the token that is being drawn.
pub const CURRENT: Color32 = Color32::from_rgb(255, 214, 10);
/// The threshold, wherever it is drawn.
pub const THRESHOLD: Color32 = Color32::from_rgb(232, 89, 12);
/// The pinned threshold.
pub const PINNED: Color32 = Color32::from_rgb(61, 123, 233);

/// The one font, egui's own, for everything: a second one for keys and numbers would be 0.3 MB of the page.
fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::empty();
    let sources =
        [("Ubuntu-Light", epaint_default_fonts::UBUNTU_LIGHT), ("egui-icons", epaint_default_fonts::EGUI_ICONS)];
    for (name, bytes) in sources {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
        for family in [FontFamily::Proportional, FontFamily::Monospace] {
            fonts.families.entry(family).or_default().push(name.to_owned());
        }
    }
    fonts
}

/// Fonts, spacing and sizes that both themes share.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    ctx.all_styles_mut(|style| {
        style.spacing.item_spacing = egui::vec2(8.0, 6.0);
        style.spacing.button_padding = egui::vec2(9.0, 5.0);
        style.spacing.interact_size.y = 26.0;
        style.spacing.slider_width = 150.0;
        style.interaction.tooltip_delay = 0.25;
        // egui's weak text is too faint for small print: this has a contrast of more than 6 to 1.
        let weak = if style.visuals.dark_mode { Color32::from_gray(168) } else { Color32::from_gray(88) };
        style.visuals.weak_text_color = Some(weak);
    });
}

/// A colour of the renderer for the screen.
pub fn rgb(c: Rgb<u8>) -> Color32 {
    Color32::from_rgb(c.0[0], c.0[1], c.0[2])
}

/// Behind what is not drawn yet.
pub fn undrawn(v: &Visuals) -> Color32 {
    if v.dark_mode { Color32::from_gray(34) } else { Color32::from_gray(232) }
}

/// Lines over what is not drawn yet.
pub fn hatching(v: &Visuals) -> Color32 {
    if v.dark_mode { Color32::from_gray(78) } else { Color32::from_gray(198) }
}

/// A number that people came for.
pub fn big(text: impl Into<String>) -> egui::RichText {
    egui::RichText::new(text).size(24.0).strong()
}

/// An explanation beside it.
pub fn small(text: impl Into<String>) -> egui::RichText {
    egui::RichText::new(text).size(12.0).weak()
}
