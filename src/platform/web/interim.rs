//! Stands in for `dpar::app::App` until the branches meet: draws pictures with the real engine, without a view.

use std::cell::RefCell;
use std::rc::Rc;

use eframe::egui;
use serde_json::{Value, json};

use super::host::{self, Host};
use crate::backend::{Backend, DeviceChoice};
use crate::checkpoint::ModelFiles;
use crate::engine::Generator;
use crate::error::Result;
use crate::model::Tokenizer;
use crate::request::Request;
use crate::session::Session;

struct Model {
    files: ModelFiles,
    backend: Backend,
    tokenizer: Tokenizer,
}

#[derive(Default)]
struct Shared {
    model: Option<Rc<Model>>,
    session: Option<Session>,
    phase: String,
    message: Option<String>,
    progress: Option<(String, u64, u64)>,
    picture: Option<egui::ColorImage>,
}

/// The app.
pub struct Interim {
    shared: Rc<RefCell<Shared>>,
    host: Host,
    class: usize,
    seed: u32,
    threshold: f32,
    texture: Option<egui::TextureHandle>,
    published: String,
    link: String,
    frames: u64,
    started: web_time::Instant,
    elapsed: f64,
}

impl Interim {
    /// Starts fetching at once.
    pub fn new(cc: &eframe::CreationContext<'_>, host: &Host, link: &str) -> Result<Self> {
        let shared = Rc::new(RefCell::new(Shared { phase: "loading".into(), ..Shared::default() }));
        let mut app = Self {
            shared,
            host: host.clone(),
            class: 8,
            seed: 1,
            threshold: 5.2,
            texture: None,
            published: String::new(),
            link: link.into(),
            frames: 0,
            started: web_time::Instant::now(),
            elapsed: 0.0,
        };
        app.load(&cc.egui_ctx);
        Ok(app)
    }

    fn load(&mut self, ctx: &egui::Context) {
        let (shared, ctx, cpu) = (self.shared.clone(), ctx.clone(), self.host.cpu());
        shared.borrow_mut().phase = "loading".into();
        shared.borrow_mut().message = None;
        super::run(async move {
            let heard = (shared.clone(), ctx.clone());
            let progress = move |s: host::Step| {
                heard.0.borrow_mut().progress = Some((s.phase, s.done, s.total));
                heard.1.request_repaint();
            };
            let loaded = async {
                let files = super::fetch_model(progress).await?;
                let backend = Backend::open(if cpu { DeviceChoice::Cpu } else { DeviceChoice::Auto }).await?;
                let tokenizer = Tokenizer::load(&files.config.vq, &files.vq, &backend.tensor_device()?)?;
                Ok::<_, crate::Error>(Model { files, backend, tokenizer })
            };
            let loaded = loaded.await;
            let mut to = shared.borrow_mut();
            to.progress = None;
            match loaded {
                Ok(model) => {
                    to.model = Some(Rc::new(model));
                    to.phase = "ready".into();
                }
                Err(e) => {
                    to.phase = "error".into();
                    to.message = Some(e.to_string());
                }
            }
            ctx.request_repaint();
        });
    }

    fn generate(&mut self, ctx: &egui::Context) {
        let Some(model) = self.shared.borrow().model.clone() else { return };
        let mut request = Request::new(&model.files.config, Generator::Dpar, self.class, self.seed);
        request.live.threshold = self.threshold;
        let (shared, ctx) = (self.shared.clone(), ctx.clone());
        self.started = web_time::Instant::now();
        super::run(async move {
            let session = match model.backend.engine(&model.files, Generator::Dpar, 2).await {
                Ok(engine) => Session::new(engine, &model.files.config, request),
                Err(e) => Err(e),
            };
            let mut to = shared.borrow_mut();
            match session {
                Ok(session) => {
                    to.session = Some(session);
                    to.phase = "running".into();
                }
                Err(e) => {
                    to.phase = "error".into();
                    to.message = Some(e.to_string());
                }
            }
            ctx.request_repaint();
        });
    }

    fn advance(&mut self, ctx: &egui::Context) {
        let mut to = self.shared.borrow_mut();
        if to.phase != "running" {
            return;
        }
        let model = to.model.clone();
        let (Some(session), Some(model)) = (to.session.as_mut(), model) else { return };
        if let Err(e) = session.step() {
            to.message = Some(e.to_string());
            to.phase = "error".into();
            return;
        }
        let ids: Vec<u32> = session.tokens().iter().map(|t| t.id).collect();
        let done = session.is_done();
        ctx.request_repaint();
        if !done {
            return;
        }
        self.elapsed = self.started.elapsed().as_secs_f64() * 1000.0;
        to.phase = "done".into();
        drop(to);
        let (shared, ctx) = (self.shared.clone(), ctx.clone());
        super::run(async move {
            let picture = model.tokenizer.decode_image(&ids, 16).await;
            let mut to = shared.borrow_mut();
            match picture {
                Ok(p) => {
                    let size = [p.width() as usize, p.height() as usize];
                    to.picture = Some(egui::ColorImage::from_rgb(size, p.as_raw()));
                }
                Err(e) => to.message = Some(e.to_string()),
            }
            ctx.request_repaint();
        });
    }

    fn obey(&mut self, ctx: &egui::Context) {
        for (name, value) in host::take_commands() {
            match name.as_str() {
                "generate" | "redraw" => self.generate(ctx),
                "reload_model" => self.load(ctx),
                "seed" => self.seed = value.parse().unwrap_or(self.seed),
                "threshold" => self.threshold = value.parse().unwrap_or(self.threshold),
                "link" => self.link = value,
                "export_trace" => super::run(async move {
                    let _ = super::save_file("dpar.trace.json".into(), b"{}".to_vec()).await;
                }),
                _ => {}
            }
        }
    }

    fn state(&self) -> Value {
        let s = self.shared.borrow();
        let tokens = s.session.as_ref().map_or(0, |x| x.tokens().len());
        let patches = s.session.as_ref().map_or(0, |x| x.patches().count());
        let ids = s.session.as_ref().filter(|x| x.is_done());
        let class = s.model.as_ref().and_then(|m| m.files.config.classes.get(self.class).cloned());
        json!({
            "phase": s.phase, "message": s.message,
            "device": s.model.as_ref().map_or_else(String::new, |m| m.backend.name()),
            "renderer": self.host.renderer(), "model": host::model_hash(), "class": class.unwrap_or_default(), "seed": self.seed,
            "threshold": self.threshold, "p_max": 4, "mode": "entropy_row_boundary", "token": tokens, "tokens": tokens,
            "total": 256, "patches": patches, "average_patch_length": tokens as f64 / patches.max(1) as f64,
            "ms_per_token": self.elapsed / tokens.max(1) as f64, "steps_saved": tokens.saturating_sub(patches),
            "view": {"grid": false, "heat": false, "theme": "system", "compare": false}, "compare": null,
            "ids": ids.map(|x| x.tokens().iter().map(|t| t.id).collect::<Vec<_>>()), "link": self.link,
            "progress": s.progress.as_ref().map(|p| json!({"phase": p.0, "done": p.1, "total": p.2})),
            "selfcheck": null, "frames": self.frames, "first_paint_ms": null, "hint": self.host.notice(),
        })
    }
}

impl eframe::App for Interim {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.frames += 1;
        self.obey(&ctx);
        self.advance(&ctx);
        if let Some(picture) = self.shared.borrow_mut().picture.take() {
            self.texture = Some(ctx.load_texture("picture", picture, egui::TextureOptions::NEAREST));
        }
        ui.heading("DPAR (interim view)");
        let state = self.state();
        ui.label(format!("{} {} of 256, {} patches", state["phase"], state["tokens"], state["patches"]));
        if let Some(message) = state["message"].as_str() {
            ui.label(message);
        }
        ui.add(egui::Slider::new(&mut self.threshold, 0.0..=7.0).text("threshold"));
        if let Some(texture) = &self.texture {
            ui.image((texture.id(), egui::vec2(320.0, 320.0)));
        }
        if ui.button("Generate").clicked() {
            self.generate(&ctx);
        }
        let mut key = state.clone();
        key["frames"] = 0.into();
        let text = key.to_string();
        if text != self.published {
            host::publish(&state.to_string());
            self.published = text;
        }
    }
}
