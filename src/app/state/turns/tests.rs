use proptest::prelude::*;

use super::*;

/// Two runs as sessions are: what is granted is submitted in pieces, and comes back a little later.
struct Simulation {
    turns: Turns,
    runs: [Option<Simulated>; 2],
    now: f64,
    speed: f32,
}

struct Simulated {
    starts: Vec<bool>,
    drawn: usize,
    submitted: usize,
}

/// Tokens a submit at most.
const SUBMIT: usize = 8;

#[derive(Clone, Debug)]
enum What {
    Pause,
    Resume,
    Token,
    Patch,
    Speed(f32),
    Stop,
    Frames(u8, f64),
}

impl Simulation {
    fn new(runs: [Option<Vec<bool>>; 2], drawn: [usize; 2]) -> Self {
        let mut n = 0;
        let runs = runs.map(|starts| {
            n += 1;
            starts.map(|starts| Simulated { drawn: drawn[n - 1], submitted: drawn[n - 1], starts })
        });
        Self { turns: Turns::default(), runs, now: 0.0, speed: 0.0 }
    }

    fn standings(&self) -> Standings {
        std::array::from_fn(|k| {
            self.runs[k].as_ref().map(|run| Standing {
                drawn: run.drawn,
                patches: run.starts[..run.drawn].iter().filter(|start| **start).count(),
                total: run.starts.len(),
            })
        })
    }

    /// A frame: what is in flight comes back, what may be drawn is submitted; whether anything moved.
    fn frame(&mut self, seconds: f64) -> bool {
        self.now += seconds;
        let grant = self.turns.next(&self.standings(), self.now, self.speed);
        let mut moved = false;
        for (k, slot) in self.runs.iter_mut().enumerate() {
            let Some(run) = slot else { continue };
            moved |= run.drawn < run.submitted;
            run.drawn = run.submitted;
            if let Some(grant) = grant.filter(|grant| grant.run == k) {
                assert!(grant.to > run.drawn || moved, "{grant:?} is leave for nothing");
                assert!(grant.to <= run.starts.len());
                run.submitted = run.submitted.max(grant.to.min(run.submitted + SUBMIT));
                moved |= run.drawn < run.submitted;
            }
            if run.drawn == run.starts.len() {
                *slot = None;
            }
        }
        moved
    }

    fn drawn(&self) -> [Option<usize>; 2] {
        self.standings().map(|run| run.map(|run| run.drawn))
    }

    fn differ(&self) -> usize {
        match self.drawn() {
            [Some(a), Some(b)] => a.abs_diff(b),
            _ => 0,
        }
    }

    fn does(&mut self, what: &What) {
        match what {
            What::Pause => self.turns.pause(),
            What::Resume => self.turns.resume(),
            What::Token => self.turns.step_token(&self.standings()),
            What::Patch => self.turns.step_patch(&self.standings()),
            What::Speed(speed) => self.speed = *speed,
            What::Stop => self.runs = [None, None],
            What::Frames(count, seconds) => {
                for _ in 0..*count {
                    self.frame(*seconds);
                }
            }
        }
    }
}

fn whats() -> impl Strategy<Value = What> {
    prop_oneof![
        2 => Just(What::Pause),
        2 => Just(What::Resume),
        2 => Just(What::Token),
        2 => Just(What::Patch),
        2 => prop_oneof![Just(0.0f32), 1.0f32..1000.0].prop_map(What::Speed),
        1 => Just(What::Stop),
        8 => (1u8..20, 0.001f64..0.3).prop_map(|(count, seconds)| What::Frames(count, seconds)),
    ]
}

fn starts() -> impl Strategy<Value = Vec<bool>> {
    (1usize..160, 1usize..40, any::<bool>()).prop_map(|(total, length, every)| {
        (0..total).map(|token| every || token == 0 || token % length == 1 % length).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn every_run_ends_and_none_runs_away(
        main in starts(), other in proptest::option::of(starts()), whats in proptest::collection::vec(whats(), 0..40)
    ) {
        let mut s = Simulation::new([Some(main), other], [0, 0]);
        for what in &whats {
            s.does(what);
            prop_assert!(s.differ() <= TURN + SUBMIT, "{:?} after {:?}", s.drawn(), what);
        }
        // Held, nothing moves once what was in flight has come.
        s.turns.pause();
        s.frame(0.01);
        let held = s.drawn();
        for _ in 0..20 {
            prop_assert!(!s.frame(0.1) || s.drawn() == held);
        }
        // Whatever happened before: gone on with, it ends, at any speed.
        s.turns.resume();
        let mut frames = 0;
        while s.runs.iter().any(Option::is_some) {
            s.frame(0.3);
            frames += 1;
            prop_assert!(s.differ() <= TURN + SUBMIT);
            prop_assert!(frames < 2000, "{:?} for ever, speed {}", s.drawn(), s.speed);
        }
    }

    #[test]
    fn runs_that_begin_apart_meet(a in 0usize..160, b in 0usize..160) {
        let mut s = Simulation::new([Some(vec![true; 160]), Some(vec![true; 160])], [a, b]);
        let mut apart = s.differ();
        while s.runs.iter().any(Option::is_some) {
            prop_assert!(s.frame(0.0) || s.runs.iter().all(Option::is_none));
            prop_assert!(s.differ() <= apart.max(TURN + SUBMIT));
            apart = apart.min(s.differ().max(TURN + SUBMIT));
        }
    }

    #[test]
    fn a_speed_holds_for_each(speed in 5.0f32..400.0, frame in 0.002f64..0.03, two in any::<bool>()) {
        let run = || Some(vec![true; 100_000]);
        let mut s = Simulation::new([run(), if two { run() } else { None }], [0, 0]);
        s.speed = speed;
        while s.now < 20.0 {
            s.frame(frame);
        }
        // A frame lets one run go on: what two runs can draw at most is a submit every other frame.
        let most = SUBMIT as f64 / frame / if two { 2.0 } else { 1.0 };
        let wanted = f64::from(speed).min(most);
        for drawn in s.drawn().into_iter().flatten() {
            let rate = drawn as f64 / s.now;
            prop_assert!(rate <= 1.1 * f64::from(speed), "{} of {}", rate, speed);
            prop_assert!(wanted > 0.5 * most || rate >= 0.9 * wanted, "{} of {}, {} possible", rate, wanted, most);
        }
    }
}

#[test]
fn a_step_is_a_token_of_each_or_a_patch_of_the_first() {
    let main: Vec<bool> = (0..40).map(|token| token % 20 == 0).collect();
    let mut s = Simulation::new([Some(main), Some(vec![true; 40])], [0, 0]);
    let settle = |s: &mut Simulation| while s.frame(0.01) {};
    s.turns.pause();
    for step in 1..=3 {
        s.turns.step_token(&s.standings());
        settle(&mut s);
        assert_eq!((s.drawn(), s.turns.is_paused()), ([Some(step), Some(step)], true));
    }
    // A patch longer than a turn: the other keeps up.
    s.turns.step_patch(&s.standings());
    settle(&mut s);
    assert_eq!((s.drawn(), s.turns.is_paused()), ([Some(21), Some(21)], true));
    // The last patch ends with the picture; then a patch of the other is a token.
    s.turns.step_patch(&s.standings());
    settle(&mut s);
    assert_eq!(s.drawn()[0], None);
    let before = s.drawn()[1];
    if let Some(before) = before {
        s.turns.step_patch(&s.standings());
        settle(&mut s);
        assert!(s.drawn()[1].is_none_or(|drawn| drawn == before + 1));
    }
    // A slow speed keeps no step waiting.
    let mut s = Simulation::new([Some(vec![true; 9]), None], [0, 0]);
    s.speed = 1.0;
    s.turns.step_token(&s.standings());
    s.frame(0.0);
    s.frame(0.0);
    assert_eq!(s.drawn(), [Some(1), None]);
}
