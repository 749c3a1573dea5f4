//! Binary operators: numbers, filters, vector matching, sets.

use std::collections::HashMap;

use super::{
    EvalError, budget,
    eval::Eval,
    expr::{Binary, Card, Fill, Matching, Op},
    grid::{Grid, Row, Rows, Value, is_some, joined, none},
    labels,
};
use crate::model::Labels;

/// Evaluates an operation on a grid.
pub fn eval(eval: &Eval<'_>, binary: &Binary, grid: &Grid) -> Result<Value, EvalError> {
    let (lhs, rhs) = (eval.eval(&binary.lhs, grid)?, eval.eval(&binary.rhs, grid)?);
    match (lhs, rhs) {
        (Value::Scalar(_), Value::Scalar(_)) if binary.op.trims() => {
            let message = format!("operator {:?} not allowed for Scalar operations", binary.op.text());
            Err(EvalError::Execution(message))
        }
        (Value::Scalar(mut lhs), Value::Scalar(rhs)) => {
            lhs.iter_mut().zip(rhs).for_each(|(l, r)| *l = numbers(binary.op, *l, r));
            Ok(Value::Scalar(lhs))
        }
        (Value::Rows(rows), Value::Scalar(scalar)) => with_scalar(eval, binary, rows, &scalar, false),
        (Value::Scalar(scalar), Value::Rows(rows)) => with_scalar(eval, binary, rows, &scalar, true),
        (Value::Rows(lhs), Value::Rows(rhs)) => {
            let rows = if binary.op.is_set() {
                sets(binary, lhs, rhs, grid)?
            } else {
                eval.release_rows(&lhs);
                eval.release_rows(&rhs);
                let rows = vectors(eval, binary, lhs, rhs, grid)?;
                eval.hold(rows.iter().map(|row| row.values.len()).sum())?;
                rows
            };
            Ok(Value::Rows(rows))
        }
        _ => Err(EvalError::Execution("a binary operation on strings".into())),
    }
}

/// Two numbers; comparisons give 1 and 0.
fn numbers(op: Op, l: f64, r: f64) -> f64 {
    match op {
        Op::Add => l + r,
        Op::Sub => l - r,
        Op::Mul => l * r,
        Op::Div => l / r,
        Op::Mod => l % r,
        Op::Pow => l.powf(r),
        Op::Atan2 => l.atan2(r),
        comparison => f64::from(u8::from(compares(comparison, l, r))),
    }
}

#[allow(clippy::float_cmp)] // `==` of PromQL is that of floating point numbers.
fn compares(op: Op, l: f64, r: f64) -> bool {
    match op {
        Op::Eq => l == r,
        Op::Ne => l != r,
        Op::Gt => l > r,
        Op::Lt => l < r,
        Op::Ge => l >= r,
        Op::Le => l <= r,
        _ => false,
    }
}

/// The result at one step: `kept` is what a filter lets through.
fn element(binary: &Binary, l: f64, r: f64, kept: f64) -> f64 {
    if binary.op.is_comparison() && !binary.return_bool {
        return if compares(binary.op, l, r) { kept } else { none() };
    }
    numbers(binary.op, l, r)
}

/// Arithmetic and `bool` make another metric: its name goes.
fn drops_name(binary: &Binary) -> bool {
    !binary.op.is_comparison() || binary.return_bool
}

/// Numbers are no native histograms, whose buckets could be trimmed: they are left out, and Prometheus says so.
fn untrimmed(eval: &Eval<'_>, binary: &Binary) {
    let op = binary.op.text();
    let words = "incompatible sample types encountered for binary operator";
    eval.note(|n| n.info(binary.at, format!("{words} {op:?}: float {op} float")));
}

fn with_scalar(
    eval: &Eval<'_>,
    binary: &Binary,
    mut rows: Rows,
    scalar: &[f64],
    scalar_is_left: bool,
) -> Result<Value, EvalError> {
    if binary.op.trims() {
        if rows.iter().any(Row::has_points) {
            untrimmed(eval, binary);
        }
        return Ok(Value::Rows(Rows::new()));
    }
    for row in &mut rows {
        for (value, scalar) in row.values.iter_mut().zip(scalar).filter(|(v, _)| is_some(**v)) {
            let (l, r) = if scalar_is_left { (*scalar, *value) } else { (*value, *scalar) };
            *value = element(binary, l, r, *value);
        }
        if drops_name(binary) {
            row.labels = labels::unnamed(&row.labels);
        }
    }
    rows.retain(Row::has_points);
    joined(rows).map(Value::Rows)
}

/// The labels by which two sides find each other.
fn signature(labels: &Labels, matching: &Matching) -> Labels {
    if matching.on {
        labels::only(labels, &matching.labels)
    } else {
        labels::unnamed(&labels::without(labels, &matching.labels))
    }
}

/// Rows of both sides by their signature, in the order of their first appearance.
struct Groups {
    places: HashMap<Labels, usize>,
    groups: Vec<(Labels, Vec<usize>, Vec<usize>)>,
}

impl Groups {
    fn new(matching: &Matching, lhs: &Rows, rhs: &Rows) -> Self {
        let mut all = Self { places: HashMap::with_capacity(lhs.len()), groups: Vec::new() };
        for (i, row) in lhs.iter().enumerate() {
            let place = all.place(signature(&row.labels, matching));
            all.groups[place].1.push(i);
        }
        for (i, row) in rhs.iter().enumerate() {
            let place = all.place(signature(&row.labels, matching));
            all.groups[place].2.push(i);
        }
        all
    }

    fn place(&mut self, signature: Labels) -> usize {
        *self.places.entry(signature).or_insert_with_key(|signature| {
            self.groups.push((signature.clone(), Vec::new(), Vec::new()));
            self.groups.len() - 1
        })
    }
}

/// Whether a side has any point, at each step: with nothing on a side, Prometheus does not look for conflicts.
fn any(rows: &Rows, grid: &Grid) -> Vec<bool> {
    let mut any = vec![false; grid.steps];
    rows.iter().for_each(|row| any.iter_mut().zip(&row.values).for_each(|(any, v)| *any |= is_some(*v)));
    any
}

fn vectors(eval: &Eval<'_>, binary: &Binary, lhs: Rows, rhs: Rows, grid: &Grid) -> Result<Rows, EvalError> {
    let swapped = binary.matching.card == Card::OneToMany;
    // From here on the right side is the one side.
    let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
    let fill = if swapped { binary.matching.fill.swapped() } else { binary.matching.fill };
    let fills = fill != Fill::default();
    let meets = |(a, b): (bool, bool)| (a && b) || (fills && (a || b));
    let both: Vec<bool> = any(&many, grid).into_iter().zip(any(&one, grid)).map(meets).collect();
    if !both.contains(&true) {
        return Ok(Rows::new());
    }
    let mut out = Rows::new();
    for (signature, left, right) in Groups::new(&binary.matching, &many, &one).groups {
        unique(&signature, &one, &right, &both, swapped)?;
        let filled = |value: Option<f64>, rows: &Rows, of: &[usize]| {
            value.map(|value| filling(eval, &signature, value, rows, of, grid)).transpose()
        };
        let (for_many, for_one) = (filled(fill.left, &many, &left)?, filled(fill.right, &one, &right)?);
        let left: Vec<&Row> = left.iter().map(|i| &many[*i]).collect();
        let right: Vec<&Row> = right.iter().map(|i| &one[*i]).collect();
        let mut group = Group::new(eval, binary, grid, left.len(), swapped);
        for many in &left {
            right.iter().copied().chain(&for_one).try_for_each(|one| group.pair(many, one, &mut out))?;
        }
        if let Some(many) = &for_many {
            right.iter().try_for_each(|one| group.pair(many, one, &mut out))?;
        }
    }
    if binary.op.trims() && !out.is_empty() {
        untrimmed(eval, binary);
        out.clear();
    }
    joined(out)
}

/// The row that stands for a side of a group where none of its own has a point.
fn filling(
    eval: &Eval<'_>,
    signature: &Labels,
    value: f64,
    rows: &Rows,
    of: &[usize],
    grid: &Grid,
) -> Result<Row, EvalError> {
    eval.budget.take(budget::of_row(signature, grid.steps))?;
    let there = |step: usize| of.iter().any(|i| is_some(rows[*i].values[step]));
    let values = (0..grid.steps).map(|step| if there(step) { none() } else { value }).collect();
    Ok(Row { labels: signature.clone(), values })
}

/// On the one side, a group has one point a step.
fn unique(signature: &Labels, one: &Rows, right: &[usize], both: &[bool], swapped: bool) -> Result<(), EvalError> {
    if right.len() < 2 {
        return Ok(());
    }
    // Which row has the point of a step.
    let mut owners: Vec<Option<usize>> = vec![None; both.len()];
    for i in right {
        let a = &one[*i];
        let mut met: Option<usize> = None;
        for (step, owner) in owners.iter_mut().enumerate().filter(|(step, _)| both[*step] && is_some(a.values[*step])) {
            let _ = step;
            match owner {
                Some(owner) => met = Some(met.map_or(*owner, |met| met.min(*owner))),
                None => *owner = Some(*i),
            }
        }
        if let Some(met) = met {
            let side = if swapped { "left" } else { "right" };
            let mut both = [braced(&a.labels), braced(&one[met].labels)];
            both.sort();
            return Err(EvalError::Execution(format!(
                "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}];many-to-many matching not allowed: matching labels must be unique on one side",
                braced(signature),
                both.join(", ")
            )));
        }
    }
    Ok(())
}

/// Returns labels as Prometheus' errors write them, the name among them.
pub fn braced(of: &Labels) -> String {
    let pairs: Vec<String> = labels::all(of).map(|(label, value)| format!("{label}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

struct Group<'a> {
    eval: &'a Eval<'a>,
    binary: &'a Binary,
    steps: usize,
    /// More than one row of the many side may meet the same one.
    check: bool,
    swapped: bool,
    /// One to one: at each step, whether a row of the many side has matched already.
    matched: Vec<bool>,
    /// Where many may match: at which steps there is a row of these labels.
    made: HashMap<Labels, Vec<bool>>,
}

impl<'a> Group<'a> {
    fn new(eval: &'a Eval<'a>, binary: &'a Binary, grid: &Grid, many: usize, swapped: bool) -> Self {
        let one_to_one = binary.matching.card == Card::OneToOne;
        let matched = vec![false; if one_to_one { grid.steps } else { 0 }];
        Self { eval, binary, steps: grid.steps, check: many > 1, swapped, matched, made: HashMap::new() }
    }

    fn pair(&mut self, many: &Row, one: &Row, out: &mut Rows) -> Result<(), EvalError> {
        self.eval.check()?;
        let one_to_one = self.binary.matching.card == Card::OneToOne;
        let bytes = budget::of_row(&many.labels, self.steps) + budget::of_labels(&one.labels);
        self.eval.budget.take(bytes)?;
        let row = self.row(many, one);
        let mut taken = None;
        if self.check && !one_to_one {
            if !self.made.contains_key(&row.labels) {
                self.eval.budget.take(budget::of_labels(&row.labels) + self.steps)?;
            }
            taken = Some(self.made.entry(row.labels.clone()).or_insert_with(|| vec![false; self.steps]));
        }
        // What a filter leaves out has matched all the same.
        let meets = |step: usize| is_some(many.values[step]) && is_some(one.values[step]);
        for step in (0..self.steps).filter(|step| self.check && meets(*step)) {
            if one_to_one && std::mem::replace(&mut self.matched[step], true) {
                return Err(EvalError::Execution(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                        .into(),
                ));
            }
            if taken.as_mut().is_some_and(|taken| std::mem::replace(&mut taken[step], true)) {
                return Err(EvalError::Execution(
                    "multiple matches for labels: grouping labels must ensure unique matches".into(),
                ));
            }
        }
        if row.has_points() {
            out.push(row);
        } else {
            self.eval.budget.give(bytes);
        }
        Ok(())
    }

    fn row(&self, many: &Row, one: &Row) -> Row {
        let pair = |(m, o): (&f64, &f64)| {
            if !is_some(*m) || !is_some(*o) {
                return none();
            }
            let (l, r) = if self.swapped { (*o, *m) } else { (*m, *o) };
            // A filter keeps the left side's value.
            element(self.binary, l, r, l)
        };
        Row {
            labels: self.labels(&many.labels, &one.labels),
            values: many.values.iter().zip(&one.values).map(pair).collect(),
        }
    }

    fn labels(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = &self.binary.matching;
        let mut result = if drops_name(self.binary) { labels::unnamed(many) } else { many.clone() };
        if matching.card == Card::OneToOne {
            result = match matching.on {
                true => labels::only(&result, &matching.labels),
                false => labels::without(&result, &matching.labels),
            };
        }
        for label in &matching.include {
            result = labels::with(&result, label, one.value(label));
        }
        // `group_left(__name__)` brings a name; `bool` takes any.
        if self.binary.return_bool { labels::unnamed(&result) } else { result }
    }
}

/// `and`, `or`, `unless`: whole elements, by what is there at each step.
fn sets(binary: &Binary, mut lhs: Rows, mut rhs: Rows, grid: &Grid) -> Result<Rows, EvalError> {
    for (_, left, right) in Groups::new(&binary.matching, &lhs, &rhs).groups {
        let there = |rows: &Rows, of: &[usize]| {
            let mut there = vec![false; grid.steps];
            of.iter().for_each(|i| there.iter_mut().zip(&rows[*i].values).for_each(|(t, v)| *t |= is_some(*v)));
            there
        };
        let clear = |rows: &mut Rows, of: &[usize], steps: &[bool], when: bool| {
            for i in of {
                rows[*i].values.iter_mut().zip(steps).filter(|(_, s)| **s == when).for_each(|(v, _)| *v = none());
            }
        };
        match binary.op {
            Op::And => {
                let there = there(&rhs, &right);
                clear(&mut lhs, &left, &there, false);
            }
            Op::Unless => {
                let there = there(&rhs, &right);
                clear(&mut lhs, &left, &there, true);
            }
            _ => {
                let there = there(&lhs, &left);
                clear(&mut rhs, &right, &there, true);
            }
        }
    }
    if binary.op == Op::Or {
        lhs.append(&mut rhs);
    }
    lhs.retain(Row::has_points);
    joined(lhs)
}
