//! A report as one HTML file. What it says is escaped by the template.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context, value::Serde};

use super::{
    Report,
    tables::{Table, tables},
    words::{span, title},
};
use crate::{model::text, words};

/// Returns the report as a whole HTML document: as a page of dogwatch's own below `root`, or with a style of its own, so that the
/// file needs nothing else.
///
/// # Errors
/// When the template does not fit, which is a mistake in it.
pub fn html(report: &Report, root: Option<&str>) -> Result<String, minijinja::Error> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    words::install(&mut env, report.voice.language);
    env.add_template("report", include_str!("report.html.j2"))?;
    let mut all: Vec<Table> = tables(report);
    for cell in all.iter_mut().flat_map(|t| &mut t.rows).flatten() {
        *cell = text::readable(cell).into_owned();
    }
    env.get_template("report")?.render(context! {
        root,
        title => title(report, str::to_owned),
        span => span(report, str::to_owned),
        tables => Value::from(Serde(all)),
    })
}
