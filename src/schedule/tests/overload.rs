//! A machine that is full: our own lateness makes no more work. The queue alone, by a clock of the test's own.

use super::*;
use crate::schedule::probe_queue::{Fire, ProbeQueue, Slot};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const TARGETS: usize = 200;

/// What was done in a minute.
#[derive(Debug, Default)]
struct Done {
    starts: usize,
    late: usize,
    withheld: usize,
}

struct Machine {
    queue: ProbeQueue,
    now: Instant,
    /// `(ends, whose, started, its permit)`
    running: Vec<(Instant, Slot, Instant, tokio::sync::OwnedSemaphorePermit)>,
}

impl Machine {
    fn new(job: Job) -> Self {
        let (mut queue, now) = (ProbeQueue::new(512), Instant::now());
        queue.set(&"c".into(), (0..TARGETS).map(|i| target(&format!("10.0.0.{i}"), job, false)).collect(), now);
        Self { queue, now, running: Vec::new() }
    }

    /// A minute in which each thing is done `lag` after its time, and each probe succeeds after `takes`.
    fn minute(&mut self, lag: Duration, takes: Duration) -> Done {
        let (until, mut done) = (self.now + 60 * S, Done::default());
        while self.now < until {
            let ends = self.running.iter().map(|(ends, ..)| *ends).min();
            let next = [ends, self.queue.next()].into_iter().flatten().min().unwrap_or(until);
            self.now = self.now.max(next) + lag;
            let now = self.now;
            for (_, slot, started, _permit) in self.running.extract_if(.., |(ends, ..)| *ends <= now) {
                self.queue.finish(slot, true, started, now);
            }
            while let Some(fire) = self.queue.due(now) {
                match fire {
                    Fire::Probe { slot, permit, .. } => {
                        done.starts += 1;
                        self.running.push((now + takes, slot, now, permit));
                    }
                    Fire::Late { target, news } => {
                        done.late += 1;
                        if news {
                            self.queue.bring_neighbours(&target, now);
                        }
                    }
                    Fire::Withheld => done.withheld += 1,
                    Fire::Missed(_) => {}
                }
            }
        }
        done
    }
}

#[test]
fn our_own_lateness_makes_no_more_work() {
    let mut machine = Machine::new(Job::Kubelet);
    machine.minute(Duration::ZERO, 5 * MS);
    let calm = machine.minute(Duration::ZERO, 5 * MS);
    assert_eq!((calm.starts / TARGETS, calm.late), (6, 0), "{calm:?}");
    let full = machine.minute(100 * MS, 1500 * MS);
    assert!(full.starts <= calm.starts + calm.starts / 20, "a machine that is full has no more to do: {full:?}");
    assert!(machine.queue.is_slow(machine.now) && full.late <= TARGETS / 20, "{full:?}");
}

#[test]
fn targets_that_are_slow_themselves_are_still_doubted() {
    let mut machine = Machine::new(Job::Kubelet);
    machine.minute(Duration::ZERO, 5 * MS);
    machine.minute(Duration::ZERO, 5 * MS);
    let slow = machine.minute(MS, 1500 * MS);
    assert!(slow.late >= TARGETS && slow.withheld == 0 && !machine.queue.is_slow(machine.now), "{slow:?}");
}

#[test]
fn the_control_plane_is_doubted_whatever_we_afford() {
    let mut machine = Machine::new(Job::KubeApiserver);
    machine.minute(Duration::ZERO, 5 * MS);
    let full = machine.minute(100 * MS, 5 * MS);
    assert!(machine.queue.is_slow(machine.now) && full.withheld == 0);
    machine.queue.hurry_all(machine.now);
    let hurried = machine.minute(100 * MS, 5 * MS);
    assert!(hurried.starts > full.starts + TARGETS / 2 && hurried.withheld == 0, "{hurried:?}");
}
