//! Random series and random queries.

use dogwatch::{
    model::{Labels, stale},
    pack::Points,
};
use fastrand::Rng;

const STEP_MS: i64 = 15_000;
const SAMPLES: i64 = 240;

/// Random series over an hour: counters with resets, gauges, gaps, ends, NaN and infinities, churn, histograms.
pub fn series(begin_ms: i64, random: &mut Rng) -> Vec<(Labels, Points)> {
    let mut all = Vec::new();
    for i in 0..12 {
        let (group, instance) = (format!("g{}", i % 3), format!("i{}", i % 6));
        let pairs =
            [("group", group.as_str()), ("instance", instance.as_str()), ("n", if i < 6 { "low" } else { "high" })];
        all.push((Labels::new("req_total", pairs), points(begin_ms, random, Shape::Counter)));
        all.push((Labels::new("temp", pairs), points(begin_ms, random, Shape::Gauge)));
        all.push((Labels::new("odd", pairs), points(begin_ms, random, Shape::Odd)));
    }
    for instance in ["i0", "i1"] {
        let mut cumulated = points(begin_ms, random, Shape::Counter);
        for le in ["0.1", "0.5", "1", "2.5", "+Inf"] {
            let pairs = [("instance", instance), ("le", le)];
            all.push((Labels::new("lat_bucket", pairs), cumulated.clone()));
            cumulated.values.iter_mut().enumerate().for_each(|(i, v)| *v += (i * (1 + le.len())) as f64);
        }
    }
    for group in ["g0", "g1", "g2"] {
        all.push((Labels::new("limit", [("group", group)]), points(begin_ms, random, Shape::Gauge)));
    }
    all
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Counter,
    Gauge,
    Odd,
}

fn points(begin_ms: i64, random: &mut Rng, shape: Shape) -> Points {
    let (mut points, mut value, mut ended) = (Points::default(), random.u32(0..1_000) as f64, false);
    let offset = random.i64(1..STEP_MS);
    let (from, to) = if shape == Shape::Odd { (random.i64(0..80), random.i64(150..SAMPLES)) } else { (0, SAMPLES) };
    for i in from..to {
        // Never at a whole second: no window's edge is ever exactly at a sample by chance alone.
        let at = begin_ms + i * STEP_MS + offset / 1_000 * 1_000 + 137 + random.i64(0..3);
        if shape != Shape::Counter && random.u8(0..40) == 0 {
            if !ended && shape == Shape::Odd {
                points.push(at, stale());
            }
            ended = true;
            continue;
        }
        ended = false;
        value = match shape {
            Shape::Counter if random.u16(0..150) == 0 => random.u32(0..5) as f64,
            Shape::Counter => value + random.u32(0..60) as f64 / 4.0,
            Shape::Gauge => (random.f64() - 0.4) * 100.0,
            Shape::Odd => match random.u8(0..30) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                _ => random.i32(-3..4) as f64,
            },
        };
        points.push(at, value);
    }
    points
}

/// Queries by the grammar; types are right, sense is not asked for.
pub struct Generator {
    pub random: Rng,
}

impl Generator {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.usize(..from.len())]
    }

    fn selector(&mut self) -> String {
        let name = self.pick(&["req_total", "temp", "odd", "limit", "lat_bucket"]);
        let matchers = self.pick(&[
            "",
            "",
            "{group=\"g1\"}",
            "{instance=~\"i[0-3]\"}",
            "{group!=\"g0\",n=\"low\"}",
            "{instance!~\"i1|i2\"}",
        ]);
        format!("{name}{matchers}")
    }

    fn shift(&mut self) -> &'static str {
        const SHIFTS: [&str; 9] = ["", "", "", "", "", " offset 3m", " offset -1m", " @ end()", " @ start() offset 2m"];
        SHIFTS[self.random.usize(..SHIFTS.len())]
    }

    fn range(&mut self, depth: usize) -> String {
        let range = self.pick(&["1m", "90s", "5m", "17m"]);
        if depth > 0 && self.random.u8(0..4) == 0 {
            let step = self.pick(&["", "30s", "1m", "2m13s"]);
            let (mut inner, shift) = (self.vector(depth - 1), self.shift());
            if !shift.is_empty() {
                // Prometheus 3.5 forgets the subquery's offset for an inner `@` where both grids begin together.
                inner = inner.replace(" @ end()", "").replace(" @ start()", "");
            }
            return format!("({inner})[{range}:{step}]{shift}");
        }
        format!("{}[{range}]{}", self.selector(), self.shift())
    }

    fn scalar(&mut self) -> &'static str {
        const SCALARS: [&str; 8] = ["2", "0.5", "-1.5", "1e3", "time()", "pi()", "NaN", "scalar(limit{group=\"g1\"})"];
        SCALARS[self.random.usize(..SCALARS.len())]
    }

    pub fn vector(&mut self, depth: usize) -> String {
        if depth == 0 {
            return format!("{}{}", self.selector(), self.shift());
        }
        match self.random.u8(0..10) {
            0 | 1 => {
                let f = self.pick(&[
                    "rate",
                    "increase",
                    "irate",
                    "delta",
                    "idelta",
                    "deriv",
                    "changes",
                    "resets",
                    "avg_over_time",
                    "min_over_time",
                    "max_over_time",
                    "sum_over_time",
                    "count_over_time",
                    "last_over_time",
                    "present_over_time",
                    "stddev_over_time",
                    "stdvar_over_time",
                ]);
                format!("{f}({})", self.range(depth))
            }
            2 => match self.random.u8(0..4) {
                0 => format!("quantile_over_time({}, {})", self.pick(&["0", "0.3", "0.99", "1"]), self.range(depth)),
                1 => format!("predict_linear({}, {})", self.range(depth), self.pick(&["60", "-300", "3600"])),
                2 => format!("absent_over_time({})", self.range(0)),
                _ => format!(
                    "histogram_quantile({}, rate(lat_bucket[{}]))",
                    self.pick(&["0.5", "0.9", "0"]),
                    self.pick(&["2m", "9m"])
                ),
            },
            3 => {
                let f = self.pick(&[
                    "abs",
                    "ceil",
                    "floor",
                    "sgn",
                    "sqrt",
                    "round",
                    "timestamp",
                    "-",
                    "minute",
                    "day_of_week",
                    "absent",
                ]);
                // Dates of what is no time differ with the machine in Go.
                let of = if matches!(f, "minute" | "day_of_week") { "timestamp" } else { "" };
                format!("{f}({of}({}))", self.vector(depth - 1))
            }
            4 => match self.random.u8(0..4) {
                0 => format!("clamp({}, -2, {})", self.vector(depth - 1), self.pick(&["1", "50", "-5"])),
                1 => format!("label_replace({}, \"to\", \"$1\", \"instance\", \"i(.*)\")", self.vector(depth - 1)),
                2 => format!("label_join({}, \"to\", \"-\", \"group\", \"instance\")", self.vector(depth - 1)),
                _ => format!("round({}, {})", self.vector(depth - 1), self.pick(&["0.25", "10"])),
            },
            5 | 6 => {
                let by = self.pick(&[
                    "",
                    " by (group)",
                    " by (instance, n)",
                    " without (instance)",
                    " without (n, le)",
                    " by (nowhere)",
                ]);
                let inner = self.vector(depth - 1);
                match self.random.u8(0..4) {
                    0 => format!("quantile{by} ({}, {inner})", self.pick(&["0.5", "0.9"])),
                    1 => format!("count_values{by} (\"v\", floor({inner}))"),
                    _ => format!(
                        "{}{by} ({inner})",
                        self.pick(&["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"])
                    ),
                }
            }
            7 => {
                let (op, b) = (self.pick(&["+", "-", "*", "/", "%", "^", "atan2"]), self.scalar());
                if self.random.bool() {
                    format!("({}) {op} {b}", self.vector(depth - 1))
                } else {
                    format!("{b} {op} ({})", self.vector(depth - 1))
                }
            }
            8 => {
                let (op, bool) = (self.pick(&["==", "!=", ">", "<", ">=", "<="]), self.pick(&["", " bool"]));
                format!("({}) {op}{bool} {}", self.vector(depth - 1), self.scalar())
            }
            _ => {
                let matching = self.pick(&[
                    "",
                    "on (instance) ",
                    "ignoring (n) ",
                    "on (group) group_left () ",
                    "on (group, instance) ",
                    "on (group) group_right (n) ",
                ]);
                let set = self.pick(&["and", "or", "unless"]);
                let op = self.pick(&["+", "-", "*", "/", "==", "> bool", "<"]);
                let (l, r) = (self.vector(depth - 1), self.vector(depth - 1));
                match self.random.u8(0..3) {
                    0 => format!("({l}) {set} {}({r})", self.pick(&["", "on (group) ", "ignoring (n, le) "])),
                    _ => format!("({l}) {op} {matching}({r})"),
                }
            }
        }
    }
}
