//! Random queries.

use fastrand::Rng;

/// Queries by the grammar; types are right, sense is not asked for.
///
/// Some things are left out, since Prometheus itself does not do what its documentation says: it forgets the offset of
/// a subquery for an `@` within where both grids begin together, and that of the selector in `timestamp(x @ t offset o)`,
/// it takes an aggregation's parameter for constant where what is aggregated is, by `@`; and in `predict_linear` it
/// evaluates a subquery with `@` for times that nobody asks for, whose errors then count.
/// Besides, what depends on the machine or on the order of series where it has none: dates of what is no time,
/// `count_values` of powers, which of two equal values `topk` takes, which results of an operator `limitk` takes.
pub struct Generator {
    random: Rng,
    begin_ms: i64,
    /// No `@` here.
    at_forbidden: bool,
}

impl Generator {
    /// `begin_ms`: the time of the first samples.
    pub fn new(random: Rng, begin_ms: i64) -> Self {
        Self { random, begin_ms, at_forbidden: false }
    }

    /// A query with its evaluation: start, end and step in milliseconds; step 0: an instant query.
    pub fn query(&mut self) -> (String, (i64, i64, i64)) {
        let end = self.begin_ms + self.random.i64(20..58) * 60_000;
        let instant = self.random.bool();
        let depth = self.random.usize(1..4);
        let query = match self.random.u8(0..24) {
            0 if instant => format!("{}[{}]{}", self.selector(), self.pick(&["2m", "10m"]), self.shift()),
            1 if instant => self.pick(&["\"a text\"", "'it\\'s \\u00e9'", "`raw \\n`"]).into(),
            2 => format!("{} {} {}", self.scalar(), self.pick(&["+", "/", "^", "> bool", "%"]), self.scalar()),
            3 => format!("sort({})", self.distinct()),
            4 => format!("sort_desc({})", self.distinct()),
            7 => format!("sort_by_label{}(temp, \"n\", \"instance\")", self.pick(&["", "_desc"])),
            5 | 6 => self.last_digits(depth),
            _ => self.vector(depth),
        };
        let (start, step) = (end - 15 * 60_000, self.random.i64(10..100) * 1_000);
        // The end is a step: up to it, not to the last step, Prometheus evaluates subqueries, with their errors and notes.
        (query, if instant { (end, end, 0) } else { (start, start + (end - start) / step * step, step) })
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.usize(..from.len())]
    }

    fn selector(&mut self) -> String {
        if self.random.u8(0..12) == 0 {
            return self
                .pick(&["{__name__=~\"lat_.*|req_total\"}", "{\"odd\",n=\"low\"}", "{group=~\"g[12]\"}"])
                .into();
        }
        let name = self.pick(&["req_total", "req_total", "temp", "odd", "limit", "lat_bucket", "typed"]);
        let matchers = self.pick(&[
            "",
            "",
            "{group=\"g1\"}",
            "{instance=~\"i[0-3]\"}",
            "{group!=\"g0\",n=\"low\"}",
            "{instance!~\"i1|i2\"}",
            "{group=~\".+\",nowhere=\"\"}",
        ]);
        format!("{name}{matchers}")
    }

    fn shift(&mut self) -> String {
        if self.at_forbidden || self.random.bool() {
            return self.pick(&["", "", "", " offset 3m", " offset -1m", " offset 90", " offset -(1m + 30)"]).into();
        }
        match self.random.u8(0..3) {
            0 => format!(" @ {}.5", self.begin_ms / 1_000 + self.random.i64(0..3_600)),
            _ => self.pick(&["", "", " @ end()", " @ start() offset 2m"]).into(),
        }
    }

    fn range(&mut self, depth: usize) -> String {
        let range = self.pick(&[
            "1m",
            "90s",
            "5m",
            "17m",
            "300",
            "1m30s500ms",
            "step() + 1m",
            "range() / 4 + 45",
            "2 * (1m + 30s)",
            "max_of(2m, 30s * 3) ^ 1",
        ]);
        if depth > 0 && self.random.u8(0..4) == 0 {
            let (step, shift) = (self.pick(&["", "30s", "1m", "2m13s"]), self.shift());
            let inner = if shift.is_empty() { self.vector(depth - 1) } else { self.without_at(depth - 1) };
            return format!("({inner})[{range}:{step}]{shift}");
        }
        format!("{}[{range}]{}", self.selector(), self.shift())
    }

    fn scalar(&mut self) -> &'static str {
        const SCALARS: [&str; 14] = [
            "2",
            "0.5",
            "-1.5",
            "1e3",
            "0x1F",
            "1_000",
            "-Inf",
            "time()",
            "pi()",
            "NaN",
            "scalar(limit{group=\"g1\"})",
            "(3 > bool 2)",
            "(end() - start() + range())",
            "max_of(step(), min_of(time(), 7))",
        ];
        SCALARS[self.random.usize(..SCALARS.len())]
    }

    /// A vector in which hardly two values are equal.
    fn distinct(&mut self) -> String {
        match self.random.u8(0..3) {
            0 => format!("-temp * on (group) group_left () limit{}", self.shift()),
            _ => self.distinct_in_order(),
        }
    }

    /// The same, whose series come in the order in which the store gives them.
    fn distinct_in_order(&mut self) -> String {
        match self.random.bool() {
            true => format!("temp{}", self.shift()),
            false => format!("stddev_over_time(temp[{}])", self.pick(&["3m", "10m"])),
        }
    }

    fn vector(&mut self, depth: usize) -> String {
        let Some(less) = depth.checked_sub(1) else {
            let how = if self.random.u8(0..10) == 0 { " smoothed" } else { "" };
            return format!("{}{how}{}", self.selector(), self.shift());
        };
        match self.random.u8(0..12) {
            0 | 1 => self.over_time(depth),
            2 => self.over_time_with_numbers(depth),
            3 => self.of_values(less),
            4 => self.of_labels(less),
            5 | 6 => self.aggregation(less),
            7 => self.arithmetic(less),
            8 => {
                let (op, bool) = (self.pick(&["==", "!=", ">", "<", ">=", "<="]), self.pick(&["", " bool"]));
                format!("({}) {op}{bool} {}", self.vector(less), self.scalar())
            }
            9 => self.histogram(),
            _ => self.matching(less),
        }
    }

    fn without_at(&mut self, depth: usize) -> String {
        let outside = std::mem::replace(&mut self.at_forbidden, true);
        let vector = self.vector(depth);
        self.at_forbidden = outside;
        vector
    }

    /// Of a range whose ends are known.
    fn extended(&mut self) -> String {
        let smoothed = self.random.bool();
        let functions = ["rate", "increase", "delta", "changes", "resets"];
        let f = self.pick(if smoothed { &functions[..3] } else { &functions });
        let range = self.pick(&["1m", "5m", "17m", "10s", "step() + 2m"]);
        let how = if smoothed { "smoothed" } else { "anchored" };
        format!("{f}({}[{range}] {how}{})", self.selector(), self.shift())
    }

    fn over_time(&mut self, depth: usize) -> String {
        if self.random.u8(0..5) == 0 {
            return self.extended();
        }
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
            "first_over_time",
            "ts_of_first_over_time",
            "ts_of_last_over_time",
            "ts_of_max_over_time",
            "ts_of_min_over_time",
            "mad_over_time",
            "integral",
            "present_over_time",
            "stddev_over_time",
            "stdvar_over_time",
        ]);
        format!("{f}({})", self.range(depth))
    }

    fn over_time_with_numbers(&mut self, depth: usize) -> String {
        match self.random.u8(0..5) {
            3 => {
                let factors = self.pick(&["0.5, 0.1", "0.2, 0.9", "0.2, 0.9", "0.2, 1.5"]);
                format!("double_exponential_smoothing({}, {factors})", self.range(0))
            }
            4 => format!("integral({}, {})", self.range(depth - 1), self.pick(&["0", "1", "2", "7"])),
            0 => {
                let q = self.pick(&["0", "0.3", "0.99", "1", "1.5"]);
                format!("quantile_over_time({q}, {})", self.range(depth))
            }
            1 => format!("predict_linear({}, {})", self.range(0), self.pick(&["60", "-300", "3600"])),
            _ => format!("absent_over_time({})", self.range(depth - 1)),
        }
    }

    fn histogram(&mut self) -> String {
        let range = self.pick(&["2m", "9m"]);
        match self.random.u8(0..8) {
            5 => format!("histogram_quantile({}, fallen_bucket)", self.pick(&["0.3", "0.9"])),
            6 => format!("histogram_quantile(0.7, rate(fallen_bucket[{range}]))"),
            7 => format!("histogram_fraction({}, fallen_bucket)", self.pick(&["0, 0.05", "0.05, 3", "-1, 7"])),
            0 => format!(
                "histogram_fraction({}, rate(lat_bucket[{range}]))",
                self.pick(&["0, 1", "-Inf, 0.3", "1, 0.5", "0.02, 0.07"])
            ),
            2 if self.random.bool() => format!("histogram_quantiles(lat_bucket, \"q\", 0.5, {})", self.scalar()),
            1 => format!("histogram_quantile(0.9, sum by (le) (rate(lat_bucket[{range}])))"),
            2 => format!("histogram_quantile({}, {})", self.pick(&["0.5", "2", "NaN"]), self.selector()),
            3 => format!("histogram_quantile(0.5, lat_bucket{})", self.shift()),
            _ => format!("histogram_quantile({}, rate(lat_bucket[{range}]))", self.pick(&["0.5", "0.9", "0", "1"])),
        }
    }

    fn of_values(&mut self, depth: usize) -> String {
        match self.random.u8(0..4) {
            0 | 1 => {
                format!("{}({})", self.pick(&["sqrt", "deg", "rad", "sgn", "abs", "ceil", "floor"]), self.vector(depth))
            }
            2 => {
                let f = self.pick(&["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month"]);
                format!("{f}({})", self.pick(&["", "vector(time())", "req_total * 1e6"]))
            }
            _ => match self.random.u8(0..8) {
                0 => format!("clamp({}, -2, {})", self.vector(depth), self.pick(&["1", "50", "-5", "NaN"])),
                1 => format!("clamp_{}({}, {})", self.pick(&["min", "max"]), self.vector(depth), self.scalar()),
                2 => format!("round({}, {})", self.vector(depth), self.pick(&["0.25", "10", "-3"])),
                3 => format!("timestamp({})", self.without_at(depth)),
                4 => format!("vector(scalar({}))", self.vector(depth)),
                5 => format!("absent({})", self.vector(depth)),
                6 => match self.random.u8(0..4) {
                    0 => format!("abs(sort_desc({}))", self.distinct()),
                    1 => format!("({}) {} 2", self.vector(depth), self.pick(&["</", ">/"])),
                    _ => format!("-{} * -2", self.selector()),
                },
                _ => format!("-({})", self.vector(depth)),
            },
        }
    }

    /// What Go and Rust may give different last digits for; outermost, since a difference would make them leading ones.
    fn last_digits(&mut self, depth: usize) -> String {
        let vector = self.vector(depth - 1);
        match self.random.u8(0..4) {
            0 => format!("({vector}) ^ {}", self.scalar()),
            1 => format!("{} atan2 ({vector})", self.scalar()),
            2 => format!("-{} ^ -{} ^ 0.5 * 2", self.selector(), self.scalar()),
            _ => {
                let f = self.pick(&[
                    "exp", "ln", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
                    "asinh", "acosh", "atanh",
                ]);
                format!("{f}({vector})")
            }
        }
    }

    fn of_labels(&mut self, depth: usize) -> String {
        let vector = self.vector(depth);
        match self.random.u8(0..7) {
            5 => format!("info({vector})"),
            6 => {
                let data = ["{zone=~\".+\"}", "{zone=\"z1\"}", "{__name__=~\"target_.*\",zone=~\".*\"}", "{}"];
                format!("info({vector}, {})", self.pick(&data))
            }
            0 => format!("label_replace({vector}, \"__name__\", \"$1_$2\", \"group\", \"(.)(.)\")"),
            1 => format!("label_replace({vector}, \"group\", \"\", \"instance\", \"i[0-2]\")"),
            2 => format!("label_join({vector}, \"to\", \"-\", \"group\", \"nowhere\", \"instance\")"),
            3 => format!("label_replace({vector}, \"to\", \"${{x}}!\", \"instance\", \"i(?P<x>.*)\")"),
            _ => format!("label_replace({vector}, \"to\", \"$1\", \"instance\", \"i(.*)\")"),
        }
    }

    fn aggregation(&mut self, depth: usize) -> String {
        let by = self.pick(&[
            "",
            " by (group)",
            " by (instance, n)",
            " by (__name__)",
            " without (instance)",
            " without (n, le)",
            " by (nowhere)",
            " without ()",
        ]);
        match self.random.u8(0..7) {
            6 => format!("limit_ratio{by} ({}, {})", self.pick(&["0.5", "-0.3", "1.5", "0"]), self.vector(depth)),
            0 => {
                let q = self.pick(&["0.5", "0.9", "-1", "NaN", "scalar(limit{group=\"g1\"})"]);
                format!("quantile{by} ({q}, {})", self.without_at(depth))
            }
            1 => format!(
                "count_values{by} (\"{}\", floor(clamp({}, -99, 99)))",
                self.pick(&["v", "group"]),
                self.over_time(depth)
            ),
            2 => {
                let (f, k) = (self.pick(&["topk", "bottomk", "limitk"]), self.pick(&["1", "3", "2.9", "0", "-1"]));
                let of = if f == "limitk" { self.distinct_in_order() } else { self.distinct() };
                format!("{f}{by} ({k}, {of})")
            }
            // Of what is nearly equal, the deviation is the rounding.
            3 => format!("{}{by} ({}{})", self.pick(&["stddev", "stdvar"]), self.selector(), self.shift()),
            _ => {
                let f = self.pick(&["sum", "avg", "min", "max", "count", "group"]);
                format!("{f}{by} ({})", self.vector(depth))
            }
        }
    }

    fn arithmetic(&mut self, depth: usize) -> String {
        let (op, number) = (self.pick(&["+", "-", "*", "/", "%"]), self.scalar());
        match self.random.u8(0..3) {
            0 => format!("({}) {op} {number}", self.vector(depth)),
            1 => format!("{number} {op} ({})", self.vector(depth)),
            // Precedence and associativity are the parser's.
            _ => {
                let (a, b) = (self.pick(&["+", "*", "%"]), self.pick(&["-", "/", "== bool"]));
                format!("{} {op} -{number} {a} 2 {b} 3", self.selector())
            }
        }
    }

    fn matching(&mut self, depth: usize) -> String {
        let (l, r) = (self.vector(depth), self.vector(depth));
        if self.random.u8(0..3) == 0 {
            let set = self.pick(&["and", "or", "unless"]);
            let on = self.pick(&["", "on (group) ", "ignoring (n, le) ", "on () ", "on (__name__) "]);
            return format!("({l}) {set} {on}({r})");
        }
        let op = self.pick(&["+", "-", "*", "/", "==", "> bool", "<"]);
        let on = self.pick(&[
            "",
            "on (instance) ",
            "ignoring (n) ",
            "on (group) group_left () ",
            "on (group, instance) ",
            "on (group) group_right (n) ",
            "ignoring (instance, n) group_left (nowhere) ",
        ]);
        let fill = self.pick(&["", "", "fill (0) ", "fill_left (-1.5) ", "fill_left (2) fill_right (7e30) "]);
        format!("({l}) {op} {on}{fill}({r})")
    }
}
