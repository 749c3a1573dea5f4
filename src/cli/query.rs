//! `dogwatch query`: PromQL over the history in the file, whether the watchdog runs or not. As a table; over time with a
//! small chart a series; or as the JSON of Prometheus' API.

mod when;

use std::{process::ExitCode, sync::Arc};

use anstyle::AnsiColor;
use anyhow::Context;
use comfy_table::{Table, presets};
use serde_json::json;

use super::{HistoryArgs, Output, output};
use crate::{
    clock::Clock,
    model::{Labels, METRIC_NAME, text},
    promql::{Series, Value},
    query::{Engine, Options, Outcome},
    store::Store,
    telemetry::Metrics,
};

/// Points of a chart where no step is given.
const CHART_POINTS: i64 = 60;
/// Series that a table shows; more would scroll the first ones away.
const SERIES_SHOWN: usize = 200;

/// Examples.
pub(super) const HELP: &str = "\
Examples:
  dogwatch query 'up == 0'                                    what does not answer now
  dogwatch query 'probe_duration_seconds' --start -6h         the last six hours, a line a series
  dogwatch query 'avg_over_time(probe_success[1d])' --end 2026-01-02T03:00:00Z";

/// What is asked.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct QueryArgs {
    #[command(flatten)]
    history: HistoryArgs,
    /// The expression
    #[arg(value_name = "PROMQL")]
    promql: String,
    /// From when on: RFC 3339, Unix seconds, or -1h for an hour ago; makes it a range
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start: Option<String>,
    /// Until when, or at which time; default: now
    #[arg(long, visible_alias = "time", value_name = "TIME", allow_hyphen_values = true)]
    end: Option<String>,
    /// Between two points: 15s, 5m; makes it a range; default: a sixtieth
    #[arg(long, value_name = "DURATION")]
    step: Option<String>,
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// Asks and prints.
pub(super) async fn main(args: QueryArgs) -> anyhow::Result<ExitCode> {
    let limits = output::configuration_or_default(&args.history).await.map_err(anyhow::Error::msg)?;
    let metrics = Arc::new(Metrics::new());
    let (data_dir, store_metrics) = (limits.data_dir, metrics.clone());
    let open = move || Store::read_only(data_dir, store_metrics, Clock::system());
    let store = tokio::task::spawn_blocking(open).await?.context("is this dogwatch's data directory? (--data-dir)")?;
    let engine = Engine::new(store, limits.query, metrics);
    let now = Clock::system().wall().as_millisecond();
    let at = |text: &Option<String>, otherwise: i64| match text {
        Some(text) => when::parse(text, now).map_err(anyhow::Error::msg),
        None => Ok(otherwise),
    };
    let end = at(&args.end, now)?;
    let outcome = match (&args.start, &args.step) {
        (None, None) => engine.instant(&args.promql, end, Options::default()).await,
        _ => {
            let start = at(&args.start, end - 3_600_000)?;
            let step = match &args.step {
                Some(step) => when::duration_ms(step).map_err(anyhow::Error::msg)?,
                None => ((end - start) / CHART_POINTS / 1_000).max(1) * 1_000,
            };
            engine.range(&args.promql, start, end, step, Options::default()).await
        }
    };
    let outcome =
        outcome.map_err(|e| anyhow::anyhow!("{}", e.message.trim_start_matches("invalid parameter \"query\": ")))?;
    for note in outcome.answer.warnings.iter().chain(&outcome.answer.infos) {
        output::note(note);
    }
    match args.output {
        Output::Json => output::say_json(&as_json(&outcome).to_string()),
        Output::Table => output::say_coloured(&as_table(&outcome.answer.value)),
    }
    Ok(ExitCode::SUCCESS)
}

fn as_table(value: &Value) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let rows = match value {
        Value::Scalar(_, number) => return format_value(*number),
        Value::String(_, said) => return text::readable(said).into_owned(),
        Value::Vector(vector) => {
            for (labels, _, number) in vector.iter().take(SERIES_SHOWN) {
                table.add_row([text::readable(&labels.to_string()).into_owned(), format_value(*number)]);
            }
            vector.len()
        }
        Value::Matrix(matrix) => {
            let grid = Grid::of(matrix);
            let bold = output::style(AnsiColor::Cyan);
            table.set_header(["series", "last", "min", "max", &grid.title()]);
            for series in matrix.iter().take(SERIES_SHOWN) {
                let values = || series.points.iter().map(|(_, v)| *v);
                table.add_row([
                    text::readable(&series.labels.to_string()).into_owned(),
                    values().next_back().map(format_value).unwrap_or_default(),
                    format_value(values().fold(f64::NAN, f64::min)),
                    format_value(values().fold(f64::NAN, f64::max)),
                    format!("{bold}{}{bold:#}", grid.line(series)),
                ]);
            }
            matrix.len()
        }
    };
    match rows {
        0 => "nothing found: no series has a sample there (a misspelt label gives nothing too)".into(),
        n if n > SERIES_SHOWN => format!("{table}\n… and {} more series; --output json has all", n - SERIES_SHOWN),
        _ => table.to_string(),
    }
}

/// What the charts of all series share: the same columns of time.
struct Grid {
    from_ms: i64,
    to_ms: i64,
    /// One a point, where there are fewer points than [`CHART_POINTS`].
    columns: i64,
}

impl Grid {
    fn of(matrix: &[Series]) -> Self {
        let times = || matrix.iter().flat_map(|s| s.points.iter().map(|(at, _)| *at));
        let (from_ms, to_ms) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        let steps = matrix.iter().flat_map(|s| s.points.windows(2).map(|w| w[1].0 - w[0].0));
        let columns = steps.min().map_or(1, |step| (to_ms - from_ms) / step.max(1) + 1);
        Self { from_ms, to_ms, columns: columns.clamp(1, CHART_POINTS) }
    }

    fn title(&self) -> String {
        let time = |ms| jiff::Timestamp::from_millisecond(ms).map(|t| t.strftime("%m-%d %H:%M").to_string());
        format!("{} … {}", time(self.from_ms).unwrap_or_default(), time(self.to_ms).unwrap_or_default())
    }

    /// A character for each column: its mean, between the series' least and greatest; a blank where it has nothing.
    fn line(&self, series: &Series) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let mut cells = vec![(0.0, 0u32); usize::try_from(self.columns).unwrap_or(1)];
        for (at, value) in series.points.iter().filter(|(_, v)| v.is_finite()) {
            let share = (at - self.from_ms) * (self.columns - 1) / (self.to_ms - self.from_ms).max(1);
            if let Some(cell) = usize::try_from(share).ok().and_then(|i| cells.get_mut(i)) {
                *cell = (cell.0 + value, cell.1 + 1);
            }
        }
        let means: Vec<Option<f64>> = cells.iter().map(|(sum, n)| (*n > 0).then(|| sum / f64::from(*n))).collect();
        let (low, high) =
            means.iter().flatten().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        let bar = |mean: &Option<f64>| match mean {
            None => ' ',
            // A flat line is drawn in the middle: it says "the same all along", not "low".
            Some(_) if high <= low => BARS[3],
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // From 0 to 7.
            Some(mean) => BARS[((mean - low) / (high - low) * 7.0).round() as usize % 8],
        };
        means.iter().map(bar).collect()
    }
}

/// As Prometheus writes numbers.
fn format_value(value: f64) -> String {
    if value.is_infinite() { if value > 0.0 { "+Inf".into() } else { "-Inf".into() } } else { value.to_string() }
}

/// `data` of Prometheus' API.
fn as_json(outcome: &Outcome) -> serde_json::Value {
    let metric = |labels: &Labels| {
        let mut object = serde_json::Map::new();
        if !labels.name.is_empty() {
            object.insert(METRIC_NAME.into(), json!(&*labels.name));
        }
        object.extend(labels.pairs.iter().map(|(k, v)| (k.to_string(), json!(&**v))));
        object
    };
    let seconds = |ms: i64| ms as f64 / 1e3;
    let point = |at: i64, value: f64| json!([seconds(at), format_value(value)]);
    match &outcome.answer.value {
        Value::Scalar(at, value) => json!({"resultType": "scalar", "result": point(*at, *value)}),
        Value::String(at, text) => json!({"resultType": "string", "result": [seconds(*at), text]}),
        Value::Vector(vector) => {
            let result = vector.iter().map(|(l, at, v)| json!({"metric": metric(l), "value": point(*at, *v)}));
            json!({"resultType": "vector", "result": result.collect::<Vec<_>>()})
        }
        Value::Matrix(matrix) => {
            let points = |s: &Series| s.points.iter().map(|(at, v)| point(*at, *v)).collect::<Vec<_>>();
            let result = matrix.iter().map(|s| json!({"metric": metric(&s.labels), "values": points(s)}));
            json!({"resultType": "matrix", "result": result.collect::<Vec<_>>()})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trimmed(text: &str) -> String {
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    fn series(name: &str, values: &[(i64, f64)]) -> Series {
        Series { labels: Labels::new(name, [("a", "b")]), points: values.to_vec() }
    }

    #[test]
    fn a_range_is_a_line_a_series() {
        let rising: Vec<(i64, f64)> = (0..=60).map(|i| (1_700_000_000_000 + i * 60_000, i as f64 / 4.0)).collect();
        let flat: Vec<(i64, f64)> = rising[30..].iter().map(|(at, _)| (*at, 2.0)).collect();
        let text = as_table(&Value::Matrix(vec![series("rising", &rising), series("flat", &flat)]));
        let plain = anstream::adapter::strip_str(&text).to_string();
        insta::assert_snapshot!(trimmed(&plain), @r#"
    series         last  min  max  11-14 22:13 … 11-14 23:13
    rising{a="b"}  15    0    15   ▁▁▁▁▂▂▂▂▂▂▂▂▂▃▃▃▃▃▃▃▃▄▄▄▄▄▄▄▄▄▅▅▅▅▅▅▅▅▆▆▆▆▆▆▆▆▆▇▇▇▇▇▇▇▇█████
    flat{a="b"}    2     2    2                                 ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄
    "#);
    }

    #[test]
    fn values_are_as_prometheus_writes_them() {
        let vector = Value::Vector(vec![
            (Labels::new("up", [("a", "b")]), 0, f64::INFINITY),
            (Labels::new("", [("c", "d")]), 0, 0.5),
        ]);
        insta::assert_snapshot!(trimmed(&as_table(&vector)), @r#"
    up{a="b"}  +Inf
    {c="d"}    0.5
    "#);
        assert_eq!(as_table(&Value::Scalar(0, f64::NAN)), "NaN");
        assert!(as_table(&Value::Vector(Vec::new())).starts_with("nothing found"));
    }
}
