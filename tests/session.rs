//! Sessions: events, live controls, steps, stopping, going on after a loss, traces, previews, completion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use common::repository;
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::engine::backend::{Backend, DeviceChoice};
use dpar::engine::device::Gpu;
use dpar::engine::{CpuExecutor, Engine, GpuExecutor, Layout, Tier, build};
use dpar::model::Tokenizer;
use dpar::run::request::Request;
use dpar::run::trace::{Run, Trace};
use dpar::run::{Event, Session, Statistics};

struct Place {
    files: ModelFiles,
    backend: Backend,
}

impl Place {
    fn open(choice: DeviceChoice) -> Self {
        let files = ModelFiles::load_dir(&repository("tests/fixtures/tiny")).unwrap();
        Self { files, backend: pollster::block_on(Backend::open(choice)).unwrap() }
    }

    /// The CPU, and the GPU where there is one.
    fn all() -> Vec<Self> {
        let mut all = vec![Self::open(DeviceChoice::Cpu)];
        if common::gpu().is_some() {
            all.push(Self::open(DeviceChoice::Gpu));
        }
        all
    }

    fn session(&self, request: Request) -> Session {
        let lanes = if request.controls.sampling.cfg_scale == 1.0 { 1 } else { 2 };
        let engine = pollster::block_on(self.backend.engine(&self.files, request.generator, lanes)).unwrap();
        Session::new(engine, &self.files.config, request).unwrap()
    }

    fn request(&self, seed: u32) -> Request {
        Request::new(&self.files.config, Generator::Dpar, 2, seed)
    }

    fn draw(&self, request: Request) -> Session {
        let mut session = self.session(request);
        finish(&mut session);
        session
    }
}

fn finish(session: &mut Session) -> (Vec<Event>, Statistics) {
    let mut events = Vec::new();
    while !session.is_done() {
        events.extend(session.step_blocking().unwrap().into_iter().map(|(_, event)| event));
    }
    let done = events.iter().find_map(|e| if let Event::Done(s) = e { Some(s.clone()) } else { None });
    (events, done.expect("a finished run says so"))
}

fn ids(session: &Session) -> Vec<u32> {
    session.tokens().iter().map(|t| t.id).collect()
}

#[test]
fn events_tell_the_whole_run() {
    for place in Place::all() {
        for generator in [Generator::Dpar, Generator::Baseline] {
            let mut session = place.session(Request { generator, ..place.request(1) });
            let (events, done) = finish(&mut session);
            let tokens: Vec<_> =
                events.iter().filter_map(|e| if let Event::Token(t) = e { Some(t) } else { None }).collect();
            assert!(tokens.iter().enumerate().all(|(i, t)| t.position == i) && tokens.len() == 64);
            let closed: Vec<_> =
                events.iter().filter_map(|e| if let Event::PatchClosed(p) = e { Some(*p) } else { None }).collect();
            assert_eq!(closed, session.patches().list());
            let dpar = generator == Generator::Dpar;
            assert_eq!(done.patches, if dpar { closed.len() } else { 0 });
            assert!(tokens.iter().all(|t| t.entropy.is_some() == dpar));
            for t in tokens {
                let sum: f32 = t.candidates.iter().map(|c| c.1).sum();
                assert!(t.candidates.len() == 8 && sum <= 1.0001 && t.candidates.is_sorted_by(|a, b| a.1 >= b.1));
                // The drawn token's rank says where it stands among the candidates.
                if let Some(candidate) = t.candidates.get(t.rank as usize) {
                    assert!((candidate.1 - t.probability).abs() < 1e-4, "{t:?}");
                }
                assert!(!dpar || t.patch == session.patches().ids()[t.position]);
            }
        }
    }
}

#[test]
fn a_threshold_moved_on_the_way_counts_from_the_next_submit_and_replays() {
    for place in Place::all() {
        let plain = place.draw(place.request(3));
        let mut session = place.session(place.request(3));
        session.run_to(20);
        while session.tokens().len() < 20 {
            session.step_blocking().unwrap();
        }
        let mut controls = session.controls().clone();
        controls.threshold = 1e6;
        controls.p_max = 0;
        session.set_controls(controls.clone()).unwrap();
        session.resume();
        finish(&mut session);
        assert_eq!(ids(&session)[..20], ids(&plain)[..20]);
        let starts: Vec<usize> = session
            .tokens()
            .iter()
            .filter(|t| t.starts_patch.is_some() && t.position >= 20)
            .map(|t| t.position)
            .collect();
        assert_eq!(starts, [24, 32, 40, 48, 56], "only row starts are left");
        assert_eq!(session.changes(), [(20, controls)]);

        // The trace repeats it, changes included.
        let run = Run::detailed(&session, &place.files.config).plain();
        let trace = Trace { model: place.files.hash.clone(), runs: vec![run] };
        let json = serde_json::to_vec(&trace).unwrap();
        let read = Trace::parse(&json, "trace.json", &place.files.config).unwrap();
        assert_eq!(read, trace);
        let again = place.draw(read.runs[0].request());
        assert_eq!(ids(&again), ids(&session));
        assert_eq!(again.patches(), session.patches());
        assert_eq!(Run::detailed(&again, &place.files.config).plain(), read.runs[0]);
    }
}

#[test]
fn pausing_stepping_and_stopping() {
    for place in Place::all() {
        let mut session = place.session(place.request(1));
        session.pause();
        for _ in 0..3 {
            assert!(session.step().unwrap().is_empty());
        }
        for position in [1, 2, 5] {
            session.run_to(position);
            while session.tokens().len() < position {
                session.step_blocking().unwrap();
            }
            assert!(session.step_blocking().unwrap().is_empty() && session.tokens().len() == position);
        }
        session.stop();
        let (_, done) = finish(&mut session);
        assert!(done.stopped && done.tokens == 5);
        // The engine is free for the next run, which nothing of this one touches.
        let request = place.request(1);
        let mut next = Session::new(session.into_engine(), &place.files.config, request.clone()).unwrap();
        finish(&mut next);
        assert_eq!(ids(&next), ids(&place.draw(request)));
    }
}

#[test]
fn a_lost_run_goes_on_as_the_same_picture() {
    for place in Place::all() {
        let whole = place.draw(place.request(9));
        let mut session = place.session(place.request(9));
        session.run_to(30);
        while session.tokens().len() < 30 {
            session.step_blocking().unwrap();
        }
        let rest = session.continuation();
        drop(session);
        let session = place.draw(rest);
        assert_eq!(ids(&session), ids(&whole));
        assert_eq!(session.patches(), whole.patches());
    }
}

/// A device that forgets to write a token's record: it is not taken for a token, also not where the buffer still holds the
/// picture before.
#[test]
fn a_record_that_was_not_written_is_no_token() {
    let gpu = common::gpu();
    for place in Place::all() {
        let layout = place.backend.gpu().map_or(Layout::CPU, Gpu::layout);
        let whole = build(&place.files, Generator::Dpar, Layout { lanes: 2, ..layout }).unwrap();
        let (records, all) = (whole.ports.records, whole.steps.len());
        let mut broken = whole.clone();
        broken.steps.truncate(all - 1);
        let engine = |program| match (&gpu, place.backend.gpu()) {
            (Some(gpu), Some(_)) => {
                let made = GpuExecutor::new(&gpu.device, &gpu.queue, Tier::of(&gpu.info), program);
                Engine::Gpu(Box::new(pollster::block_on(made).unwrap()))
            }
            _ => Engine::Cpu(Box::new(CpuExecutor::new(program))),
        };
        let mut session = Session::new(engine(broken), &place.files.config, place.request(9)).unwrap();
        let e = session.step_blocking().and_then(|_| session.step_blocking()).unwrap_err();
        assert!(matches!(e, dpar::Error::DeviceLost(_)), "{e}");
        assert!(e.to_string().contains("where token 0 should be, the device wrote nothing"), "{e}");
        assert!(session.tokens().is_empty());

        let mut engine = engine(whole);
        let request = place.request(9);
        let mut session = Session::new(engine, &place.files.config, request.clone()).unwrap();
        finish(&mut session);
        engine = session.into_engine();
        assert!(pollster::block_on(engine.read(records)).unwrap().iter().any(|word| *word != 0));
        engine.start(&[(&request.class, &[])]).unwrap();
        assert!(pollster::block_on(engine.read(records)).unwrap().iter().all(|word| *word == 0));
    }
}

/// A device that ends in the middle of a run, with submits under way: another device finishes the same picture.
#[test]
fn a_run_on_a_device_that_dies_goes_on_on_another() {
    if common::gpu().is_none() {
        return;
    }
    let place = Place::open(DeviceChoice::Gpu);
    let whole = place.draw(place.request(9));
    let mut session = place.session(place.request(9));
    session.run_to(30);
    while session.tokens().len() < 20 {
        session.step_blocking().unwrap();
    }
    session.resume();
    session.step().unwrap();
    place.backend.gpu().unwrap().destroy();
    let begun = std::time::Instant::now();
    let e = loop {
        match session.step() {
            Err(e) => break e,
            Ok(_) => assert!(!session.is_done() && begun.elapsed().as_secs() < 20, "nobody noticed"),
        }
    };
    assert!(matches!(e, dpar::Error::DeviceLost(_)) && place.backend.lost().is_some(), "{e}");

    let rest = session.continuation();
    let given = rest.forced.len();
    assert!((20..64).contains(&given), "{given} tokens had arrived");
    let gpu = pollster::block_on(Gpu::open()).unwrap();
    let next = Place { backend: Backend::adopt(gpu), files: place.files };
    let finished = next.draw(rest.clone());
    assert_eq!(ids(&finished), ids(&whole));
    assert_eq!(finished.patches(), whole.patches());
    assert!(next.backend.lost().is_none());

    // Where no device can be had any more, the CPU goes on.
    let cpu = Place { backend: Backend::cpu(Some("the GPU was lost".into())), files: next.files };
    assert_eq!(ids(&cpu.draw(rest))[..given], ids(&whole)[..given]);
}

/// Burn keeps a device for ever; another one must not be confused with it.
#[test]
fn tensors_move_to_another_device_when_one_dies() {
    let Some(gpu) = common::gpu() else { return };
    let open = || pollster::block_on(Gpu::open()).unwrap();
    let files = ModelFiles::load_dir(&repository("tests/fixtures/tiny")).unwrap();
    let load = |gpu: &Gpu| Tokenizer::load(&files, &gpu.burn_device().unwrap()).unwrap();
    let decode = |tokenizer: &Tokenizer| pollster::block_on(tokenizer.decode_image(&[5; 64], 8));
    let (first, second) = (open(), open());
    assert_ne!(first.burn_device().unwrap(), second.burn_device().unwrap());
    let tokenizer = load(&first);
    let picture = decode(&tokenizer).unwrap();
    first.destroy();
    assert!(first.lost().is_some());
    let e = decode(&tokenizer).unwrap_err();
    assert!(matches!(e, dpar::Error::DeviceLost(_)), "{e}");
    for gpu in [&second, &open(), gpu] {
        assert_eq!(decode(&load(gpu)).unwrap(), picture);
        assert_eq!(gpu.lost(), None);
    }
}

#[test]
fn a_continuation_keeps_changes_that_are_still_to_come() {
    let place = Place::open(DeviceChoice::Cpu);
    let mut late = place.request(9).controls;
    late.p_max = 2;
    let request = Request { schedule: vec![(40, late)], ..place.request(9) };
    let whole = place.draw(request.clone());
    let mut session = place.session(request);
    session.run_to(30);
    while session.tokens().len() < 30 {
        session.step().unwrap();
    }
    let session = place.draw(session.continuation());
    assert_eq!(ids(&session), ids(&whole));
    assert_eq!(session.patches(), whole.patches());
    assert!(session.patches().list().iter().all(|p| p.first < 40 || p.len <= 2));
}

#[test]
fn weights_that_overflow_are_named_and_nothing_is_drawn() {
    let place = Place::open(DeviceChoice::Cpu);
    let program = {
        let mut program = build(&place.files, Generator::Dpar, Layout::CPU).unwrap();
        for b in program.buffers.iter_mut().filter(|b| b.name == "output.weight") {
            b.init = vec![3e38f32.to_bits(); b.init.len()];
        }
        program
    };
    let engine = Engine::Cpu(Box::new(CpuExecutor::new(program)));
    let mut session = Session::new(engine, &place.files.config, place.request(1)).unwrap();
    let e = session.step().unwrap_err();
    assert!(e.is_bad_input() && e.to_string().contains("overflow at token 0"), "{e}");
}

#[test]
fn given_tokens_stay_and_the_rest_is_drawn() {
    for place in Place::all() {
        let free = place.draw(place.request(4));
        let mut forced: Vec<Option<u32>> = vec![None; 64];
        for (i, slot) in forced.iter_mut().enumerate().take(48).skip(10) {
            *slot = Some((7 * i as u32) % 64);
        }
        let session = place.draw(Request { forced: forced.clone(), ..place.request(4) });
        for (i, (id, given)) in ids(&session).iter().zip(&forced).enumerate() {
            assert!(given.is_none_or(|g| g == *id), "token {i}");
        }
        assert_eq!(ids(&session)[..10], ids(&free)[..10], "what comes before is not touched");
        assert_ne!(ids(&session)[48..], ids(&free)[48..], "what follows sees what was given");
    }
}

#[test]
fn what_a_run_cannot_do_is_one_sentence() {
    let place = Place::open(DeviceChoice::Cpu);
    let refused = |request: Request| {
        let lanes = if request.controls.sampling.cfg_scale == 1.0 { 1 } else { 2 };
        let engine = pollster::block_on(place.backend.engine(&place.files, Generator::Dpar, lanes)).unwrap();
        Session::new(engine, &place.files.config, request).unwrap_err().to_string()
    };
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = place.request(1);
        change(&mut request);
        refused(request)
    };
    for (says, message) in [
        ("threshold NaN", with(&|r| r.controls.threshold = f32::NAN)),
        ("temperature -1", with(&|r| r.controls.sampling.temperature = -1.0)),
        ("top-p 1.5", with(&|r| r.controls.sampling.top_p = 1.5)),
        ("guidance scale inf", with(&|r| r.controls.sampling.cfg_scale = f32::INFINITY)),
        ("class 11", with(&|r| r.class = 11.into())),
        ("given token 64", with(&|r| r.forced = vec![Some(64)])),
        ("65 tokens", with(&|r| r.forced = vec![None; 65])),
        ("internal error", with(&|r| r.generator = Generator::Baseline)),
    ] {
        assert!(message.contains(says) && message.lines().count() == 1, "{says}: {message}");
    }
    // One lane cannot take up guidance on the way; what was set stays.
    let mut request = place.request(1);
    request.controls.sampling.cfg_scale = 1.0;
    let mut session = place.session(request);
    let mut controls = session.controls().clone();
    controls.sampling.cfg_scale = 3.0;
    assert!(session.set_controls(controls).unwrap_err().to_string().contains("two lanes"));
    assert_eq!(session.controls().sampling.cfg_scale, 1.0);
}
