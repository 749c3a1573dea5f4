//! A series while it grows: samples packed one by one, as they come. For the head of the history. Pure.
//!
//! Series that are measured together (those of one probe) share their times: [`Moments`]. A series, [`Growing`], is then
//! steps along them: the value before so many times again, so many moments left out, another value. What never changes
//! costs nothing more, however long it goes on; a duration in microseconds costs some two bytes. Each value comes out bit
//! for bit as it went in.

/// Decimals that most values have at the most: durations are rounded to the microsecond.
const DECIMALS: f64 = 1e6;
/// Below this, every whole number is a float of its own.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What a step is, in the lowest bits of its first byte.
const AGAIN: u64 = 0;
const LEFT_OUT: u64 = 1;
const DIFFERENCE: u64 = 2;
const BITS: u64 = 3;

/// Times in milliseconds, ascending. Each has a number that it keeps when those before it are forgotten.
#[derive(Debug, Default)]
pub struct Moments {
    base_ms: i64,
    first: u32,
    /// Milliseconds since the base.
    since: Vec<u32>,
}

impl Moments {
    /// Returns the newest time.
    pub fn newest_ms(&self) -> Option<i64> {
        self.since.last().map(|since| self.base_ms + i64::from(*since))
    }

    /// Returns the oldest time.
    pub fn oldest_ms(&self) -> Option<i64> {
        self.since.first().map(|since| self.base_ms + i64::from(*since))
    }

    /// Adds a time after all others, or finds one that is there; gives its number. `None`: it is older than the newest and
    /// not there, or too far away from the oldest.
    pub fn place(&mut self, at_ms: i64) -> Option<u32> {
        if self.newest_ms().is_some_and(|newest| at_ms <= newest) {
            return self.find(at_ms);
        }
        if self.since.is_empty() {
            self.base_ms = at_ms;
        }
        let since = u32::try_from(at_ms.checked_sub(self.base_ms)?).ok()?;
        let number = self.first.checked_add(u32::try_from(self.since.len()).ok()?)?;
        make_room(&mut self.since, 1);
        self.since.push(since);
        Some(number)
    }

    /// Returns the number of a time.
    pub fn find(&self, at_ms: i64) -> Option<u32> {
        let since = u32::try_from(at_ms.checked_sub(self.base_ms)?).ok()?;
        // Nearly always it is the newest.
        let place = match self.since.last() {
            Some(last) if *last == since => self.since.len() - 1,
            _ => self.since.binary_search(&since).ok()?,
        };
        self.first.checked_add(u32::try_from(place).ok()?)
    }

    /// Returns the number of the first time that is not before this one; it need not be there yet.
    pub fn not_before(&self, at_ms: i64) -> u32 {
        let place = self.since.partition_point(|since| self.base_ms + i64::from(*since) < at_ms);
        self.first.saturating_add(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// Returns the time of a number.
    pub fn at_ms(&self, number: u32) -> Option<i64> {
        let since = self.since.get(usize::try_from(number.checked_sub(self.first)?).ok()?)?;
        Some(self.base_ms + i64::from(*since))
    }

    /// Forgets all times before the one with this number.
    pub fn forget_before(&mut self, number: u32) {
        let gone = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.since.len());
        let Some(base) = self.since.get(gone).copied() else {
            // Numbers are never given twice.
            self.first += u32::try_from(self.since.len()).unwrap_or(0);
            self.since = Vec::new();
            return;
        };
        self.first += u32::try_from(gone).unwrap_or(0);
        self.base_ms += i64::from(base);
        self.since.drain(..gone);
        self.since.iter_mut().for_each(|since| *since -= base);
        self.since.shrink_to(self.since.len() * 2);
    }
}

/// The values of one series along its [`Moments`].
#[derive(Clone, Debug, Default)]
pub struct Growing {
    first: u32,
    /// The moment after the newest value; `first` where there is none.
    next: u32,
    /// How often the last value has come again; not yet among the steps.
    again: u32,
    /// The last value's bits.
    last: u64,
    steps: Vec<u8>,
}

impl Growing {
    /// Returns whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.first == self.next
    }

    /// Returns the number of the first value's moment; it has no meaning where there is none.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// Returns the number of the newest value's moment.
    pub fn newest(&self) -> Option<u32> {
        (!self.is_empty()).then(|| self.next - 1)
    }

    /// Adds a value at a moment after all others. False, and nothing is added, where it is not after them.
    #[must_use]
    pub fn push(&mut self, moment: u32, value: f64) -> bool {
        if self.is_empty() {
            *self = Self { first: moment, next: moment, ..Self::default() };
        }
        let Some(left_out) = moment.checked_sub(self.next) else { return false };
        let bits = value.to_bits();
        if left_out > 0 {
            self.settle();
            self.step(u64::from(left_out), LEFT_OUT);
        }
        if bits == self.last {
            self.again += 1;
        } else {
            self.settle();
            match whole(bits) {
                Some(number) => {
                    let difference = number - whole(self.last).unwrap_or(0);
                    self.step(((difference << 1) ^ (difference >> 63)).cast_unsigned(), DIFFERENCE);
                }
                None => {
                    self.step(0, BITS);
                    make_room(&mut self.steps, 8);
                    self.steps.extend_from_slice(&bits.to_le_bytes());
                }
            }
            self.last = bits;
        }
        self.next = moment + 1;
        true
    }

    /// Writes down how often the last value came again.
    fn settle(&mut self) {
        let again = std::mem::take(&mut self.again);
        if again > 0 {
            self.step(u64::from(again), AGAIN);
        }
    }

    fn step(&mut self, number: u64, kind: u64) {
        let mut n = number << 2 | kind;
        make_room(&mut self.steps, 10);
        while n >= 0x80 {
            self.steps.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        self.steps.push(n as u8);
    }

    /// Iterates over moments and values, oldest first.
    pub fn values(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        self.values_from(0)
    }

    /// Iterates over those that are not before a moment.
    pub fn values_from(&self, from: u32) -> impl Iterator<Item = (u32, f64)> + '_ {
        Values { steps: &self.steps, from, moment: self.first, last: 0, again: 0, at_the_end: self.again }
    }
}

struct Values<'a> {
    steps: &'a [u8],
    from: u32,
    moment: u32,
    last: u64,
    again: u32,
    at_the_end: u32,
}

impl Values<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.steps.split_first()?;
            self.steps = rest;
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    /// Reads steps until there is a value to give.
    fn read(&mut self) -> Option<()> {
        loop {
            let Some(n) = self.number() else {
                self.again = std::mem::take(&mut self.at_the_end);
                return (self.again > 0).then_some(());
            };
            match n & 3 {
                AGAIN => {
                    self.again = u32::try_from(n >> 2).ok()?;
                    return Some(());
                }
                LEFT_OUT => self.moment += u32::try_from(n >> 2).ok()?,
                DIFFERENCE => {
                    let zigzag = n >> 2;
                    let difference = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
                    self.last = of_whole(whole(self.last).unwrap_or(0) + difference).to_bits();
                    self.again = 1;
                    return Some(());
                }
                _ => {
                    let (bits, rest) = self.steps.split_first_chunk::<8>()?;
                    (self.last, self.steps, self.again) = (u64::from_le_bytes(*bits), rest, 1);
                    return Some(());
                }
            }
        }
    }
}

impl Iterator for Values<'_> {
    type Item = (u32, f64);

    fn next(&mut self) -> Option<(u32, f64)> {
        loop {
            if self.again == 0 {
                self.read()?;
            }
            let before = self.from.saturating_sub(self.moment).min(self.again);
            self.again -= before;
            self.moment += before;
            if self.again > 0 {
                self.again -= 1;
                self.moment += 1;
                return Some((self.moment - 1, f64::from_bits(self.last)));
            }
        }
    }
}

/// The whole number of millionths that a value is, where it is one to the bit.
#[allow(clippy::cast_possible_truncation)] // Below the limit.
fn whole(bits: u64) -> Option<i64> {
    let number = (f64::from_bits(bits) * DECIMALS).round();
    (number.abs() < WHOLE_MAX && (number / DECIMALS).to_bits() == bits).then_some(number as i64)
}

#[allow(clippy::cast_precision_loss)] // Below the limit.
fn of_whole(number: i64) -> f64 {
    number as f64 / DECIMALS
}

/// A hundred thousand of these lie in memory: they grow by a quarter, not to the double.
fn make_room<T>(of: &mut Vec<T>, more: usize) {
    if of.capacity() - of.len() < more {
        of.reserve_exact(more.max(of.len() / 4));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grown(values: &[(u32, f64)]) -> Growing {
        let mut growing = Growing::default();
        assert!(values.iter().all(|(moment, value)| growing.push(*moment, *value)));
        growing
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            Just(0.0),
            Just(1.0),
            Just(crate::model::stale()),
            (0u64..100_000).prop_map(|us| us as f64 / 1e6),
            (0u64..1 << 60).prop_map(|n| n as f64),
            any::<u64>().prop_map(f64::from_bits),
        ]
    }

    proptest! {
        #[test]
        fn what_was_pushed_comes_back(steps in prop::collection::vec((1u32..4, value(), 1u32..5), 0..60), first in 0u32..9) {
            let mut moment = first;
            let mut pushed = Vec::new();
            for (left_out, value, times) in steps {
                moment += left_out - 1;
                for _ in 0..times {
                    pushed.push((moment, value));
                    moment += 1;
                }
            }
            let bits = |values: Vec<(u32, f64)>| values.into_iter().map(|(m, v)| (m, v.to_bits())).collect::<Vec<_>>();
            let growing = grown(&pushed);
            prop_assert_eq!(growing.newest(), pushed.last().map(|(m, _)| *m));
            for from in [0, first, moment / 2, moment] {
                let later: Vec<_> = pushed.iter().copied().filter(|(m, _)| *m >= from).collect();
                prop_assert_eq!(bits(growing.values_from(from).collect()), bits(later));
            }
            prop_assert_eq!(bits(growing.values().collect()), bits(pushed));
        }

        #[test]
        fn times_keep_their_numbers(steps in prop::collection::vec(1i64..50_000, 1..60), gone in 0usize..60) {
            let mut at = -1_000;
            let times: Vec<i64> = steps.iter().map(|step| { at += step; at }).collect();
            let mut moments = Moments::default();
            let numbers: Vec<u32> = times.iter().map(|at| moments.place(*at).unwrap()).collect();
            moments.forget_before(gone as u32);
            for (at, number) in times.iter().zip(numbers).skip(gone) {
                prop_assert_eq!((moments.at_ms(number), moments.find(*at)), (Some(*at), Some(number)));
                prop_assert_eq!(moments.place(*at), Some(number));
            }
            prop_assert_eq!(moments.place(at + 1).unwrap() as usize, times.len());
        }
    }

    #[test]
    fn what_does_not_change_costs_nothing_more() {
        let same: Vec<(u32, f64)> = (0..10_000).map(|m| (m, 1.0)).collect();
        let cost = |values: &[(u32, f64)]| grown(values).steps.len();
        assert_eq!((cost(&same[..1]), cost(&same)), (4, 4), "one, and ten thousand");
        let durations: Vec<(u32, f64)> = (0..1_000).map(|m| (m, f64::from(3_000 + m * 7_919 % 1_000) / 1e6)).collect();
        assert!(cost(&durations) < 2_100, "{}", cost(&durations));
    }

    #[test]
    fn nothing_is_put_before_what_is_there() {
        let mut growing = grown(&[(3, 1.0), (5, 2.0)]);
        assert!(!growing.push(5, 7.0) && !growing.push(4, 7.0) && growing.push(6, 7.0));
        assert_eq!(growing.values().collect::<Vec<_>>(), [(3, 1.0), (5, 2.0), (6, 7.0)]);
        let mut moments = Moments::default();
        assert_eq!((moments.place(10), moments.place(20), moments.place(15)), (Some(0), Some(1), None));
        assert_eq!(moments.place(10 + i64::from(u32::MAX) + 1), None, "49 days away");
        moments.forget_before(2);
        assert_eq!((moments.newest_ms(), moments.place(5)), (None, Some(2)));
    }
}
