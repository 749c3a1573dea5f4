//! Messages in templates of pages, mails and reports: `{{ t("footer", incident=id, message=n) }}`.

use fluent_bundle::{FluentArgs, FluentValue};
use minijinja::{AutoEscape, Environment, HtmlEscape, State, Value, value::Kwargs};

use super::Language;

/// Gives templates `t`, which says a message, and `language`, the code for `<html lang>`. Where a template escapes, what is
/// put into a message is escaped too, and markup among it stays.
pub fn install(env: &mut Environment<'_>, language: Language) {
    env.add_global("language", language.code());
    env.add_function("t", move |state: &State<'_, '_>, id: &str, vars: Kwargs| -> Result<Value, minijinja::Error> {
        let escapes = matches!(state.auto_escape(), AutoEscape::Html);
        let names: Vec<&str> = vars.args().collect();
        let mut args = FluentArgs::with_capacity(names.len());
        for name in names {
            args.set(name.to_owned(), var(&vars.get::<Value>(name)?, escapes));
        }
        let said = language.format(id, &args);
        Ok(if escapes { Value::from_safe_string(said) } else { said.into() })
    });
}

fn var(value: &Value, escapes: bool) -> FluentValue<'static> {
    if let (true, Ok(n)) = (value.is_number(), u64::try_from(value.clone())) {
        return n.into();
    }
    let text = if escapes && !value.is_safe() { HtmlEscape(&value.to_string()).to_string() } else { value.to_string() };
    text.into()
}
