//! The pages: views made of the live picture, rendered by templates that are part of the program.
//!
//! A view is plain text and numbers, bounded by the named limits below; everything that a cluster said is escaped by
//! the templates. No fonts, no request to anywhere else; what people press are plain forms (`forms`). One small script
//! keeps a page fresh in place; without it a browser loads the page anew.

mod alerts;
mod audit;
mod canary;
mod heartbeats;
mod home;
mod incident;
mod incidents;
mod own;
mod past;
mod recorded;
mod restore;
mod silence;
mod silences;
mod target;

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use jiff::Timestamp;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;
use url::Url;

pub use alerts::AlertsPage;
pub use audit::AuditPage;
pub use heartbeats::HeartbeatsPage;
pub use home::Home;
pub use incident::{AcknowledgeForm, CARD_LINES_MAX, IncidentPage, NoteForm};
pub use incidents::IncidentsPage;
pub use recorded::{AskedRecord, RecordedPage};
pub use silence::{SilenceForm, Wrong};
pub use silences::SilencesPage;
pub use target::TargetPage;

use crate::{
    login::{Caller, Need, Proof, csrf},
    model::{Job, TargetKey, text},
    runbook::Runbook,
    words::{self, Language, Var, Voice},
};

/// Pages are made fresh this often: about the interval of the probes.
const REFRESH: Duration = Duration::from_secs(10);

/// Of one job, the most targets listed that are not up, folded or not: a phone still loads the page when a whole site is
/// dark.
pub const ROWS_MAX: usize = 200;

/// A job with more targets than this has those that are up folded away, and of those that are not all but so many.
pub const FOLD_ABOVE: usize = 12;

/// The most targets listed in a fold.
pub const FOLDED_MAX: usize = 100;

/// The most open incidents shown in full.
pub const INCIDENTS_MAX: usize = 20;

/// The most resolved incidents listed.
pub const RESOLVED_MAX: usize = 5;

/// The stylesheet.
pub const STYLE: &str = include_str!("templates/style.css");

/// What keeps a page fresh.
pub const SCRIPT: &str = include_str!("templates/refresh.js");

/// The icon.
pub const ICON: &str = include_str!("templates/favicon.svg");

/// The templates, once for each language.
static TEMPLATES: LazyLock<BTreeMap<Language, Environment<'static>>> =
    LazyLock::new(|| Language::all().map(|language| (language, templates(language))).collect());

fn templates(language: Language) -> Environment<'static> {
    let mut env = Environment::new();
    words::install(&mut env, language);
    // Only white space: without it the pages look the same and their source has gaps.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        env.set_syntax(syntax);
    }
    env.add_filter("code", |text: &str| Value::from_safe_string(text::html_with_code(text)));
    // A misspelt name fails the tests; where it slipped through them, a page with a gap is better than none.
    if cfg!(debug_assertions) {
        env.set_undefined_behavior(UndefinedBehavior::Strict);
    }
    env.set_loader(|name| {
        Ok(match name {
            "layout.html" => Some(include_str!("templates/layout.html").to_owned()),
            "home.html" => Some(include_str!("templates/home.html").to_owned()),
            "target.html" => Some(include_str!("templates/target.html").to_owned()),
            "incident.html" => Some(include_str!("templates/incident.html").to_owned()),
            "incidents.html" => Some(include_str!("templates/incidents.html").to_owned()),
            "alerts.html" => Some(include_str!("templates/alerts.html").to_owned()),
            "silences.html" => Some(include_str!("templates/silences.html").to_owned()),
            "heartbeats.html" => Some(include_str!("templates/heartbeats.html").to_owned()),
            "silence.html" => Some(include_str!("templates/silence.html").to_owned()),
            "runbook.html" => Some(include_str!("templates/runbook.html").to_owned()),
            "acknowledge.html" => Some(include_str!("templates/acknowledge.html").to_owned()),
            "note.html" => Some(include_str!("templates/note.html").to_owned()),
            "login.html" => Some(include_str!("templates/login.html").to_owned()),
            "audit.html" => Some(include_str!("templates/audit.html").to_owned()),
            "recorded.html" => Some(include_str!("templates/recorded.html").to_owned()),
            "lost.html" => Some(include_str!("templates/lost.html").to_owned()),
            _ => None,
        })
    });
    env
}

/// What every page carries.
#[derive(Clone, Debug, Serialize)]
pub struct Frame {
    /// Put before every path: the path of `external_url`, without a slash at the end.
    pub root: String,
    /// When the page was made.
    pub now: Moment,
    /// In whose words.
    #[serde(skip)]
    pub voice: Voice,
    /// The program's version.
    pub version: &'static str,
    /// Seconds after which the page is made fresh; 0: never.
    pub refresh: u64,
    /// What is handed in now is in memory alone.
    pub unsaved: bool,
    /// Who looks at it; empty: nobody was asked.
    pub user: String,
    /// What its forms carry (`login::csrf`).
    pub csrf: String,
    /// They may acknowledge and silence: without that there are no buttons.
    pub may_operate: bool,
    /// They may see who did what.
    pub may_audit: bool,
    /// They logged in by a page, and can log out.
    pub may_log_out: bool,
}

impl Frame {
    /// For a page made at `now`, reached through `external_url`.
    pub fn new(external_url: &str, now: &Now) -> Self {
        let (root, version) = (root(external_url), env!("CARGO_PKG_VERSION"));
        Self {
            root,
            now: Moment::new(now.at, now),
            voice: now.voice.clone(),
            version,
            refresh: REFRESH.as_secs(),
            unsaved: false,
            user: String::new(),
            csrf: String::new(),
            may_operate: true,
            may_audit: false,
            may_log_out: false,
        }
    }

    /// The same for somebody.
    pub fn of(self, caller: &Caller) -> Self {
        Self {
            user: caller.name.clone(),
            csrf: csrf::token(caller),
            may_operate: caller.may(Need::Operate),
            may_audit: caller.may(Need::Admin),
            may_log_out: caller.proof == Proof::Oidc,
            ..self
        }
    }

    /// The same for a page that does not change any more.
    pub fn still(self) -> Self {
        Self { refresh: 0, ..self }
    }
}

/// What every path begins with: the path of `external_url`, without a slash at the end.
pub fn root(external_url: &str) -> String {
    Url::parse(external_url).map(|u| u.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}

/// A time: for machines, for people, and how long ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// RFC 3339.
    pub iso: String,
    /// In words.
    pub text: String,
    /// How long before the page's time.
    pub ago: String,
}

impl Moment {
    fn new(at: Timestamp, now: &Now) -> Self {
        let Now { at: page, voice } = now;
        Self { iso: at.to_string(), text: voice.moment_today(at, *page), ago: voice.between(at, *page) }
    }
}

/// When a page is made, and for whom.
#[derive(Clone, Debug)]
pub struct Now {
    /// When.
    pub at: Timestamp,
    /// In which language and time zone.
    pub voice: Voice,
}

impl Now {
    /// Says a message with its variables.
    fn say(&self, id: &str, vars: &[(&'static str, Var<'_>)]) -> String {
        self.voice.say(id, vars)
    }

    /// Says a message without variables.
    fn word(&self, id: &str) -> String {
        self.voice.word(id)
    }
}

/// In English and UTC.
impl From<Timestamp> for Now {
    fn from(at: Timestamp) -> Self {
        Self { at, voice: Voice::default() }
    }
}

/// Lines, cut at a limit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Lines {
    /// The first ones.
    pub shown: Vec<String>,
    /// How many are left out.
    pub more: usize,
}

impl Lines {
    fn cut<S: Into<String>>(lines: impl IntoIterator<Item = S>, limit: usize) -> Self {
        let mut lines: Vec<String> = lines.into_iter().map(Into::into).collect();
        let more = lines.len().saturating_sub(limit);
        lines.truncate(limit);
        Self { shown: lines, more }
    }
}

/// Renders a page; what is unwelcome in a text for people never gets into one.
///
/// # Errors
/// When a template is wrong, which the tests rule out.
fn render(template: &str, frame: &Frame, view: &impl Serialize) -> Result<String, minijinja::Error> {
    let env = TEMPLATES.get(&frame.voice.language).or_else(|| TEMPLATES.get(&Language::ENGLISH));
    let env = env.ok_or_else(|| minijinja::Error::new(ErrorKind::TemplateNotFound, "no language has any"))?;
    let page = env.get_template(template)?.render(Serde(Context { frame, page: view }))?;
    Ok(text::readable(&page).into_owned())
}

#[derive(Serialize)]
struct Context<'a, V> {
    frame: &'a Frame,
    page: &'a V,
}

/// A page for an address where nothing is.
///
/// # Errors
/// When a template is wrong, which the tests rule out.
pub fn lost(frame: &Frame, what: &str) -> Result<String, minijinja::Error> {
    #[derive(Serialize)]
    struct Lost<'a> {
        what: &'a str,
    }
    render("lost.html", frame, &Lost { what })
}

/// The page to log in: at which issuer, by which path, whether by a password too, and why the last time came to nothing.
///
/// # Errors
/// When a template is wrong, which the tests rule out.
pub fn login(
    frame: &Frame,
    issuer: &str,
    start: &str,
    by_password: bool,
    trouble: &str,
) -> Result<String, minijinja::Error> {
    #[derive(Serialize)]
    struct View<'a> {
        issuer: &'a str,
        start: &'a str,
        by_password: bool,
        trouble: &'a str,
    }
    render("login.html", frame, &View { issuer, start, by_password, trouble })
}

/// A runbook's page.
///
/// # Errors
/// When a template is wrong, which the tests rule out.
pub fn runbook(frame: Frame, book: Runbook) -> Result<String, minijinja::Error> {
    #[derive(Serialize)]
    struct View {
        title: String,
        html: String,
    }
    let Runbook { title, html } = book;
    render("runbook.html", &frame.still(), &View { title, html })
}

/// The path of a target's page, each part encoded.
pub fn target_path(key: &TargetKey) -> String {
    path(&["targets", &key.cluster, key.job.as_str(), &key.instance])
}

fn path(segments: &[&str]) -> String {
    let mut url = Url::parse("http://host/").ok();
    // `path_segments_mut` encodes; it refuses only URLs that have no path at all.
    if let Some(Ok(mut to)) = url.as_mut().map(Url::path_segments_mut) {
        to.clear().extend(segments);
    }
    url.map(|u| u.path().to_owned()).unwrap_or_default()
}

/// A job's name as a heading.
fn job_title(job: Job, now: &Now) -> String {
    now.say("job-title", &[("kind", job.kind().into())])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn paths_are_encoded_part_by_part() {
        let check = |cluster: &str, instance: &str, expected: &str| {
            let key = TargetKey { cluster: cluster.into(), job: Job::Etcd, instance: Arc::from(instance) };
            assert_eq!(target_path(&key), expected);
        };
        check("prod", "10.0.0.1:2379", "/targets/prod/etcd/10.0.0.1:2379");
        check("a/b ?#", "[fd00::1]:2379", "/targets/a%2Fb%20%3F%23/etcd/[fd00::1]:2379");
    }

    #[test]
    fn links_begin_with_the_path_of_the_external_url() {
        let check =
            |url: &str, expected: &str| assert_eq!(Frame::new(url, &Timestamp::UNIX_EPOCH.into()).root, expected);
        check("https://watch.example.org", "");
        check("https://example.org/watch/", "/watch");
        check("", "");
        check("nonsense", "");
    }
}
