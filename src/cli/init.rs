//! `dogwatch init`: looks at clusters, says what can be seen of them from here, and writes the configuration, the rights that it
//! needs and, with `--apply`, the watchdog's own kubeconfig. Run again, it shows what would be different.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anstyle::AnsiColor;
use clap::Args;
use jiff::Timestamp;
use url::Url;

use super::{
    ProbeArgs, output,
    probe::{Look, look},
};
use crate::{
    config::{self, Config},
    dial::{self, DialConfig, Dialer},
    discover::config::ClusterConfig,
    init::{Draft, Guarded, Mail, Report, apply, manifest},
    login,
    model::{Secret, duration, text},
};

pub(super) const HELP: &str = "\
It looks, and writes two files; nothing in a cluster changes without --apply. Files that are there already and differ are
left alone, and the difference is shown; --force writes them.

Examples:
  dogwatch init                                              the current context of your kubeconfig
  dogwatch init --kubeconfig a.yml --kubeconfig b.yml        two clusters
  dogwatch init --mail oncall@example.org --smarthost smtp.example.org:587
  dogwatch init --external-url https://watch.example.org --reports reports
                                                             and what makes backups and the Prometheus inside report
  dogwatch init --webhook https://chat.example.org/hooks/1 --apply
                                                             and make the service account, its rights and its kubeconfig
  dogwatch init --apply --token-lifetime 30d                 the same with a token that ends, and is renewed";

/// A life that is another by more than this share was not only measured by another clock.
const LIFETIME_APART: u32 = 20;

#[derive(Args, Clone, Debug)]
pub(super) struct InitArgs {
    /// A kubeconfig; may be given again; default: $KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Vec<PathBuf>,
    /// A context of the one kubeconfig; may be given again; default: its current-context
    #[arg(long, value_name = "NAME")]
    context: Vec<String>,
    /// The configuration to write
    #[arg(long, value_name = "FILE", default_value = "dogwatch.yml")]
    to: PathBuf,
    /// The manifest of rights to write
    #[arg(long, value_name = "FILE", default_value = "dogwatch-rbac.yaml")]
    rbac: PathBuf,
    /// Tell this address
    #[arg(long, value_name = "ADDRESS", requires = "smarthost")]
    mail: Option<String>,
    /// The mail server
    #[arg(long, value_name = "HOST:PORT", requires = "mail")]
    smarthost: Option<String>,
    /// The sender; default: dogwatch@ the domain of --mail
    #[arg(long, value_name = "ADDRESS", requires = "mail")]
    from: Option<String>,
    /// Log in to the mail server by this name, with the password in the file smtp-password
    #[arg(long, value_name = "NAME", requires = "mail")]
    smtp_user: Option<String>,
    /// Tell this webhook
    #[arg(long, value_name = "URL")]
    webhook: Option<Url>,
    /// Scrape the components' own metrics too, and ask for the rights
    #[arg(long)]
    scrape: bool,
    /// Write a Lease and read it back, in a namespace of its own, and ask for the rights
    #[arg(long)]
    canary: bool,
    /// Where people and jobs reach this watchdog, as https://watch.example.org
    #[arg(long, value_name = "URL")]
    external_url: Option<Url>,
    /// Write what makes clusters report to it into this folder: their Prometheus' alerts and a scrape job, CronJobs of
    /// snapshots of etcd and of Velero; with tokens, which --to expects
    #[arg(long, value_name = "DIR", requires = "external_url")]
    reports: Option<PathBuf>,
    /// Make the service account and its rights in each cluster, and a kubeconfig of them
    #[arg(long)]
    apply: bool,
    /// Of a token that ends after so long, as 30d, and that the watchdog renews when half of that is over; default: of one
    /// that does not end
    #[arg(long, value_name = "TIME", requires = "apply", value_parser = duration::prometheus)]
    token_lifetime: Option<Duration>,
    /// Ask nothing
    #[arg(long)]
    non_interactive: bool,
    /// Write files that are there already
    #[arg(long)]
    force: bool,
}

/// Looks, writes, and says what to do next.
pub(super) async fn main(args: InitArgs) -> anyhow::Result<ExitCode> {
    if args.kubeconfig.len() > 1 && !args.context.is_empty() {
        return Ok(output::fail("--context is for one kubeconfig: with several, each gives its current-context"));
    }
    let mut draft = Draft {
        mail: mail(&args),
        webhook: args.webhook.clone(),
        scrape: args.scrape,
        canary: args.canary,
        external_url: args.external_url.clone(),
        reports: args.reports.is_some(),
        ..Draft::default()
    };
    let renew_token = args.token_lifetime.is_some();
    let rights = manifest::text(manifest::Rights { scrape: args.scrape, canary: args.canary, renew_token });
    let mut found = Vec::new();
    for (file, context) in asked(&args) {
        match examine(file, context, &found).await {
            Ok(one) => found.push(one),
            Err(why) => return Ok(output::fail(&why)),
        }
    }
    if !args.non_interactive && draft.mail.is_none() && draft.webhook.is_none() && io::stdin().is_terminal() {
        let answer = question("Which webhook is told of outages (Slack, Mattermost, your own; empty: nobody yet)?")?;
        draft.webhook = Url::parse(&answer).ok().filter(|url| url.scheme().starts_with("http"));
        if draft.webhook.is_none() && !answer.is_empty() {
            output::note("this is no http:// or https:// URL: receivers are left to you");
        }
    }
    let dir = args.to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut ok = write(&args.rbac, &rights, args.force, 0o644)?;
    if args.apply {
        for one in &mut found {
            if let Err(why) = put_in(one, &rights, dir, &args).await {
                return Ok(output::fail(&format!("cluster {}: {why}", one.guarded.name)));
            }
        }
    }
    if let (Some(reports), Some(url)) = (&args.reports, &args.external_url) {
        for one in &found {
            ok &= write_reports(&one.guarded, url, dir, reports, args.force)?;
        }
    }
    draft.clusters = found.iter().map(|one| one.guarded.clone()).collect();
    let written = draft.text();
    // What we write can be read, or it is our mistake.
    config::understand(&args.to, &written).map_err(|errors| anyhow::anyhow!(output::lines(&errors)))?;
    ok &= write(&args.to, &written, args.force, 0o600)?;
    next_steps(&args);
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Files and contexts that are looked at.
fn asked(args: &InitArgs) -> Vec<(Option<PathBuf>, Option<String>)> {
    let files: Vec<Option<PathBuf>> = match args.kubeconfig.as_slice() {
        [] => vec![None],
        files => files.iter().cloned().map(Some).collect(),
    };
    match args.context.as_slice() {
        [] => files.into_iter().map(|file| (file, None)).collect(),
        contexts => contexts.iter().map(|context| (files[0].clone(), Some(context.clone()))).collect(),
    }
}

fn mail(args: &InitArgs) -> Option<Mail> {
    let to = args.mail.clone()?;
    let domain = to.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    Some(Mail {
        from: args.from.clone().unwrap_or_else(|| format!("dogwatch@{domain}")),
        smarthost: args.smarthost.clone().unwrap_or_default(),
        user: args.smtp_user.clone(),
        to,
    })
}

/// A cluster as it was seen, and the way to it.
struct Found {
    guarded: Guarded,
    dialer: Dialer,
}

async fn examine(file: Option<PathBuf>, context: Option<String>, before: &[Found]) -> Result<Found, String> {
    let file = file.map(|file| fs::canonicalize(&file).map_err(|e| format!("{}: {e}", file.display()))).transpose()?;
    let dial = DialConfig { kubeconfig: file.clone(), context: context.clone(), ..DialConfig::default() };
    let chosen = dial::context(&dial).map_err(|e| format!("{e}\ngive --kubeconfig FILE, or set $KUBECONFIG"))?;
    let plain = output::cluster_name(&chosen);
    let mut name = plain.clone();
    let twice = |name: &str| before.iter().any(|one| one.guarded.name == name);
    let mut number = 1;
    while twice(&name) {
        number += 1;
        name = format!("{plain}-{number}");
    }
    let cluster = ClusterConfig { kubeconfig: file.clone(), context: context.clone(), ..ClusterConfig::named(&name) };
    let config = Config { clusters: vec![cluster.clone()], ..Config::default() };
    output::say(&format!("looking at {name} …"));
    let Look { dialer, seen, unseen, lacks_etcd, error } = look(&cluster, &config, &ProbeArgs::all()).await?;
    if let Some(error) = error {
        return Err(format!("cluster {name}: {error}"));
    }
    let apply::Facts { version, nodes, velero } = apply::facts(&dialer).await?;
    let platform = crate::init::platform::recognise(dialer.server().host_str().unwrap_or_default(), &version, &nodes);
    let (green, yellow) = (output::style(AnsiColor::Green), output::style(AnsiColor::Yellow));
    output::say(&format!("  {}{}, {version}", platform.name, if platform.managed { ", managed" } else { "" }));
    seen.iter().for_each(|line| output::say_coloured(&format!("  {green}seen{green:#}      {}", text::readable(line))));
    unseen
        .iter()
        .for_each(|line| output::say_coloured(&format!("  {yellow}not seen{yellow:#}  {}", text::readable(line))));
    let kubeconfig = match file {
        Some(file) => file.display().to_string(),
        None => default_kubeconfig(),
    };
    let renew_token = false;
    let guarded =
        Guarded { name, kubeconfig, context, renew_token, platform, version, seen, unseen, lacks_etcd, velero };
    Ok(Found { guarded, dialer })
}

/// Where the kubeconfig is that counts without one: of a list in $KUBECONFIG the first, which the user may have to change.
fn default_kubeconfig() -> String {
    let listed =
        std::env::var("KUBECONFIG").ok().and_then(|list| list.split(':').find(|f| !f.is_empty()).map(str::to_owned));
    listed.unwrap_or_else(|| format!("{}/.kube/config", std::env::var("HOME").unwrap_or_default()))
}

/// Makes the objects in one cluster, after they were shown, and writes the kubeconfig of them.
async fn put_in(one: &mut Found, rights: &str, dir: &Path, args: &InitArgs) -> Result<(), String> {
    let objects = manifest::objects(rights)?;
    let name = one.guarded.name.clone();
    output::say(&format!("{} objects of {} go into {name}", objects.len(), args.rbac.display()));
    let asks = !args.non_interactive && io::stdin().is_terminal();
    if asks && !matches!(question("Apply them? [y/N]").map_err(|e| e.to_string())?.as_str(), "y" | "Y" | "yes") {
        return Err("nothing was applied".into());
    }
    for object in &objects {
        let became = apply::object(&one.dialer, object).await?;
        let word = match became {
            apply::Became::Made => "made",
            apply::Became::Changed => "changed",
            apply::Became::Same => "is there",
        };
        let at = object["metadata"]["namespace"].as_str().map_or_else(String::new, |ns| format!(" in {ns}"));
        let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
        output::say(&format!("  {word:<9} {} {}{at}", kind.as_str().unwrap_or(""), name.as_str().unwrap_or("")));
    }
    let kubeconfig = match args.token_lifetime {
        None => apply::kubeconfig(&one.dialer, &name).await?,
        Some(lifetime) => ending(&one.dialer, &name, lifetime).await?,
    };
    one.guarded.renew_token = args.token_lifetime.is_some();
    let file = format!("{name}.kubeconfig");
    // Its token is as it is: whatever was in the file before is worth nothing.
    write(&dir.join(&file), &kubeconfig, true, 0o600).map_err(|e| e.to_string())?;
    (one.guarded.kubeconfig, one.guarded.context) = (file, None);
    Ok(())
}

/// A kubeconfig with a token that ends, and word of when.
async fn ending(dialer: &Dialer, cluster: &str, lifetime: Duration) -> Result<String, String> {
    let (kubeconfig, ends) = apply::ending(dialer, cluster, lifetime).await?;
    let left = Duration::try_from(ends.duration_since(Timestamp::now())).unwrap_or_default();
    let other = match left.abs_diff(lifetime) > lifetime / LIFETIME_APART {
        true => ": not the life that was asked for, but what its API server gives",
        false => "",
    };
    output::say(&format!("  its token ends on {}, and is renewed by the watchdog{other}", text::moment(ends)));
    if apply::has_endless(dialer).await? {
        output::note(
            "the Secret dogwatch of an earlier run still holds a token that does not end; when the watchdog runs by the \
             new one: kubectl -n dogwatch delete secret dogwatch",
        );
    }
    Ok(kubeconfig)
}

/// Writes what makes one cluster report, and the tokens where there are none yet; false: something there differs.
fn write_reports(one: &Guarded, url: &Url, config: &Path, to: &Path, force: bool) -> anyhow::Result<bool> {
    let to = to.join(&one.name);
    let private = |dir: &Path| fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    private(&to)?;
    let mut ok = true;
    for report in Report::of(&one.platform, one.velero) {
        let file = config.join(report.token_file(&one.name));
        if let Some(dir) = file.parent() {
            private(dir)?;
        }
        let token = match fs::read_to_string(&file) {
            Ok(there) => Secret::new(there.trim()),
            Err(_) => {
                let (token, _) = login::create_token().map_err(anyhow::Error::msg)?;
                ok &= write(&file, token.reveal(), force, 0o600)?;
                token
            }
        };
        // It becomes part of an address and of YAML.
        if !token.reveal().chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            anyhow::bail!("{}: a token has letters and digits alone", file.display());
        }
        for (name, text) in report.files(&one.platform, url, token.reveal()) {
            ok &= write(&to.join(name), &text, force, 0o600)?;
        }
    }
    Ok(ok)
}

/// Writes a file, or shows what would be different in one that is there; false: it was left as it is, and differs.
fn write(path: &Path, text: &str, force: bool, mode: u32) -> anyhow::Result<bool> {
    match fs::read_to_string(path) {
        Ok(there) if there == text => {
            output::say(&format!("{} is as it should be", path.display()));
            return Ok(true);
        }
        Ok(there) if !force => {
            output::note(&format!("{} is there and was left alone; --force would change it so:", path.display()));
            output::say(&difference(&there, text));
            return Ok(false);
        }
        _ => {}
    }
    let fresh = path.with_extension("new");
    // One that is left of another run may be open to others.
    let _ = fs::remove_file(&fresh);
    let mut file = fs::File::options().write(true).create_new(true).mode(mode).open(&fresh)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
    fs::rename(&fresh, path)?;
    output::say(&format!("{} was written", path.display()));
    Ok(true)
}

/// Lines that go and lines that come, as `diff -u` shows them.
fn difference(before: &str, after: &str) -> String {
    similar::TextDiff::from_lines(before, after).unified_diff().context_radius(1).to_string().trim_end().to_owned()
}

fn question(text: &str) -> io::Result<String> {
    output::ask(text)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

fn next_steps(args: &InitArgs) {
    let config = args.to.display();
    let rights = match args.apply {
        true => String::new(),
        false => format!(
            "  kubectl apply -f {}    # the watchdog's own account and rights; or `init --apply`\n",
            args.rbac.display()
        ),
    };
    let reports = args.reports.as_ref().map_or_else(String::new, |dir| {
        let dir = dir.display();
        format!(
            "  kubectl apply -f {dir}/CLUSTER/etcd-snapshot.yaml    # and velero.yaml; prometheus.yml is for the Prometheus inside\n  \
             less {dir}/CLUSTER/dogwatch-snapshot.service         # k3s and k0s: what to do on one server\n"
        )
    });
    output::say(&format!(
        "\nnext:\n{rights}  dogwatch doctor -c {config} --without-service\n  dogwatch drill -c {config} --dry-run\n  dogwatch run -c {config}\n{reports}"
    ));
}
