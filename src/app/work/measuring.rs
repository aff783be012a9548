//! Goes on with the bench, frame by frame.

use std::time::Duration;

use eframe::egui;

use crate::app::input::action::Action;
use crate::app::state::app::App;
use crate::app::state::picture::Source;
use crate::app::work::bench::{Sight, Wish};
use crate::app::work::decoder;
use crate::platform;
use crate::run::Statistics;

impl App {
    /// Goes on with the bench.
    pub(in crate::app) fn measure(&mut self, ctx: &egui::Context) {
        let Some(mut bench) = self.bench.run.take() else { return };
        let main = self.playback.main.as_ref();
        let run = main.filter(|p| p.source == Source::Run);
        let sight = Sight {
            now_ms: 1000.0 * self.clock.now(),
            frames: self.clock.frames,
            frame_ms: self.clock.frame_ms,
            longest_work_ms: self.clock.longest_work_ms,
            ready: self.model.ready().is_some()
                && (self.analyst.selfcheck.is_some() || self.machine.backend.gpu().is_none()),
            recorded: main.is_some_and(|p| p.source == Source::Recorded && !p.tokens.is_empty()),
            live: self.playback.is_live(),
            tokens: run.map_or(0, |p| p.tokens.len()),
            finished: run.is_some_and(|p| p.is_done() && decoder::finished(p).is_some()),
            ms_per_token: run.and_then(|p| p.statistics.as_ref()).map(Statistics::ms_per_token),
        };
        match bench.tick(&sight, &self.machine.backend, &self.machine.wake) {
            Ok(Wish::Wait) => {}
            Ok(Wish::Draw { blind }) => {
                self.bench.blind = blind;
                self.act(Action::Generate);
            }
            Ok(Wish::Done) => {
                self.bench.blind = false;
                let text = format!("{}\nmodel runs on {}", bench.figures.text(), self.machine.backend.name());
                self.ui.say(&text);
                platform::finish_bench(&text);
                self.bench.figures = Some(bench.figures);
                if platform::CLOSES {
                    ctx.send_viewport_cmd(egui::ViewportCommand::Close);
                }
                return;
            }
            Err(e) => self.ui.say(e),
        }
        self.bench.run = Some(bench);
        ctx.request_repaint_after(Duration::from_millis(5));
    }
}
