//! The head beside a plain map: whatever comes in whatever order is there, once, and goes when it is packed.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    model::Labels,
    pack::Points,
    store::head::{Head, Taken},
};

#[derive(Clone, Debug)]
enum Step {
    /// A sample of a series of a target.
    Insert(u8, u8, i64, f64),
    /// Some of a series is packed.
    Pack(u8, u8, i64),
    Tidy,
    /// Nothing of a series is in the file any more.
    Emptied(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![Just(0.0), Just(1.0), any::<u16>().prop_map(|us| f64::from(us) / 1e6), Just(f64::NAN)];
    prop_oneof![
        8 => (0u8..3, 0u8..3, 0i64..40, value).prop_map(|(target, name, at, value)| Step::Insert(target, name, at, value)),
        1 => (0u8..3, 0u8..3, 0i64..40).prop_map(|(target, name, until)| Step::Pack(target, name, until)),
        1 => Just(Step::Tidy),
        1 => (0u8..3, 0u8..3).prop_map(|(target, name)| Step::Emptied(target, name)),
    ]
}

fn labels(target: u8, name: u8) -> Labels {
    Labels::new(format!("m{name}"), [("instance", format!("t{target}"))])
}

type Model = BTreeMap<(u8, u8), BTreeMap<i64, u64>>;

/// Does a step in both.
fn apply(head: &mut Head, model: &mut Model, step: &Step) {
    let id = |head: &Head, target, name| head.index().id(&labels(target, name));
    match *step {
        Step::Insert(target, name, at, value) => {
            let sample = Sample { labels: labels(target, name), at: Timestamp::from_millisecond(at).unwrap(), value };
            let known = model.entry((target, name)).or_default();
            let taken = head.insert(&sample, i64::MIN);
            assert_eq!(taken == Taken::Duplicate, known.contains_key(&at), "{sample:?}");
            known.entry(at).or_insert(value.to_bits());
        }
        Step::Pack(target, name, until) => {
            let Some(id) = id(head, target, name) else { return };
            let (_, points) = head.read(id, i64::MIN, until).unwrap();
            head.packed(id, &points);
            if let Some(known) = model.get_mut(&(target, name)) {
                known.retain(|at, _| *at > until);
            }
        }
        Step::Tidy => head.tidy(),
        Step::Emptied(target, name) => {
            let Some(id) = id(head, target, name) else { return };
            let is_empty = model.get(&(target, name)).is_none_or(BTreeMap::is_empty);
            assert_eq!(head.emptied(id), is_empty);
        }
    }
}

fn pairs(points: Points) -> Vec<(i64, u64)> {
    points.at_ms.into_iter().zip(points.values).map(|(at, value)| (at, value.to_bits())).collect()
}

proptest! {
    #[test]
    fn the_head_holds_what_came(steps in prop::collection::vec(step(), 0..120), from in -5i64..45, length in 0i64..30) {
        let (mut head, mut model) = (Head::default(), Model::new());
        for step in &steps {
            apply(&mut head, &mut model, step);
        }
        prop_assert_eq!(head.len(), model.values().map(BTreeMap::len).sum::<usize>());
        prop_assert_eq!(head.all().count(), head.len());
        for ((target, name), known) in &model {
            let id = head.index().id(&labels(*target, *name));
            let read = id.and_then(|id| head.read(id, from, from + length)).map(|(_, points)| pairs(points));
            let wanted: Vec<_> = known.range(from..=from + length).map(|(at, value)| (*at, *value)).collect();
            prop_assert_eq!(read.unwrap_or_default(), wanted, "{} {}", target, name);
        }
        head.tidy();
        let bounds = model.values().flat_map(BTreeMap::keys).copied();
        let first = bounds.clone().min();
        prop_assert_eq!(head.bounds().map(|b| b.0), first);
    }
}

#[tokio::test]
async fn who_keeps_samples_shares_their_label_sets_with_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    let at = Timestamp::now();
    let told = || -> Arc<[Sample]> { (0..3).map(|name| Sample { labels: labels(1, name), at, value: 1.0 }).collect() };
    let first = told();
    store.append(&first);
    let (one, other) = (store.shared(first.clone()), store.shared(told()));
    assert_eq!(one, first, "the same samples");
    assert!(one.iter().zip(&*other).all(|(a, b)| a.labels.is_same(&b.labels)));
    assert!(Arc::ptr_eq(&one, &store.shared(one.clone())), "nothing is made anew for those that are shared already");
    let stranger: Arc<[Sample]> = [Sample { labels: labels(9, 9), at, value: 1.0 }].into();
    assert_eq!(store.shared(stranger.clone()), stranger, "what the store does not know stays as it is");
    store.close(Duration::from_secs(5)).await;
}
