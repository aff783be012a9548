//! Who draws now, and how far: two runs take turns, whatever is held, stepped or slowed down on the way.
//!
//! Taking turns (and not sharing the device) is what makes the times of two runs comparable. It is plain arithmetic on
//! what the runs have drawn: engines, sessions and pictures are the business of
//! [`Playback`](crate::app::state::playback::Playback).

/// Tokens a run draws before it is the other's turn: short enough to watch, long enough to keep a GPU busy. No run is
/// further ahead of the other than this.
pub const TURN: usize = 16;
/// A slow frame is caught up with by this much, in seconds.
const CATCH_UP: f64 = 0.25;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Tokens drawn.
    pub drawn: usize,
    /// Patches that have begun.
    pub patches: usize,
    /// Tokens of the whole picture.
    pub total: usize,
}

/// Where the two runs stand; `None` where there is none, not yet or not any more. The first is the one the app is about.
pub type Standings = [Option<Standing>; 2];

/// Leave to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which run, 0 or 1.
    pub run: usize,
    /// Up to so many tokens.
    pub to: usize,
}

/// How far to go before holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// Up to these tokens of each run.
    Tokens([usize; 2]),
    /// Until the first run has more patches than these; the other keeps up.
    Patch(usize),
}

/// When a run's next token is due, in seconds, and how many it had drawn when that was reckoned.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: f64,
    drawn: usize,
}

/// Whose turn it is.
#[derive(Debug)]
pub struct Turns {
    turn: usize,
    /// The turn is over when the run has drawn so many.
    ends: usize,
    paused: bool,
    step: Option<Goal>,
    due: [Option<Due>; 2],
}

impl Default for Turns {
    fn default() -> Self {
        // The second one's is over: the first begins.
        Self { turn: 1, ends: 0, paused: false, step: None, due: [None; 2] }
    }
}

impl Turns {
    /// Whether all is held.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Holds.
    pub fn pause(&mut self) {
        (self.paused, self.step) = (true, None);
    }

    /// Goes on.
    pub fn resume(&mut self) {
        (self.paused, self.step, self.due) = (false, None, [None; 2]);
    }

    /// Goes on for one token of each run.
    pub fn step_token(&mut self, runs: &Standings) {
        self.resume();
        self.step = Some(Goal::Tokens(runs.map(|run| run.map_or(0, |run| run.drawn) + 1)));
    }

    /// Goes on until the first run's next patch begins; without one, for one token.
    pub fn step_patch(&mut self, runs: &Standings) {
        self.step_token(runs);
        if let Some(main) = runs[0] {
            self.step = Some(Goal::Patch(main.patches));
        }
    }

    /// Which run may go on now, and how far; `now` in seconds, `speed` in tokens a second for each run, 0 for no limit.
    /// `None` where nothing may: all is held, what was asked for is reached, or the next token is not due.
    pub fn next(&mut self, runs: &Standings, now: f64, speed: f32) -> Option<Grant> {
        self.reckon(runs, now, speed);
        if self.is_reached(runs) {
            self.pause();
        }
        if self.paused {
            return None;
        }
        let drawn = |k: usize| runs[k].map_or(usize::MAX, |run| run.drawn);
        let goal = |k: usize| {
            let run = runs[k]?;
            // Alone, a run may go to its end: the more is in flight, the faster.
            let to = run
                .total
                .min(drawn(1 - k).saturating_add(TURN))
                .min(self.wanted(k, runs))
                .min(self.allowed(k, now, speed));
            (to > run.drawn).then_some(to)
        };
        // Where both wait for their next tokens, it is the turn of who is behind.
        let over = drawn(self.turn) >= self.ends || speed > 0.0 && drawn(1 - self.turn) < drawn(self.turn);
        let order = if over { [1 - self.turn, self.turn] } else { [self.turn, 1 - self.turn] };
        let (run, to) = order.into_iter().find_map(|k| Some((k, goal(k)?)))?;
        if over || run != self.turn {
            self.turn = run;
            self.ends = if runs[1 - run].is_some() { drawn(run) + TURN } else { usize::MAX };
        }
        Some(Grant { run, to: to.min(self.ends) })
    }

    /// Whether what was to be drawn before holding is there.
    fn is_reached(&self, runs: &Standings) -> bool {
        match (self.step, runs) {
            (None, _) | (_, [None, None]) => false,
            (Some(Goal::Tokens(goals)), _) => {
                runs.iter().zip(goals).all(|(run, goal)| run.is_none_or(|run| run.drawn >= goal.min(run.total)))
            }
            (Some(Goal::Patch(beyond)), [Some(main), other]) => {
                main.patches > beyond && other.is_none_or(|other| other.drawn >= main.drawn)
            }
            (Some(Goal::Patch(_)), [None, _]) => true, // its last patch is drawn
        }
    }

    /// How far a run may go before it holds.
    fn wanted(&self, k: usize, runs: &Standings) -> usize {
        match (self.step, runs[0]) {
            (None, _) | (Some(Goal::Patch(_)), None) => usize::MAX,
            (Some(Goal::Tokens(goals)), _) => goals[k],
            (Some(Goal::Patch(beyond)), Some(main)) if k == 0 => main.drawn + usize::from(main.patches <= beyond),
            (Some(Goal::Patch(_)), Some(main)) => main.drawn,
        }
    }

    /// What has been drawn since the last time puts off what is due.
    fn reckon(&mut self, runs: &Standings, now: f64, speed: f32) {
        let each = 1.0 / f64::from(speed);
        for (due, run) in self.due.iter_mut().zip(runs) {
            *due = match (*due, run) {
                _ if speed <= 0.0 || self.paused => None,
                (_, None) => None,
                (None, Some(run)) => Some(Due { at: now + each, drawn: run.drawn }),
                (Some(due), Some(run)) => {
                    let at = due.at + each * run.drawn.saturating_sub(due.drawn) as f64;
                    Some(Due { at: at.max(now - CATCH_UP), drawn: run.drawn })
                }
            };
        }
    }

    /// How many tokens of a run are due. A single step is not kept waiting.
    fn allowed(&self, k: usize, now: f64, speed: f32) -> usize {
        match self.due[k].filter(|_| self.step.is_none()) {
            None => usize::MAX,
            Some(due) if now < due.at => due.drawn,
            Some(due) => due.drawn + 1 + ((now - due.at) * f64::from(speed)) as usize,
        }
    }
}

#[cfg(test)]
mod tests;
