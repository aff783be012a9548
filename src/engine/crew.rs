//! Threads that do the same work side by side, in step.
//!
//! A token is some sixty short ops, each of which needs what the one before has computed: threads that slept between them would wake
//! for longer than they work. So the threads of a crew wait for each other by looking, some microseconds at a time, and sleep
//! only where there is nothing to do for longer. Libraries for tasks (rayon) hand out closures and wake sleepers for each.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

/// How often a thread looks before it lets another one have the core: some 10 microseconds.
const LOOKS: usize = 200;

/// How often an idle thread looks before it sleeps, some milliseconds: the next token is often asked for at once, and waking takes
/// a tenth of a token.
const IDLE_LOOKS: usize = 50_000;

/// Work that several threads do side by side.
pub trait Teamwork: Send + Sync + 'static {
    /// Does one thread's part; ends with all threads together.
    fn done_by(&self, member: &Member<'_>, steps: Range<usize>, times: usize);
}

/// One thread of a crew.
pub struct Member<'a> {
    /// From 0 on; the first one is the thread that called.
    pub index: usize,
    /// How many there are.
    pub count: usize,
    meeting: &'a Meeting,
}

impl Member<'_> {
    /// Waits until all threads have come here. What they have written by then, all see afterwards.
    pub fn together(&self) {
        if self.count > 1 {
            self.meeting.wait(self.count);
        }
    }
}

/// A place where threads wait for each other.
#[derive(Default)]
struct Meeting {
    came: AtomicUsize,
    round: AtomicUsize,
    /// A thread has panicked: nobody waits for it.
    over: AtomicBool,
}

impl Meeting {
    fn wait(&self, count: usize) {
        let round = self.round.load(Ordering::Acquire);
        if self.came.fetch_add(1, Ordering::AcqRel) + 1 == count {
            self.came.store(0, Ordering::Release);
            self.round.store(round + 1, Ordering::Release);
            return;
        }
        look_until(|| self.round.load(Ordering::Acquire) != round || self.over.load(Ordering::Acquire));
        assert!(!self.over.load(Ordering::Acquire), "another thread of the twins has panicked");
    }
}

fn look_until(is: impl Fn() -> bool) {
    let mut looks = 0;
    while !is() {
        looks += 1;
        if looks % LOOKS == 0 { std::thread::yield_now() } else { std::hint::spin_loop() }
    }
}

/// What the threads are to do.
#[derive(Default)]
struct Order {
    /// Counts them; the same number stands in `Shared::called`, to be looked at without the lock.
    number: usize,
    steps: Range<usize>,
    times: usize,
    /// There will be no more.
    over: bool,
}

#[derive(Default)]
struct Shared {
    order: Mutex<Order>,
    wake: Condvar,
    called: AtomicUsize,
    meeting: Meeting,
}

/// The threads, and the work that they do.
pub struct Crew<W> {
    work: Arc<W>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl<W: Teamwork> Crew<W> {
    /// A crew of `threads`, the calling one included. A thread that the system does not give is done without.
    pub fn new(work: Arc<W>, threads: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let mut crew = Self { work, shared, threads: Vec::new() };
        let start = Arc::new(AtomicUsize::new(0));
        for index in 1..threads {
            let (work, shared, start) = (crew.work.clone(), crew.shared.clone(), start.clone());
            let thread = std::thread::Builder::new().name(format!("twin {index}")).spawn(move || {
                // How many there are is known when all have been started.
                look_until(|| start.load(Ordering::Acquire) > 0);
                serve(&*work, &shared, index, start.load(Ordering::Acquire));
            });
            match thread {
                Ok(thread) => crew.threads.push(thread),
                Err(_) => break,
            }
        }
        start.store(crew.threads.len() + 1, Ordering::Release);
        crew
    }

    /// Has the work done, and waits for it.
    ///
    /// # Panics
    /// Where one of the threads does.
    pub fn all(&mut self, steps: Range<usize>, times: usize) {
        let count = self.threads.len() + 1;
        if count > 1 {
            let mut order = self.shared.order.lock();
            *order = Order { number: order.number + 1, steps: steps.clone(), times, over: false };
            self.shared.called.store(order.number, Ordering::Release);
            self.shared.wake.notify_all();
        }
        let member = Member { index: 0, count, meeting: &self.shared.meeting };
        guarded(&self.shared, || self.work.done_by(&member, steps, times));
    }
}

impl<W> Drop for Crew<W> {
    fn drop(&mut self) {
        {
            let mut order = self.shared.order.lock();
            order.number += 1;
            order.over = true;
            self.shared.called.store(order.number, Ordering::Release);
        }
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // One that has panicked has said so.
            let _ = thread.join();
        }
    }
}

/// What a thread of the crew does for as long as there is one.
fn serve<W: Teamwork>(work: &W, shared: &Shared, index: usize, count: usize) {
    let mut done = 0;
    loop {
        for _ in 0..IDLE_LOOKS {
            if shared.called.load(Ordering::Acquire) != done {
                break;
            }
            std::hint::spin_loop();
        }
        let mut order = shared.order.lock();
        shared.wake.wait_while(&mut order, |order| order.number == done);
        if order.over {
            return;
        }
        done = order.number;
        let (steps, times) = (order.steps.clone(), order.times);
        drop(order);
        let member = Member { index, count, meeting: &shared.meeting };
        guarded(shared, || work.done_by(&member, steps, times));
    }
}

/// Lets the others know of a panic, or they would wait for ever.
fn guarded(shared: &Shared, work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        shared.meeting.over.store(true, Ordering::Release);
        resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each thread adds its number to a sum, and then sees what all have added.
    struct Sums(Vec<AtomicUsize>);

    impl Teamwork for Sums {
        fn done_by(&self, member: &Member<'_>, steps: Range<usize>, times: usize) {
            for n in (0..times).flat_map(|_| steps.clone()) {
                assert!(n != 99 || member.index == 0, "asked to");
                self.0[n].fetch_add(member.index + 1, Ordering::Relaxed);
                member.together();
                let all = member.count * (member.count + 1) / 2;
                assert_eq!(self.0[n].load(Ordering::Relaxed) % all, 0, "step {n}");
                member.together();
            }
        }
    }

    #[test]
    fn threads_go_in_step() {
        for threads in [1, 2, 5] {
            let work = Arc::new(Sums((0..100).map(|_| AtomicUsize::new(0)).collect()));
            let mut crew = Crew::new(work.clone(), threads);
            for _ in 0..50 {
                crew.all(3..9, 4);
            }
            assert_eq!(work.0[3].load(Ordering::Relaxed), 200 * threads * (threads + 1) / 2);
            assert_eq!(work.0[9].load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn a_thread_that_panics_leaves_nobody_waiting() {
        let work = Arc::new(Sums((0..100).map(|_| AtomicUsize::new(0)).collect()));
        let mut crew = Crew::new(work, 3);
        assert!(catch_unwind(AssertUnwindSafe(|| crew.all(99..100, 1))).is_err());
        drop(crew);
    }
}
