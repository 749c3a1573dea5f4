//! One outage from its beginning to its end, as most tests play it.

use std::{thread::sleep, time::Duration};

use jiff::Timestamp;

use crate::{
    cluster::Lab,
    exposition::{Exposition, Labels},
    sink::{Message, Way},
    strain::Strain,
    watch::{Watch, eventually},
};

/// A message that should not come would have come by then.
pub const QUIET: Duration = Duration::from_secs(5);
/// What a rule or a lease makes of an outage that is over would have been told by then: rules look back over some minutes
/// at most, and the lab scrapes every 5 s.
const AFTERMATH: Duration = Duration::from_secs(75);
/// From a mended cluster: two good probes of everything, and the hold before the end is told.
pub const RESOLVED_WITHIN: Duration = Duration::from_secs(60);
/// /metrics shows a verdict by so long after the message.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// What is broken, and what must be told of it.
pub struct Outage<'a> {
    /// Arguments of `tests/lab/do`, one after the other.
    pub acts: &'a [&'a [&'a str]],
    /// The first alert's name.
    pub alert: &'a str,
    /// Parts of the one sentence that is told.
    pub says: &'a [&'a str],
    /// From the first act to the arrival of the message, on a machine that has time for it (`Strain`).
    pub within: Duration,
    /// How long it lasts after it was told: what comes of it meanwhile must not be told by itself.
    pub lasts: Duration,
    /// What /metrics shows: name, labels, value.
    pub shows: &'a [(&'a str, Labels<'a>, f64)],
}

impl Outage<'_> {
    /// Breaks a healthy lab, mends it, and asserts that this was one incident: one message when it began, one when it
    /// was over, by each way.
    pub fn play(&self, lab: &Lab) {
        let mut watch = Watch::seeing_all(lab);
        self.begin(&mut watch);
        sleep(self.lasts);
        end(watch);
    }

    /// The same as users have it, and asserts that for a good while nothing comes after the end.
    pub fn play_with_aftermath(&self, lab: &Lab) {
        let mut watch = Watch::as_delivered(lab);
        self.begin(&mut watch);
        sleep(self.lasts);
        end_for_good(watch, AFTERMATH);
    }

    /// The first half: breaks the lab and asserts what is told.
    pub fn begin(&self, watch: &mut Watch<'_>) {
        let at = Timestamp::now();
        let strain = Strain::begin();
        for act in self.acts {
            watch.act(act);
        }
        // Late is another failure than never: it is judged by the time of arrival.
        let told = watch.wait_told(1, self.within * 3);
        self.judge(&told, at, self.within + strain.so_far());
        for (name, labels, value) in self.shows {
            eventually(SHOWN_WITHIN, &format!("{name}{labels:?} {value}"), || {
                shown(&watch.metrics(), name, labels, *value)
            });
        }
    }

    fn judge(&self, told: &[Message], begun: Timestamp, within: Duration) {
        assert_eq!(told.len(), 2, "one message by each way, not {told:#?}");
        for m in told {
            assert!(!m.resolved, "{m:?}");
            for part in self.says {
                assert!(m.says.contains(part), "{part:?} is not in {:?}", m.says);
            }
            let took = Duration::try_from(m.at.duration_since(begun)).unwrap_or_default();
            assert!(took <= within, "told after {took:?}, later than {within:?}");
        }
        let webhook = told.iter().find(|m| m.way == Way::Webhook).unwrap();
        assert_eq!(webhook.alert, self.alert);
    }
}

fn shown(metrics: &Exposition, name: &str, labels: Labels<'_>, value: f64) -> Option<()> {
    (metrics.value(name, labels) == Some(value)).then_some(())
}

/// The second half: mends the lab; the end is told once, in the thread of the beginning, and then all is quiet.
pub fn end(watch: Watch<'_>) {
    end_for_good(watch, QUIET);
}

/// The same, and nothing else is told for so long after that.
fn end_for_good(mut watch: Watch<'_>, quiet: Duration) {
    watch.act(&["mend"]);
    over(&watch);
    sleep(quiet.saturating_sub(QUIET));
    one_incident(&watch.told());
    watch.wait_until_all_up();
    watch.stop();
}

/// Asserts that one incident began and ended, and that nothing else is told.
pub fn over(watch: &Watch<'_>) {
    eventually(RESOLVED_WITHIN, "the end told by webhook and by mail", || {
        (watch.told().iter().filter(|m| m.resolved).count() >= 2).then_some(())
    });
    sleep(QUIET);
    one_incident(&watch.told());
}

/// By each way one beginning and one end, in one thread.
fn one_incident(told: &[Message]) {
    for way in [Way::Webhook, Way::Mail] {
        let of_way: Vec<&Message> = told.iter().filter(|m| m.way == way).collect();
        let mut ends: Vec<bool> = of_way.iter().map(|m| m.resolved).collect();
        if is_of_2020() {
            ends.dedup();
        }
        assert_eq!(ends, [false, true], "by {way:?} one beginning and one end, not {of_way:#?}");
        assert!(of_way.iter().all(|m| m.thread == of_way[0].thread), "{of_way:#?}");
    }
}

/// API servers of Kubernetes 1.20 hang for some ten seconds on an etcd member whose packets vanish, even beside two good ones:
/// then none works, and that the outage got worse is told rightly.
fn is_of_2020() -> bool {
    std::env::var("LAB_KUBERNETES").is_ok_and(|version| version == "1.20")
}
