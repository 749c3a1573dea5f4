//! `info(vector, {selector})`: gives each series the labels of what is told about its target (`target_info`), found by
//! `instance` and `job`.
//!
//! Which series those are is a selection like any other, that the parser makes of the second argument: it looks where the
//! first argument looks. A series that tells about others is left as it is.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{
    EvalError, ValueType,
    binary::braced,
    budget,
    eval::Eval,
    expr::{At, Call, Expr, Shift},
    grid::{Grid, Row, Rows, Value, is_some, joined, none},
    labels,
    select::{self, Take},
};
use crate::{
    model::{Labels, METRIC_NAME, MatchOp, Matcher},
    pack::Packed,
};

/// What is told about targets, unless the query names something else.
const TARGET_INFO: &str = "target_info";
/// What else can be meant where a query says only what is not.
const ANY_INFO: &str = ".+_info";

/// Returns the conditions of the series that tell about others, from those that a query has for them.
///
/// # Errors
/// Never: the expression is a constant.
pub fn conditions(asked: &[Matcher]) -> Result<Vec<Matcher>, String> {
    let names: Vec<&Matcher> = asked.iter().filter(|m| &*m.name == METRIC_NAME).collect();
    let missing = if names.is_empty() {
        Some(Matcher::equal(METRIC_NAME, TARGET_INFO))
    } else if names.iter().any(|m| matches!(m.op, MatchOp::Equal | MatchOp::Regex(_))) {
        None
    } else {
        Some(Matcher::new(METRIC_NAME, "=~", ANY_INFO)?)
    };
    Ok(missing.into_iter().chain(asked.iter().cloned()).collect())
}

/// Returns where an expression looks, if all its selectors look at one time and nothing in it is without one; else the
/// time of evaluation.
pub fn reference(expr: &Expr) -> Shift {
    let mut looks = Looks { found: Vec::new(), elsewhere: false };
    looks.walk(expr, Shift::default());
    match looks.found.split_first() {
        Some((first, rest)) if !looks.elsewhere && rest.iter().all(|other| is_same(first, other)) => *first,
        _ => Shift::default(),
    }
}

fn is_same(a: &Shift, b: &Shift) -> bool {
    match (a.at, b.at) {
        (Some(At::Time(one)), Some(At::Time(other))) => {
            one.saturating_sub(a.offset_ms) == other.saturating_sub(b.offset_ms)
        }
        _ => a == b,
    }
}

struct Looks {
    found: Vec<Shift>,
    /// Something comes from no selector.
    elsewhere: bool,
}

impl Looks {
    /// Returns whether a vector comes from any selector. `outer`: what the subqueries around it say.
    fn walk(&mut self, expr: &Expr, outer: Shift) -> bool {
        let within = |inner: &Shift| match inner.at {
            Some(_) => *inner,
            None => Shift { at: outer.at, offset_ms: inner.offset_ms.saturating_add(outer.offset_ms) },
        };
        if !matches!(expr.value_type(), ValueType::Vector | ValueType::Matrix) {
            return false;
        }
        let found = match expr {
            Expr::Selector(selector) | Expr::Range(selector, _) => {
                self.found.push(within(&selector.shift));
                true
            }
            Expr::Subquery(subquery) => self.walk(&subquery.expr, within(&subquery.shift)),
            // What is told about others is looked up where they are.
            Expr::Call(call) if call.function.name == "info" => {
                return call.args.first().is_some_and(|vector| self.walk(vector, outer));
            }
            Expr::Call(call) => call.args.iter().filter(|arg| self.walk(arg, outer)).count() > 0,
            Expr::Aggregate(a) => self.walk(&a.expr, outer),
            Expr::Binary(b) => {
                let left = self.walk(&b.lhs, outer);
                self.walk(&b.rhs, outer) || left
            }
            Expr::Negate(inner) => self.walk(inner, outer),
            Expr::Number(_) | Expr::Text(_) => false,
        };
        self.elsewhere |= !found;
        found
    }
}

/// Whom a series is about: `instance` and `job`.
type Target = (Arc<str>, Arc<str>);

/// Instances, and jobs.
type Targets = (HashSet<Arc<str>>, HashSet<Arc<str>>);

fn target(labels: &Labels) -> Target {
    (labels.value("instance").into(), labels.value("job").into())
}

/// Evaluates `info` on a grid.
pub fn eval(eval: &Eval<'_>, call: &Call, grid: &Grid) -> Result<Value, EvalError> {
    let [vector, Expr::Selector(selector)] = &call.args[..] else {
        return Err(EvalError::Execution("an argument is missing".into()));
    };
    let (names, data): (Vec<&Matcher>, Vec<&Matcher>) = selector.matchers.iter().partition(|m| &*m.name == METRIC_NAME);
    let tells = |row: &Row| names.iter().all(|m| m.matches(&row.labels.name));
    let rows = eval.rows(vector, grid)?;
    let near = near(eval.series(selector), rows.iter().filter(|row| !tells(row)));
    let told = select::instant(eval, &near, &selector.shift, grid, Take::Time)?;
    let asked = (0..grid.steps).map(|step| rows.iter().any(|row| is_some(row.values[step]))).collect::<Vec<_>>();
    let newest = newest(eval, &told, &asked)?;
    let mut out = Rows::with_capacity(rows.len());
    for row in &rows {
        eval.check()?;
        match newest.get(&target(&row.labels)) {
            _ if tells(row) => out.push(row.clone()),
            found => enrich(eval, row, found.map_or(&[][..], Vec::as_slice), &told, &data, &mut out)?,
        }
    }
    eval.release_rows(&told);
    eval.release_rows(&rows);
    eval.hold(out.iter().map(|row| row.values.len()).sum())?;
    joined(out).map(Value::Rows)
}

/// The series that have both an instance and a job of some row; what a row does not have, they have not.
fn near<'a, 'r>(series: &[&'a Packed], rows: impl Iterator<Item = &'r Row>) -> Vec<&'a Packed> {
    let kind = |(instance, job): &Target| (instance.is_empty(), job.is_empty());
    let mut all: HashMap<(bool, bool), Targets> = HashMap::new();
    for target in rows.map(|row| target(&row.labels)).filter(|target| kind(target) != (true, true)) {
        let (instances, jobs) = all.entry(kind(&target)).or_default();
        instances.insert(target.0);
        jobs.insert(target.1);
    }
    let is_near = |packed: &&&Packed| {
        let target = target(&packed.labels);
        all.get(&kind(&target))
            .is_some_and(|(instances, jobs)| instances.contains(&target.0) && jobs.contains(&target.1))
    };
    series.iter().filter(is_near).copied().collect()
}

/// Of each metric that tells about a target, which row has the newest sample at each step.
type Newest = HashMap<Target, Vec<Vec<Option<usize>>>>;

fn newest(eval: &Eval<'_>, told: &Rows, asked: &[bool]) -> Result<Newest, EvalError> {
    let mut groups: BTreeMap<(Target, &str), Vec<usize>> = BTreeMap::new();
    for (i, row) in told.iter().enumerate() {
        groups.entry((target(&row.labels), &*row.labels.name)).or_default().push(i);
    }
    let mut all = Newest::new();
    for ((target, _), members) in groups {
        eval.check()?;
        eval.budget.take_many(asked.len(), size_of::<Option<usize>>())?;
        let mut best: Vec<Option<usize>> = vec![None; asked.len()];
        for i in members {
            let row = &told[i];
            for (step, best) in best.iter_mut().enumerate().filter(|(step, _)| asked[*step]) {
                let at = row.values[step];
                let Some(other) = best.map(|best| &told[best]) else {
                    *best = is_some(at).then_some(i);
                    continue;
                };
                let before = other.values[step];
                if is_some(at) && at > before {
                    *best = Some(i);
                } else if is_some(at) && at >= before {
                    return Err(EvalError::Execution(format!(
                        "found duplicate series for info metric: existing {} @ {:.0}, new {} @ {:.0}",
                        braced(&other.labels),
                        before * 1e3,
                        braced(&row.labels),
                        at * 1e3
                    )));
                }
            }
        }
        all.entry(target).or_default().push(best);
    }
    Ok(all)
}

/// A row with what is told about it, which may be something else at each step.
fn enrich(
    eval: &Eval<'_>,
    row: &Row,
    newest: &[Vec<Option<usize>>],
    told: &Rows,
    data: &[&Matcher],
    out: &mut Rows,
) -> Result<(), EvalError> {
    // What was found, and the row that it made; none where the query wants only what is told something about.
    let mut made: Vec<(Vec<usize>, Option<usize>)> = Vec::new();
    for (step, value) in row.values.iter().enumerate().filter(|(_, v)| is_some(**v)) {
        let found = || newest.iter().filter_map(|best| best[step]);
        let place = match made.iter().rev().find(|(with, _)| with.iter().copied().eq(found())) {
            Some((_, place)) => *place,
            None => {
                let labels = with_told(&row.labels, found().map(|i| &told[i].labels), data)?;
                let place = labels.is_some().then_some(out.len());
                if let Some(labels) = labels {
                    eval.budget.take(budget::of_row(&labels, row.values.len()))?;
                    out.push(Row { labels, values: vec![none(); row.values.len()] });
                }
                made.push((found().collect(), place));
                place
            }
        };
        if let Some(place) = place {
            out[place].values[step] = *value;
        }
    }
    Ok(())
}

/// The labels of a series with those told about it: of all, or of those that the query names. What it has itself stays.
fn with_told<'a>(
    labels: &Labels,
    told: impl Iterator<Item = &'a Labels>,
    data: &[&Matcher],
) -> Result<Option<Labels>, EvalError> {
    let mut more: BTreeMap<&str, &str> = BTreeMap::new();
    let mut any = false;
    for (label, value) in told.inspect(|_| any = true).flat_map(labels::all) {
        let wanted = data.is_empty() || data.iter().any(|m| &*m.name == label);
        if labels::is_metadata(label) || !wanted {
            continue;
        }
        if more.get(label).is_some_and(|other| *other != value) {
            return Err(EvalError::Execution(format!("conflicting label: {label}")));
        }
        if labels.value(label).is_empty() {
            more.insert(label, value);
        }
    }
    if !any && !data.iter().all(|m| m.matches("")) {
        return Ok(None);
    }
    Ok(Some(more.iter().fold(labels.clone(), |labels, (label, value)| labels::with(&labels, label, value))))
}

#[cfg(test)]
mod tests {
    use crate::promql::{Window, parse, plan};

    #[test]
    fn what_is_told_is_selected_where_the_series_are() {
        let check = |text: &str, want: &str, from_s: i64, to_s: i64| {
            let window = Window { start_ms: 1_000_000, end_ms: 2_000_000, step_ms: 10_000, lookback_ms: 300_000 };
            let query = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let all = plan::selections(&query.expr, &window);
            let last = all.last().unwrap();
            let written: Vec<String> = last.matchers.iter().map(ToString::to_string).collect();
            assert_eq!(written.join(","), want, "{text}");
            assert_eq!((last.from_ms, last.to_ms), (from_s * 1_000 - 299_999, to_s * 1_000), "{text}");
        };
        let target = "__name__=\"target_info\"";
        check("info(up)", target, 1_000, 2_000);
        check("info(up, {})", target, 1_000, 2_000);
        check("info(up, {data=~\".+\"} offset 1h)", &format!("{target},data=~\".+\""), 1_000, 2_000);
        check("info(up, {\"build_info\"})", "__name__=\"build_info\"", 1_000, 2_000);
        check("info(up, {__name__!=\"x_info\"})", "__name__=~\".+_info\",__name__!=\"x_info\"", 1_000, 2_000);
        check("info(up offset 100s)", target, 900, 1_900);
        check("info(rate(up[5m] @ 500 offset 50s))", target, 450, 450);
        check("info(last_over_time((up offset 20s)[10m:1m] @ 500))", target, 480, 480);
        check("info(up @ 500 offset 60s or down @ 440)", target, 440, 440);
        check("info(up @ 500 or down)", target, 1_000, 2_000);
        check("info(up @ 500 or vector(1))", target, 1_000, 2_000);
        check("info(scalar(up @ 500) * down)", target, 1_000, 2_000);
        check("info(info(up @ 500))", target, 500, 500);
    }
}
