//! The text of a first dogwatch.yml: what was found, what is asked for, and as comments what could be added. Pure.

use url::Url;

use super::{platform::Platform, reports::Report};

/// What is written of.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// What is watched.
    pub clusters: Vec<Guarded>,
    /// Who is told by mail.
    pub mail: Option<Mail>,
    /// Who is told by a webhook.
    pub webhook: Option<Url>,
    /// The components' own metrics are scraped.
    pub scrape: bool,
    /// The light canary is on.
    pub canary: bool,
    /// Where people and jobs reach this watchdog.
    pub external_url: Option<Url>,
    /// What is in the clusters reports to it, by tokens in files beside the configuration.
    pub reports: bool,
}

/// A cluster that was looked at.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// Its name.
    pub name: String,
    /// The kubeconfig, as the file names it.
    pub kubeconfig: String,
    /// Its context; `None`: the kubeconfig's own.
    pub context: Option<String>,
    /// Its kubeconfig has a token that ends, which the watchdog renews.
    pub renew_token: bool,
    /// What made it.
    pub platform: Platform,
    /// Its version, as it says it.
    pub version: String,
    /// What answers, a line each: `3 API servers`.
    pub seen: Vec<String>,
    /// What is not seen, why and how to change that, a line each.
    pub unseen: Vec<String>,
    /// etcd is not among what answers.
    pub lacks_etcd: bool,
    /// Velero is installed there.
    pub velero: bool,
}

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct Mail {
    /// To whom.
    pub to: String,
    /// From whom.
    pub from: String,
    /// `host:port`.
    pub smarthost: String,
    /// The user; its password is in `smtp-password`.
    pub user: Option<String>,
}

/// A text as YAML has it, in quotes where it needs them; one line, whatever it is.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@".contains(c);
    let is_word =
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '.') && text.chars().all(plain);
    let reserved = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    match is_word && !reserved.contains(&text.to_ascii_lowercase().as_str()) && text != "." {
        true => text.to_owned(),
        false => {
            let escaped = text.chars().map(|c| match c {
                ' '..='~' if !"\"\\".contains(c) => c.to_string(),
                c if c.is_alphanumeric() => c.to_string(),
                c => format!("\\U{:08X}", u32::from(c)),
            });
            format!("\"{}\"", escaped.collect::<String>())
        }
    }
}

impl Draft {
    /// Writes it.
    pub fn text(&self) -> String {
        let mut out = String::from(
            "# dogwatch's configuration, begun by `dogwatch init`. Paths are relative to this file; `dogwatch check` looks at it,\n\
             # `dogwatch doctor` at all that it needs. deploy/dogwatch.example.yml has every key.\n\n",
        );
        match &self.external_url {
            Some(url) => out.push_str(&format!(
                "external_url: {}   # where people and jobs reach this watchdog: a proxy with TLS, or docs/login.md\n\nclusters:\n",
                quoted(url.as_str())
            )),
            None => out.push_str(
                "# external_url: https://watch.example.org   # where people reach this watchdog: the links in messages\n\nclusters:\n",
            ),
        }
        self.clusters.iter().for_each(|cluster| self.cluster(cluster, &mut out));
        self.receivers(&mut out);
        self.heartbeats(&mut out);
        out.push_str(
            "\n# What the clusters serve and what their rebuild needs: docs/checks.md.\n\
             # checks:\n#   - {name: registry, http: {url: \"https://registry.example.org/v2/\", status: [200, 401]}}\n\n\
             # Somebody outside who raises the alarm when dogwatch itself is silent.\n\
             # dead_mans_switch:\n#   - {url_file: healthchecks-url, every: 1m}\n",
        );
        out
    }

    fn cluster(&self, c: &Guarded, out: &mut String) {
        let comment =
            |out: &mut String, line: &str| out.push_str(&format!("    # {}\n", line.replace(['\n', '\r'], " ")));
        out.push_str(&format!("  - name: {}\n", quoted(&c.name)));
        let by = if c.platform.managed { ", managed" } else { "" };
        comment(out, &format!("{}{by}, {}; seen from here: {}", c.platform.name, c.version, c.seen.join(", ")));
        if !c.platform.note.is_empty() {
            comment(out, c.platform.note);
        }
        c.unseen.iter().for_each(|line| comment(out, &format!("not seen: {line}")));
        out.push_str(&format!("    kubeconfig: {}\n", quoted(&c.kubeconfig)));
        if let Some(context) = &c.context {
            out.push_str(&format!("    context: {}\n", quoted(context)));
        }
        if c.renew_token {
            out.push_str("    renew_token: true   # when half of its life is over; the new one is kept in data_dir\n");
        }
        if let Some(etcd) = c.platform.etcd.filter(|_| c.lacks_etcd && !c.platform.managed) {
            comment(out, "etcd wants a client certificate. On a host of the control plane, for this watchdog alone:");
            etcd.commands().iter().for_each(|command| comment(out, &format!("  {command}")));
            comment(
                out,
                "(etcd knows no rights unless its authentication is on: who has the key may read and write all of it)",
            );
            comment(out, "etcd: {ca_file: etcd-ca.crt, cert_file: dogwatch-etcd.crt, key_file: dogwatch-etcd.key}");
        }
        if self.scrape {
            out.push_str("    scrape: {}\n");
        }
        if self.canary {
            out.push_str("    canary: {lease: {}}\n");
        }
        comment(out, "The Prometheus inside posts its alerts here, so that its silence is noticed (docs/alerting.md):");
        let monitoring = format!("monitoring: {{token_file: {}}}", quoted(&Report::Monitoring.token_file(&c.name)));
        match self.reports {
            true => out.push_str(&format!("    {monitoring}\n")),
            false => comment(out, &monitoring),
        }
    }

    fn heartbeats(&self, out: &mut String) {
        out.push_str("\n# Jobs that report in, and are missed where they are late: docs/heartbeats.md.\n");
        let mut lines = Vec::new();
        for (cluster, report) in
            self.clusters.iter().flat_map(|c| Report::of(&c.platform, c.velero).into_iter().map(move |r| (c, r)))
        {
            if let Some((every, grace)) = report.rhythm().filter(|_| self.reports) {
                let file = report.token_file(&cluster.name);
                let (name, file) = (quoted(file.trim_start_matches("tokens/")), quoted(&file));
                lines.push(format!(
                    "  - {{name: {name}, every: {every}, grace: {grace}, token_file: {file}, cluster: {}}}\n",
                    quoted(&cluster.name)
                ));
            }
        }
        match lines.is_empty() {
            true => out.push_str(
                "# heartbeats:\n#   - {name: etcd-snapshot, every: 6h, grace: 30m, token_file: tokens/etcd-snapshot}\n",
            ),
            false => out.push_str(&format!("heartbeats:\n{}", lines.concat())),
        }
    }

    fn receivers(&self, out: &mut String) {
        if self.mail.is_none() && self.webhook.is_none() {
            out.push_str(
                "\n# Nobody is told yet. Alertmanager's own schema:\n# receivers:\n#   - name: oncall\n#     email_configs:\n\
                 #       - {to: oncall@example.org, from: dogwatch@example.org, smarthost: \"smtp.example.org:587\"}\n\
                 #     webhook_configs:\n#       - {url: \"https://chat.example.org/hooks/alerts\"}\n",
            );
            return;
        }
        out.push_str("\nreceivers:\n  - name: oncall\n");
        if let Some(mail) = &self.mail {
            out.push_str(&format!(
                "    email_configs:\n      - to: {}\n        from: {}\n        smarthost: {}\n",
                quoted(&mail.to),
                quoted(&mail.from),
                quoted(&mail.smarthost)
            ));
            if let Some(user) = &mail.user {
                out.push_str(&format!(
                    "        auth_username: {}\n        auth_password_file: smtp-password\n",
                    quoted(user)
                ));
            }
        }
        if let Some(webhook) = &self.webhook {
            out.push_str(&format!("    webhook_configs:\n      - url: {}\n", quoted(webhook.as_str())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, init::platform};

    fn guarded(name: &str) -> Guarded {
        Guarded {
            name: name.into(),
            kubeconfig: "prod.kubeconfig".into(),
            context: None,
            renew_token: false,
            platform: platform::UNKNOWN,
            version: "v1.37.2".into(),
            seen: vec!["3 API servers".into(), "5 kubelets".into()],
            unseen: vec!["etcd: none answers; give a certificate".into()],
            lacks_etcd: true,
            velero: true,
        }
    }

    fn read(draft: &Draft) -> Config {
        let text = draft.text();
        serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    #[test]
    fn a_first_configuration_is_read_and_says_what_was_seen() {
        let mail = Mail {
            to: "oncall@example.org".into(),
            from: "dogwatch@example.org".into(),
            smarthost: "smtp.example.org:587".into(),
            user: Some("dogwatch".into()),
        };
        let draft = Draft {
            clusters: vec![
                guarded("prod"),
                Guarded { context: Some("a: b".into()), renew_token: true, ..guarded("7: \"odd\"\n") },
            ],
            mail: Some(mail),
            webhook: Some("https://chat.example.org/hooks/1?a=b".parse().unwrap()),
            scrape: true,
            canary: true,
            ..Draft::default()
        };
        let config = read(&draft);
        assert_eq!(config.clusters[1].name, "7: \"odd\"\n");
        assert_eq!(config.clusters[1].context.as_deref(), Some("a: b"));
        assert_eq!([&config.clusters[0], &config.clusters[1]].map(|c| c.renew_token), [false, true]);
        assert!(config.clusters[0].scrape.is_some() && config.clusters[0].canary.is_some());
        assert_eq!(config.receivers[0].webhook_configs.len() + config.receivers[0].email_configs.len(), 2);
        insta::assert_snapshot!(Draft { clusters: vec![guarded("prod")], ..draft }.text());
    }

    #[test]
    fn what_reports_has_its_token_and_its_rhythm() {
        let url = "https://watch.test/dog".parse().ok();
        let draft = Draft {
            clusters: vec![guarded("prod"), guarded("test")],
            external_url: url,
            reports: true,
            ..Draft::default()
        };
        let config = read(&draft);
        assert_eq!(config.external_url.as_ref().map(|url| url.as_str()), Some("https://watch.test/dog"));
        assert!(config.clusters.iter().all(|c| c.monitoring.is_some()));
        let names: Vec<&str> = config.heartbeats.iter().map(|h| h.name.as_str()).collect();
        assert_eq!(names, ["prod-etcd-snapshot", "prod-velero", "test-etcd-snapshot", "test-velero"]);
    }

    #[test]
    fn whatever_it_is_called_it_is_one_text() {
        proptest::proptest!(|(name in "\\PC{1,20}", file in ".{1,20}")| {
            let draft = Draft { clusters: vec![Guarded { kubeconfig: file.clone(), ..guarded(&name) }], ..Draft::default() };
            let config = read(&draft);
            proptest::prop_assert_eq!(&config.clusters[0].name, &name);
            proptest::prop_assert_eq!(config.clusters[0].kubeconfig.as_ref().and_then(|k| k.to_str()), Some(file.as_str()));
            proptest::prop_assert!(config.receivers.is_empty());
        });
    }
}
