//! Function calls.

mod buckets;
mod sort;

use super::{
    EvalError,
    annotations::shortest,
    budget,
    eval::Eval,
    expr::{Call, Expr, Extended},
    functions::{self, Kind, OfRange, RangeFn, Special, curve, labels as relabel, numbers},
    grid::{Grid, Row, Rows, Value, is_some, joined, none, unnamed},
    info, labels,
    select::{self, RangeCall, Take},
};
use crate::model::{Labels, Matcher, re2};

/// Evaluates a call on a grid.
pub fn eval(eval: &Eval<'_>, call: &Call, grid: &Grid) -> Result<Value, EvalError> {
    match &call.function.kind {
        Kind::Range(function) => joined(range(eval, call, function, grid)?).map(Value::Rows),
        Kind::Value(function) => {
            let Some((vector, args)) = call.args.split_first() else { return missing() };
            let args = args.iter().map(|arg| eval.scalar(arg, grid)).collect::<Result<Vec<_>, _>>()?;
            let mut at = vec![0.0; args.len()];
            map(eval.rows(vector, grid)?, |value, step| {
                at.iter_mut().zip(&args).for_each(|(at, all)| *at = all[step]);
                function(value, &at)
            })
        }
        Kind::Calendar(function) => match call.args.first() {
            Some(vector) => map(eval.rows(vector, grid)?, |value, _| function(value)),
            None => {
                let values = times(grid).map(function).collect();
                Ok(Value::Rows(vec![Row { labels: labels::empty(), values }]))
            }
        },
        Kind::Special(special) => self::special(eval, call, *special, grid),
    }
}

fn missing<T>() -> Result<T, EvalError> {
    Err(EvalError::Execution("an argument is missing".into()))
}

fn times(grid: &Grid) -> impl Iterator<Item = f64> {
    let grid = *grid;
    (0..grid.steps).map(move |step| grid.at_ms(step) as f64 / 1e3)
}

/// Every point through a function; the name is dropped.
fn map(mut rows: Rows, mut function: impl FnMut(f64, usize) -> f64) -> Result<Value, EvalError> {
    for row in &mut rows {
        for (step, value) in row.values.iter_mut().enumerate().filter(|(_, v)| is_some(**v)) {
            *value = function(*value, step);
        }
    }
    rows.retain(Row::has_points);
    unnamed(rows).map(Value::Rows)
}

/// A function of a range vector; the other arguments are scalars. Rows may have become the same series.
fn range(eval: &Eval<'_>, call: &Call, function: &RangeFn, grid: &Grid) -> Result<Rows, EvalError> {
    let mut args = Vec::new();
    let mut matrix = None;
    for arg in &call.args {
        match arg {
            Expr::Range(..) | Expr::Subquery(_) => matrix = Some(arg),
            scalar => args.push(eval.scalar(scalar, grid)?),
        }
    }
    let at = call.args_at.first().copied().unwrap_or_default();
    let rows = match matrix {
        Some(Expr::Range(selector, range_ms)) => {
            let mut function = *function;
            if let Some(how) = selector.extended {
                function.eval = extended(call.function.name, how)?;
            }
            let (range_ms, extended) = (*range_ms, selector.extended);
            let of = RangeCall { range_ms, shift: &selector.shift, function: &function, args: &args, extended, at };
            of.rows(eval, eval.series(selector), grid)?
        }
        Some(Expr::Subquery(subquery)) => {
            let (range_ms, shift) = (subquery.range_ms, &subquery.shift);
            let of = RangeCall { range_ms, shift, function, args: &args, extended: None, at };
            let mut rows = Rows::new();
            for (mut row, mut points) in eval.subquery(subquery, grid)? {
                eval.check()?;
                eval.release(points.len());
                eval.budget.take_many(grid.steps, budget::VALUE_BYTES)?;
                // What it looked at was counted where it was selected.
                row.values = of.row(eval, grid, &mut points, None)?;
                if row.has_points() {
                    eval.hold(row.values.len())?;
                    row.labels = of.labels(eval, &row.labels);
                    rows.push(row);
                }
            }
            rows
        }
        _ => return missing(),
    };
    check_args(eval, call, &args, &rows)?;
    Ok(rows)
}

/// Says what is wrong with the scalar arguments of a range function; nothing where there was nothing to call it for.
fn check_args(eval: &Eval<'_>, call: &Call, args: &[Vec<f64>], rows: &Rows) -> Result<(), EvalError> {
    let asked = |of: usize| {
        let all = args.get(of).into_iter().flatten().copied().enumerate();
        all.filter(|(step, _)| rows.iter().any(|row| is_some(row.values[*step]))).map(|(_, value)| value)
    };
    match call.function.name {
        "quantile_over_time" => {
            asked(0).filter(|q| !(0.0..=1.0).contains(q)).for_each(|q| check_quantile(eval, place(call, 0), q));
        }
        "integral" => asked(0).filter(|s| !curve::is_strategy(*s)).for_each(|strategy| {
            let words = "strategy should be 0, 1, or 2 (default), using 2, got";
            eval.note(|n| n.warn(place(call, 1), format!("{words} {}", shortest(strategy))));
        }),
        "double_exponential_smoothing" => {
            for (of, what, short) in [(0, "smoothing", "sf"), (1, "trend", "tf")] {
                if let Some(factor) = asked(of).find(|factor| !curve::is_factor(*factor)) {
                    return Err(EvalError::Execution(format!(
                        "invalid {what} factor. Expected: 0 < {short} < 1, got: {factor:.6}"
                    )));
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// The function for a range with such ends.
fn extended(name: &str, how: Extended) -> Result<OfRange, EvalError> {
    functions::extended::extended(name, how).ok_or_else(|| {
        let (word, names) = (how.name(), how.functions().join(", "));
        EvalError::Execution(format!("{word} modifier can only be used with: {names} - not with {name}"))
    })
}

/// Warns of a quantile that is none.
pub fn check_quantile(eval: &Eval<'_>, at: usize, q: f64) {
    if q.is_nan() || !(0.0..=1.0).contains(&q) {
        let q = shortest(q);
        eval.note(|n| n.warn(at, format!("quantile value should be between 0 and 1, got {q}")));
    }
}

fn special(eval: &Eval<'_>, call: &Call, special: Special, grid: &Grid) -> Result<Value, EvalError> {
    let arg = |i: usize| call.args.get(i).ok_or_else(|| EvalError::Execution("an argument is missing".into()));
    match special {
        Special::Time => Ok(Value::Scalar(times(grid).collect())),
        Special::Pi => Ok(Value::Scalar(vec![std::f64::consts::PI; grid.steps])),
        Special::Start | Special::End | Special::Range | Special::Step => {
            Ok(Value::Scalar(vec![of_window(eval, special); grid.steps]))
        }
        Special::MaxOf | Special::MinOf => {
            let (mut a, b) = (eval.scalar(arg(0)?, grid)?, eval.scalar(arg(1)?, grid)?);
            let choose = if special == Special::MaxOf { numbers::greatest } else { numbers::least };
            a.iter_mut().zip(b).for_each(|(a, b)| *a = choose(*a, b));
            Ok(Value::Scalar(a))
        }
        Special::Vector => Ok(Value::Rows(vec![Row { labels: labels::empty(), values: eval.scalar(arg(0)?, grid)? }])),
        Special::Scalar => Ok(Value::Scalar(scalar(&eval.rows(arg(0)?, grid)?, grid))),
        Special::Absent => {
            let rows = eval.rows(arg(0)?, grid)?;
            Ok(Value::Rows(absent(&rows, matchers(arg(0)?), grid)))
        }
        Special::AbsentOverTime => absent_over_time(eval, arg(0)?, grid),
        Special::Timestamp => timestamp(eval, arg(0)?, grid),
        Special::Sort | Special::SortDesc | Special::SortByLabel | Special::SortByLabelDesc => {
            sort::eval(eval, call, special, grid)
        }
        Special::Info => info::eval(eval, call, grid),
        Special::LabelReplace => label_replace(eval, call, grid),
        Special::LabelJoin => label_join(eval, call, grid),
        Special::Nothing => {
            eval.rows(arg(0)?, grid)?;
            Ok(Value::Rows(Rows::new()))
        }
        Special::HistogramQuantile => buckets::quantile(eval, call, grid),
        Special::HistogramQuantiles => buckets::quantiles(eval, call, grid),
        Special::HistogramFraction => buckets::fraction(eval, call, grid),
    }
}

/// What the query says of its own window, in seconds; a subquery within it changes nothing.
fn of_window(eval: &Eval<'_>, special: Special) -> f64 {
    let window = eval.window;
    let range_ms = window.end_ms.saturating_sub(window.start_ms);
    let ms = match special {
        Special::Start => window.start_ms,
        Special::End => window.end_ms,
        Special::Range => range_ms,
        // Where it is asked for one time there is none.
        _ if range_ms == 0 => 0,
        _ => window.step_ms,
    };
    ms as f64 / 1e3
}

/// Where an argument stands in the query.
fn place(call: &Call, argument: usize) -> usize {
    call.args_at.get(argument).copied().unwrap_or_default()
}

/// The one element's value, NaN where there is not exactly one.
fn scalar(rows: &Rows, grid: &Grid) -> Vec<f64> {
    let one = |step: usize| {
        let mut values = rows.iter().map(|row| row.values[step]).filter(|v| is_some(*v));
        values.next().filter(|_| values.next().is_none()).unwrap_or(f64::NAN)
    };
    (0..grid.steps).map(one).collect()
}

/// The conditions of a selector, for `absent`'s labels.
fn matchers(expr: &Expr) -> &[Matcher] {
    match expr {
        Expr::Selector(selector) | Expr::Range(selector, _) => &selector.matchers,
        _ => &[],
    }
}

fn absent(rows: &Rows, matchers: &[Matcher], grid: &Grid) -> Rows {
    let missing = |step: usize| rows.iter().all(|row| !is_some(row.values[step]));
    let values: Vec<f64> = (0..grid.steps).map(|step| if missing(step) { 1.0 } else { none() }).collect();
    let row = Row { labels: relabel::absent_labels(matchers), values };
    if row.has_points() { vec![row] } else { Vec::new() }
}

fn absent_over_time(eval: &Eval<'_>, arg: &Expr, grid: &Grid) -> Result<Value, EvalError> {
    let Some(present) = functions::lookup("present_over_time") else { return missing() };
    let Kind::Range(function) = &present.kind else { return missing() };
    // Not joined: two series that differ only in their names are present all the same.
    let call = Call { function: present, args: vec![arg.clone()], at: 0, args_at: Vec::new() };
    let rows = range(eval, &call, function, grid)?;
    Ok(Value::Rows(absent(&rows, matchers(arg), grid)))
}

/// Of a selector, the times of the samples; of anything else, those of the evaluation.
fn timestamp(eval: &Eval<'_>, arg: &Expr, grid: &Grid) -> Result<Value, EvalError> {
    if let Expr::Selector(selector) = arg {
        let rows = select::instant(eval, eval.series(selector), &selector.shift, grid, Take::Time)?;
        return unnamed(rows).map(Value::Rows);
    }
    map(eval.rows(arg, grid)?, |_, step| grid.at_ms(step) as f64 / 1e3)
}

fn label_join(eval: &Eval<'_>, call: &Call, grid: &Grid) -> Result<Value, EvalError> {
    let texts = call.args.iter().skip(1).map(Eval::text).collect::<Result<Vec<_>, _>>()?;
    let ([dst, separator, sources @ ..], Some(vector)) = (&texts[..], call.args.first()) else { return missing() };
    let odd = |what: &str, name: &str| {
        Err(EvalError::Execution(format!("invalid {what} label name in label_join(): {name}")))
    };
    if let Some(source) = sources.iter().find(|l| !is_label(l)) {
        return odd("source", source);
    }
    if !is_label(dst) {
        return odd("destination", dst);
    }
    relabelled(eval, eval.rows(vector, grid)?, dst, |labels| {
        relabel::label_join(labels, dst, separator, sources).map(Some)
    })
}

fn label_replace(eval: &Eval<'_>, call: &Call, grid: &Grid) -> Result<Value, EvalError> {
    let texts = call.args.iter().skip(1).map(Eval::text).collect::<Result<Vec<_>, _>>()?;
    let ([dst, replacement, source, pattern], Some(vector)) = (&texts[..], call.args.first()) else { return missing() };
    let regex = re2::anchored(pattern)
        .map_err(|_| EvalError::Execution(format!("invalid regular expression in label_replace(): {pattern}")))?;
    if !is_label(dst) {
        return Err(EvalError::Execution(format!("invalid destination label name in label_replace(): {dst}")));
    }
    relabelled(eval, eval.rows(vector, grid)?, dst, |labels| {
        relabel::label_replace(labels, dst, replacement, source, &regex)
    })
}

/// Gives each row the labels that a function makes; `None`: as it was.
fn relabelled(
    eval: &Eval<'_>,
    mut rows: Rows,
    dst: &str,
    make: impl Fn(&Labels) -> Result<Option<Labels>, relabel::TooLong>,
) -> Result<Value, EvalError> {
    for row in &mut rows {
        eval.check()?;
        let too_long = |relabel::TooLong(max)| {
            EvalError::Execution(format!("the value of label {dst:?} would be longer than {max} bytes"))
        };
        if let Some(labels) = make(&row.labels).map_err(too_long)? {
            eval.budget.take(budget::of_labels(&labels))?;
            row.labels = labels;
        }
    }
    joined(rows).map(Value::Rows)
}

/// Prometheus 3 takes any text for a label's name, except the empty one and what is no UTF-8.
fn is_label(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::REPLACEMENT_CHARACTER)
}
