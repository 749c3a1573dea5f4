//! What breaks while an incident is open.

use std::{thread::sleep, time::Duration};

use crate::{
    cluster::Lab,
    sink::{Message, Way},
    watch::{QUICK, Watch, eventually},
};

/// So long the API servers are away each time; long enough to be told.
const AWAY: Duration = Duration::from_secs(14);
/// They are up again: two good probes of each.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// A kubelet is a warning: it is told when it has lasted, by default for 60 s.
const WARNING_WITHIN: Duration = Duration::from_secs(60).saturating_add(QUICK);

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn what_breaks_in_the_shadow_of_an_open_incident_is_told() {
    let lab = Lab::take();
    let mut watch = Watch::as_delivered(&lab);
    // Twice away and twice back: it holds the incident open for longer, since it might go on like this.
    for _ in 0..2 {
        for n in 1..=3 {
            watch.act(&["kill", &format!("apiserver-{n}")]);
        }
        sleep(AWAY);
        watch.act(&["mend"]);
        eventually(BACK_WITHIN, "the API servers up again", || {
            (watch.count("kube-apiserver", "up") == 3).then_some(())
        });
    }
    let before = watch.told().len();
    watch.act(&["kill", "kubelet-1"]);
    watch.act(&["kill", "etcd-3"]);
    let since = |watch: &Watch<'_>| -> Vec<Message> { watch.told().split_off(before) };
    for (what, within) in [("etcd member m3", WARNING_WITHIN), ("kubelet on n1", WARNING_WITHIN)] {
        for way in [Way::Webhook, Way::Mail] {
            eventually(within, &format!("{what} told by {way:?}"), || {
                since(&watch).iter().any(|m| m.way == way && !m.resolved && m.text.contains(what)).then_some(())
            });
        }
    }
    watch.act(&["mend"]);
    watch.wait_until_all_up();
    watch.stop();
}
