//! Many pictures at once: each is what it would be alone, on the twins and on the GPU in both tiers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::{Generator, ModelConfig};
use dpar::engine::cache::CacheFormat;
use dpar::engine::room::Room;
use dpar::engine::state::MAX_PICTURES;
use dpar::engine::{CpuExecutor, Engine, GpuExecutor, Layout, Tier, build};
use dpar::run::{Event, Request, Session, Token};
use serde_json::json;

/// Where pictures are drawn: by so many threads of the twins, or on the GPU in a tier.
#[derive(Clone, Copy, Debug)]
enum Place {
    Twins(usize),
    Gpu(Tier),
}

fn places() -> Vec<Place> {
    let mut places = vec![Place::Twins(1), Place::Twins(3)];
    if common::gpu().is_some() {
        places.extend([Place::Gpu(Tier::SOFTWARE), Place::Gpu(Tier::GPU)]);
    }
    places
}

fn engine(place: Place, files: &ModelFiles, generator: Generator, lanes: u32, pictures: usize) -> Engine {
    engine_with(CacheFormat::F32, place, files, generator, lanes, pictures)
}

fn engine_with(
    caches: CacheFormat,
    place: Place,
    files: &ModelFiles,
    generator: Generator,
    lanes: u32,
    pictures: usize,
) -> Engine {
    match place {
        Place::Twins(threads) => {
            let program = build(files, generator, Layout { lanes, pictures, caches, ..Layout::CPU }).unwrap();
            Engine::Cpu(Box::new(CpuExecutor::with_threads(program, threads)))
        }
        Place::Gpu(tier) => {
            let gpu = common::gpu().unwrap();
            // What hardware GPUs run, in their tier.
            let layout = Layout { lanes, pictures, fused: tier == Tier::GPU, caches, ..Layout::GPU };
            let program = build(files, generator, layout).unwrap();
            let made = pollster::block_on(GpuExecutor::new(&gpu.device, &gpu.queue, tier, program));
            Engine::Gpu(Box::new(made.unwrap()))
        }
    }
}

/// Requests that differ in all that may differ: seed, class, threshold, P_max, guidance, temperature, given tokens, changes.
fn requests(files: &ModelFiles, generator: Generator, count: usize) -> Vec<Request> {
    let request = |n: usize| {
        let mut request = Request::new(&files.config, generator, n % files.config.num_classes(), 7 * n as u32 + 1);
        let entropy = request.controls.threshold;
        request.controls.threshold = entropy * [1.0, 0.8, 1.1, 0.5, 1.5][n % 5];
        request.controls.p_max = [4, 2, 0, 8, 1, 3][n % 6];
        request.controls.sampling.cfg_scale = [2.0, 1.0, 3.5][n % 3];
        request.controls.sampling.temperature = [1.0, 0.7, 0.0, 1.2][n % 4];
        request.controls.sampling.top_p = [0.9, 1.0][n % 2];
        if n % 3 == 1 {
            request.forced = (0..9 + n).map(|i| (i % 2 == 0).then_some((i % 5) as u32)).collect();
        }
        if n % 4 == 2 {
            let mut later = request.controls.clone();
            later.threshold = entropy * 0.6;
            request.schedule.push((17 + n, later));
        }
        request
    };
    (0..count).map(request).collect()
}

fn finish(session: &mut Session) -> Vec<(usize, Event)> {
    let mut events = Vec::new();
    while !session.is_done() {
        events.extend(session.step_blocking().unwrap());
    }
    events
}

fn alone(place: Place, files: &ModelFiles, request: &Request) -> Vec<Token> {
    let mut session =
        Session::new(engine(place, files, request.generator, 2, 1), &files.config, request.clone()).unwrap();
    finish(&mut session);
    session.tokens().to_vec()
}

/// All figures but those whose sums the GPU adds up in another order.
fn same(found: &[Token], expected: &[Token], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        let key = |t: &Token| (t.position, t.id, t.entropy, t.starts_patch, t.patch, t.rank, t.probability);
        assert_eq!(key(f), key(e), "{what}");
        assert_eq!(f.candidates, e.candidates, "{what}");
    }
}

#[test]
fn each_is_what_it_is_alone() {
    for name in ["tiny", "odd"] {
        let files = common::Fixture::load(name).files;
        for place in places() {
            for generator in [Generator::Dpar, Generator::Baseline] {
                // The twins are quick; a software adapter is not.
                let counts = match (place, generator, name) {
                    (Place::Twins(_), _, "tiny") => &[1, 2, 3, 7, 16, MAX_PICTURES][..],
                    (Place::Gpu(Tier::SOFTWARE), Generator::Dpar, "tiny") => &[2, 9],
                    (_, Generator::Baseline, "odd") => &[1],
                    _ => &[3],
                };
                let most = *counts.last().unwrap();
                let all = requests(&files, generator, most);
                let expected: Vec<Vec<Token>> = all.iter().map(|request| alone(place, &files, request)).collect();
                for count in counts {
                    let what = format!("{name}, {generator:?}, {count} pictures, {place:?}");
                    let engine = engine(place, &files, generator, 2, *count);
                    let mut session = Session::several(engine, &files.config, all[..*count].to_vec()).unwrap();
                    let events = finish(&mut session);
                    for (n, picture) in session.pictures().iter().enumerate() {
                        same(picture.tokens(), &expected[n], &format!("{what}, picture {n}"));
                        let own: Vec<Token> = events
                            .iter()
                            .filter(|(of, _)| *of == n)
                            .filter_map(|(_, e)| if let Event::Token(t) = e { Some(t.clone()) } else { None })
                            .collect();
                        same(&own, picture.tokens(), &format!("{what}, events of picture {n}"));
                        let done = events.iter().filter(|(of, e)| *of == n && matches!(e, Event::Done(_)));
                        assert_eq!(done.count(), 1, "{what}");
                    }
                }
            }
        }
    }
}

/// Rounded keys and values move every figure a little, and none because others are drawn beside.
#[test]
fn with_half_caches_each_is_what_it_is_alone() {
    let files = common::Fixture::load("odd").files;
    let all: Vec<Request> = requests(&files, Generator::Dpar, 3)
        .into_iter()
        .map(|request| Request {
            forced: (0..files.config.tokens()).map(|i| Some((i % 7) as u32)).collect(),
            ..request
        })
        .collect();
    for place in places() {
        let drawn = |caches, requests: &[Request]| {
            let engine = engine_with(caches, place, &files, Generator::Dpar, 2, requests.len());
            let mut session = Session::several(engine, &files.config, requests.to_vec()).unwrap();
            finish(&mut session);
            session.pictures().iter().map(|picture| picture.tokens().to_vec()).collect::<Vec<_>>()
        };
        let (halves, floats) = (drawn(CacheFormat::F16, &all), drawn(CacheFormat::F32, &all));
        let mut moved = 0;
        for (n, (half, float)) in halves.iter().zip(&floats).enumerate() {
            same(half, &drawn(CacheFormat::F16, &all[n..=n])[0], &format!("{place:?}, picture {n}"));
            for (half, float) in half.iter().zip(float) {
                let entropies = half.entropy.unwrap() - float.entropy.unwrap();
                assert!(entropies.abs() < 0.01, "{place:?}: {half:?} {float:?}");
                moved += usize::from(entropies != 0.0);
            }
        }
        assert!(moved > 0, "{place:?}: caches are not rounded");
    }
    let room = |caches| Room::of(&files.config, Generator::Dpar, Layout { caches, ..Layout::CPU }).bytes;
    assert!(room(CacheFormat::F16) < room(CacheFormat::F32));
}

/// A picture that is stopped alone ends there; a threshold that is moved for one moves for it only; and the others do not notice.
#[test]
fn stops_and_live_changes_are_a_pictures_own() {
    let files = common::Fixture::load("tiny").files;
    for place in places() {
        let all = requests(&files, Generator::Dpar, 4);
        let mut session =
            Session::several(engine(place, &files, Generator::Dpar, 2, 4), &files.config, all.clone()).unwrap();
        let to = |session: &mut Session, position: usize| {
            session.run_to(position);
            while session.pictures()[3].tokens().len() < position {
                session.step_blocking().unwrap();
            }
        };
        to(&mut session, 10);
        session.stop_picture(1);
        to(&mut session, 20);
        let mut moved = all[0].controls.clone();
        moved.threshold *= 0.5;
        session.set_controls_of(0, 0, moved).unwrap();
        session.stop_picture(1);
        session.resume();
        let events = finish(&mut session);
        let lengths: Vec<usize> = session.pictures().iter().map(|picture| picture.tokens().len()).collect();
        assert_eq!(lengths, [64, 10, 64, 64], "{place:?}");
        for (n, picture) in session.pictures().iter().enumerate() {
            let changes = picture.changes().to_vec();
            assert_eq!(changes.iter().filter(|(at, _)| *at == 20).count(), usize::from(n == 0), "{place:?}");
            let request = Request { schedule: changes, ..all[n].clone() };
            let expected = alone(place, &files, &request);
            same(picture.tokens(), &expected[..lengths[n]], &format!("{place:?}, picture {n}"));
        }
        let stopped = events.iter().filter(|(_, e)| matches!(e, Event::Done(s) if s.stopped)).count();
        assert_eq!(stopped, 0, "picture 1 has said so before");
    }
}

/// Fewer requests than the engine has room for; the engine goes on to the next run.
#[test]
fn room_that_is_not_used_changes_nothing() {
    let files = common::Fixture::load("tiny").files;
    for place in places() {
        let mut engine = engine(place, &files, Generator::Dpar, 2, 5);
        for count in [5, 2, 1, 3] {
            let all = requests(&files, Generator::Dpar, count);
            let mut session = Session::several(engine, &files.config, all.clone()).unwrap();
            finish(&mut session);
            for (picture, request) in session.pictures().iter().zip(&all) {
                same(picture.tokens(), &alone(place, &files, request), &format!("{count} of 5, {place:?}"));
            }
            engine = session.into_engine();
        }
        let e = Session::several(engine, &files.config, requests(&files, Generator::Dpar, 6)).unwrap_err();
        assert!(e.to_string().contains("6 pictures for an engine that was built for 5"), "{e}");
    }
}

/// What is reckoned beforehand is what a program then has, for every model here.
#[test]
fn memory_is_known_beforehand() {
    for name in ["tiny", "odd", "v1", "smoke"] {
        let files = common::Fixture::load(name).files;
        for generator in [Generator::Dpar, Generator::Baseline] {
            for lanes in [1, 2] {
                for layout in [Layout::GPU, Layout::FUSED] {
                    let layout = Layout { lanes, pictures: 3, ..layout };
                    let room = Room::of(&files.config, generator, layout);
                    let program = build(&files, generator, layout).unwrap();
                    assert_eq!(room.bytes, program.picture_bytes() as u64, "{name}, {generator:?}, {lanes} lanes");
                }
            }
        }
    }
}

/// LlamaGen-L on 24 x 24 tokens, and a wide model on 64 x 64: the sentence says how many fit, and so many are not refused.
#[test]
fn too_many_pictures_are_refused_before_anything_is_allocated() {
    for (dim, layers, grid) in [(1024, 24, 24), (1024, 24, 64), (2560, 36, 64)] {
        let model = |dim: usize, layers: usize| {
            json!({"dim": dim, "n_head": dim / 64, "n_layer": layers, "vocab_size": 16384, "num_classes": 1000,
                "grid_size": grid, "multiple_of": 256})
        };
        let config = json!({
            "baseline": model(dim, layers),
            "vq": {"ch": 8, "ch_mult": [1, 1], "num_res_blocks": 1, "z_channels": 8, "codebook_size": 16384,
                "codebook_embed_dim": 4, "norm_groups": 4},
            "patching": {"mode": "static", "threshold": 5.0, "max_patch_length": 3},
        });
        let config = ModelConfig::parse(config.to_string().as_bytes(), "config.json").unwrap();
        let room = Room::of(&config, Generator::Baseline, Layout::GPU);
        let caches = 2 * layers * 2 * grid * grid * dim * 4;
        assert!(room.bytes as usize > caches && (room.bytes as usize) < caches + caches / 10 + (1 << 22), "{room:?}");
        assert!(room.most >= 1 && room.most < MAX_PICTURES, "{room:?}");
        room.check(room.most).unwrap();
        let said = room.check(room.most + 1).unwrap_err().to_string();
        let fit = format!("{} at once fit here", room.most);
        assert!(said.contains(&fit) && said.contains(&format!("{} MiB", room.bytes.div_ceil(1 << 20))), "{said}");
    }
}
