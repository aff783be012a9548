//! The picker on the screen.

use eframe::egui::{
    self, Align2, Color32, Event, ImeEvent, Key, Modifiers, Rect, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2,
};

use super::rows::{Choice, LINE, PICTURES, Picker, PickerRow, mixed};
use crate::app::input::action::Action;
use crate::app::panels::facts::Facts;
use crate::app::panels::theme;
use crate::mix::Mix;
use crate::run::prompt;

/// Width of a picture's place, in points.
const PLACE: f32 = 82.0;
/// How far a group's things are set in.
const INSET: f32 = 22.0;

/// The button that says what is drawn, and the list that it opens.
pub fn show(ui: &mut Ui, f: &Facts<'_>, picker: &mut Picker, out: &mut Vec<Action>) {
    let name = prompt::caption(f.class, f.config);
    let button = ui.add(egui::Button::new(name).truncate()).on_hover_text("What to draw");
    let screen = ui.ctx().content_rect().size();
    let width = 352.0f32.min(screen.x - 28.0);
    let open = egui::Popup::from_toggle_button_response(&button)
        .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
        .width(width)
        .show(|ui| {
            ui.set_width(width);
            if let Some(mix) = choose(ui, f, picker, screen.y, out) {
                out.push(Action::Class(mix));
                ui.close();
            }
        });
    if open.is_none()
        && let Some(by_key) = picker.shown
    {
        picker.close();
        if by_key {
            button.request_focus();
        }
    }
}

/// The search field.
fn field() -> egui::Id {
    egui::Id::unique("search what to draw")
}

/// The open list; what was chosen.
fn choose(ui: &mut Ui, f: &Facts<'_>, picker: &mut Picker, height: f32, out: &mut Vec<Action>) -> Option<Mix> {
    // Elsewhere (a button, a row) the keys mean what they mean there.
    let typing = ui.memory(|m| m.has_focus(field()));
    let pressed = if typing { keys(ui) } else { None };
    if typing {
        ui.input_mut(|i| spell_out(&mut i.events, picker, f));
    }
    let finger = ui.input(egui::InputState::has_touch_screen);
    let hint = "owl, car, or owl + panda";
    let edit = egui::TextEdit::singleline(&mut picker.search).id(field()).hint_text(hint).desired_width(f32::INFINITY);
    let edit = ui.add(edit);
    edit.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Search what to draw"));
    if picker.shown.is_none() {
        let by_key = ui.input(|i| i.key_pressed(Key::Enter) || i.key_pressed(Key::Space));
        picker.shown = Some(by_key);
        // On a phone its keyboard would cover the list: it comes when the field is touched.
        if by_key || !finger {
            edit.request_focus();
        }
    }
    ui.horizontal(|ui| {
        if ui.button("Any thing").on_hover_text("One of all, by lot").clicked() {
            out.push(Action::RandomThing);
            ui.close();
        }
        if ui.button("Mix two").on_hover_text("Two things mixed half and half, by lot").clicked() {
            out.push(Action::RandomMix);
            ui.close();
        }
        let how = if finger { "or type two with a + between" } else { "drop one on another to mix them" };
        ui.label(theme::small(how));
    });
    let across = ((ui.available_width() / PLACE) as usize).max(1);
    if picker.refresh(f.config, across) && edit.changed() {
        picker.marked = 0;
        picker.reveal = true;
    }
    let mut chosen = None;
    match pressed {
        Some(Key::ArrowDown) => picker.mark(1),
        Some(Key::ArrowUp) => picker.mark(-1),
        Some(Key::PageDown) => picker.mark(10),
        Some(Key::PageUp) => picker.mark(-10),
        Some(Key::Enter) => chosen = picker.choices.get(picker.marked).and_then(|c| picker.choice(*c, f.config)),
        _ => {}
    }
    let list = egui::ScrollArea::vertical().max_height((height - 150.0).clamp(120.0, 420.0)).auto_shrink([false, true]);
    list.show_viewport(ui, |ui, sight| {
        let total = picker.tops.last().copied().unwrap_or(0.0);
        ui.set_height(total);
        let (left, top, width) = (ui.max_rect().left(), ui.max_rect().top(), ui.available_width());
        for n in picker.in_sight(sight.min.y, sight.height()) {
            let rect = Rect::from_min_size(pos2(left, top + picker.tops[n]), vec2(width, picker.rows[n].height()));
            chosen = row(ui, f, picker, n, rect).or(chosen.take());
        }
        if std::mem::take(&mut picker.reveal)
            && let Some((n, _)) = picker.choices.get(picker.marked)
        {
            let (from, to) = (top + picker.tops[*n], top + picker.tops[n + 1]);
            ui.scroll_to_rect(Rect::from_min_max(pos2(left, from), pos2(left + width, to)), None);
        }
    });
    match chosen? {
        Choice::Take(mix) => Some(mix),
        Choice::Toggle(group) => {
            picker.toggle(group);
            None
        }
    }
}

/// Emoji become names before the text field sees them: its fonts have no pictures.
fn spell_out(events: &mut [Event], picker: &Picker, f: &Facts<'_>) {
    for event in events {
        if let Event::Text(text) | Event::Paste(text) | Event::Ime(ImeEvent::Commit(text)) = event
            && let Some(spelled) = picker.spelled_out(text, f.config)
        {
            *text = spelled;
        }
    }
}

/// The keys that move through the list, taken before the text field sees them.
fn keys(ui: &Ui) -> Option<Key> {
    const KEYS: [Key; 5] = [Key::ArrowDown, Key::ArrowUp, Key::PageDown, Key::PageUp, Key::Enter];
    ui.input_mut(|i| KEYS.into_iter().find(|key| i.consume_key(Modifiers::NONE, *key)))
}

/// A row; what was chosen in it.
fn row(ui: &mut Ui, f: &Facts<'_>, picker: &Picker, n: usize, rect: Rect) -> Option<Choice> {
    let marked = picker.choices.get(picker.marked).copied();
    let (text, inset, class) = match &picker.rows[n] {
        PickerRow::Note(text) => {
            let note = egui::Label::new(theme::small(text)).wrap();
            ui.put(rect, note);
            return None;
        }
        PickerRow::Best(all) => {
            let mut chosen = None;
            for (place, class) in all.iter().enumerate() {
                let rect = Rect::from_min_size(rect.min + vec2(PLACE * place as f32, 0.0), vec2(PLACE, PICTURES));
                chosen = thing(ui, f, picker, rect, (n, place), *class, marked == Some((n, place))).or(chosen.take());
            }
            return chosen;
        }
        PickerRow::Typed(mix) => (prompt::caption(mix, f.config), 0.0, None),
        PickerRow::Group(group) => (f.config.class_name(*group), INSET, Some(*group)),
        PickerRow::Any(group) => (format!("any {}", f.config.class_name(*group)), INSET, None),
        PickerRow::Thing(class) => (f.config.class_name(*class), INSET, Some(*class)),
    };
    let draggable = matches!(picker.rows[n], PickerRow::Thing(_));
    let response = place(ui, rect, (n, 0), draggable);
    let is_chosen = class.is_some() && class == f.class.single();
    paint(ui, &response, rect, marked == Some((n, 0)), is_chosen);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, is_chosen, &text));
    let mut from = rect.min + vec2(4.0 + inset, 0.5 * LINE);
    if let PickerRow::Group(group) = &picker.rows[n] {
        triangle(ui, rect.min + vec2(0.5 * INSET, 0.5 * LINE), picker.open.contains(group));
    }
    if let Some((texture, uv)) = class.and_then(|class| f.thumbnail(class)) {
        let side = LINE - 6.0;
        let image = Rect::from_center_size(from + vec2(0.5 * side, 0.0), vec2(side, side));
        ui.painter().image(texture, image, uv, Color32::WHITE);
        from.x += side + 6.0;
    }
    let color = ui.visuals().text_color();
    ui.painter().text(from, Align2::LEFT_CENTER, &text, egui::TextStyle::Body.resolve(ui.style()), color);
    if draggable && let Some(class) = class {
        return dragged(ui, f, &response, class).or_else(|| clicked(&response, picker, (n, 0), f));
    }
    clicked(&response, picker, (n, 0), f)
}

/// A thing with its picture and name.
fn thing(
    ui: &mut Ui,
    f: &Facts<'_>,
    picker: &Picker,
    rect: Rect,
    at: (usize, usize),
    class: usize,
    marked: bool,
) -> Option<Choice> {
    let response = place(ui, rect, at, true);
    let is_chosen = f.class.single() == Some(class);
    paint(ui, &response, rect.shrink(1.0), marked, is_chosen);
    let name = f.config.class_name(class);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, is_chosen, &name));
    let image = Rect::from_min_size(pos2(rect.center().x - 32.0, rect.min.y + 4.0), vec2(64.0, 64.0));
    match f.thumbnail(class) {
        Some((texture, uv)) => ui.painter().image(texture, image, uv, Color32::WHITE),
        None => ui.painter().rect_filled(image, 4.0, theme::undrawn(ui.visuals())),
    };
    let font = egui::TextStyle::Small.resolve(ui.style());
    let mut job = egui::text::LayoutJob::simple_singleline(name.clone(), font, ui.visuals().text_color());
    job.wrap = egui::text::TextWrapping::truncate_at_width(PLACE - 6.0);
    let galley = ui.painter().layout_job(job);
    let corner = pos2(rect.center().x - 0.5 * galley.size().x, rect.min.y + 70.0);
    ui.painter().galley(corner, galley, ui.visuals().text_color());
    let response = response.on_hover_text(&name);
    dragged(ui, f, &response, class).or_else(|| clicked(&response, picker, at, f))
}

/// Room for something to click on. Under a finger it is not dragged: that scrolls the list.
fn place(ui: &Ui, rect: Rect, at: (usize, usize), draggable: bool) -> Response {
    let finger = ui.input(|i| i.any_touches());
    let sense = if draggable && !finger { Sense::click_and_drag() } else { Sense::click() };
    ui.interact(rect, ui.scope_id().with(("choice", at)), sense)
}

/// Points down where a group is open, to the right where it is not.
fn triangle(ui: &Ui, center: egui::Pos2, open: bool) {
    let corners = [vec2(-3.0, -5.0), vec2(4.5, 0.0), vec2(-3.0, 5.0)];
    let turned = corners.map(|c| center + if open { vec2(-c.y, c.x) } else { c });
    let fill = ui.visuals().text_color();
    ui.painter().add(egui::Shape::convex_polygon(turned.to_vec(), fill, egui::Stroke::NONE));
}

fn paint(ui: &Ui, response: &Response, rect: Rect, marked: bool, chosen: bool) {
    let v = ui.visuals();
    if chosen {
        ui.painter().rect_filled(rect, 4.0, v.selection.bg_fill);
    } else if response.hovered() || response.dnd_hover_payload::<Dragged>().is_some() {
        ui.painter().rect_filled(rect, 4.0, v.widgets.hovered.weak_bg_fill);
    }
    if marked || response.has_focus() {
        ui.painter().rect_stroke(rect, 4.0, v.selection.stroke, egui::StrokeKind::Inside);
    }
}

fn clicked(response: &Response, picker: &Picker, at: (usize, usize), f: &Facts<'_>) -> Option<Choice> {
    response.clicked().then(|| picker.choice(at, f.config)).flatten()
}

/// The class that is being dragged.
struct Dragged(usize);

/// A thing that is dragged shows its name at the pointer; dropped onto this one it is mixed with it.
fn dragged(ui: &Ui, f: &Facts<'_>, response: &Response, class: usize) -> Option<Choice> {
    response.dnd_set_drag_payload(Dragged(class));
    if response.dragged()
        && let Some(at) = ui.ctx().pointer_interact_pos()
    {
        let layer = egui::LayerId::new(egui::Order::Tooltip, response.id);
        let name = format!("{} + ...", f.config.class_name(class));
        let painter = ui.ctx().layer_painter(layer);
        let font = egui::TextStyle::Body.resolve(ui.style());
        let galley = painter.layout_no_wrap(name, font, ui.visuals().strong_text_color());
        let rect = Rect::from_min_size(at + vec2(12.0, 8.0), galley.size()).expand(4.0);
        painter.rect_filled(rect, 4.0, ui.visuals().extreme_bg_color);
        painter.galley(rect.min + vec2(4.0, 4.0), galley, ui.visuals().strong_text_color());
    }
    let dropped = response.dnd_release_payload::<Dragged>()?;
    (dropped.0 != class).then(|| Choice::Take(mixed(&dropped.0.into(), &class.into())))
}
