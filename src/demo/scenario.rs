//! The narrator: runs the outage and says what happens while it happens.
//!
//! It looks at the watchdog as everybody does: at the live picture, the SMTP sink and the webhook. It writes words with
//! ANSI styles to whatever it is given; the command line strips them where nobody wants colours.

mod printer;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use self::printer::Printer;
use super::{FakeCluster, Hook, Mail, fake_cluster};
use crate::model::{Job, Live, State, TargetKey};

/// How often the live picture is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Everything has to be found and up within this.
const FOUND_WITHIN: Duration = Duration::from_secs(30);

/// The outage begins this long after the start, so that the calm can be seen too.
const CALM: Duration = Duration::from_secs(6);

/// Both messages about the outage have to come within this.
const TOLD_WITHIN: Duration = Duration::from_secs(45);

/// Then it lasts this much longer: time to open the page, and for the leaders to give up.
const LINGER: Duration = Duration::from_secs(10);

/// Both messages about its end have to come within this.
const RESOLVED_WITHIN: Duration = Duration::from_secs(60);

/// What the run needs.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The watchdog's picture.
    pub live: Live,
    /// What it watches, under [`fake_cluster::NAME`].
    pub cluster: &'a FakeCluster,
    /// From the [`super::SmtpSink`].
    pub mails: mpsc::Receiver<Mail>,
    /// From the [`super::HookSink`].
    pub hooks: mpsc::Receiver<Hook>,
    /// Where the watchdog's page is, e.g. `http://127.0.0.1:9559`.
    pub page: String,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The outage and its end were told, by mail and by webhook.
    Told,
    /// Something did not happen in time: what.
    Late(String),
}

/// Runs the whole scenario, about a minute, and ends with the messages that say it is over.
///
/// # Errors
/// When `out` can't be written, or the fake cluster can't be restarted.
pub async fn narrate(stage: Stage<'_>, out: &mut impl Write) -> anyhow::Result<Ending> {
    let mut run = Run::new(stage, out);
    match run.phases().await {
        Ok(()) => Ok(Ending::Told),
        Err(Interrupted::Late(what)) => {
            run.printer.bad(&what)?;
            Ok(Ending::Late(what))
        }
        Err(Interrupted::Failed(e)) => Err(e),
    }
}

/// Why the run could not go on.
enum Interrupted {
    Late(String),
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Interrupted {
    fn from(e: E) -> Self {
        Interrupted::Failed(e.into())
    }
}

/// What has been seen so far.
#[derive(Debug, Default)]
struct Seen {
    states: BTreeMap<TargetKey, State>,
    incidents: BTreeMap<i64, bool>,
    /// Messages that came in the present phase.
    mail: Option<Instant>,
    hook: Option<Instant>,
    /// In all.
    mails: usize,
    hooks: usize,
}

struct Run<'a, W> {
    stage: Stage<'a>,
    printer: Printer<'a, W>,
    seen: Seen,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Finding,
    Outage,
    Recovery,
}

impl<'a, W: Write> Run<'a, W> {
    fn new(stage: Stage<'a>, out: &'a mut W) -> Self {
        Self { stage, printer: Printer::new(out), seen: Seen::default(), phase: Phase::Finding }
    }

    async fn phases(&mut self) -> Result<(), Interrupted> {
        let began = Instant::now();
        self.find(began).await?;
        self.until(began + CALM, |_| false).await?;
        let broken = self.outage().await?;
        let told = self.seen.mail.min(self.seen.hook).unwrap_or_else(Instant::now);
        self.until(Instant::now() + LINGER, |_| false).await?;
        let restarted = Instant::now();
        self.recovery().await?;
        let over = self.seen.mail.min(self.seen.hook).unwrap_or(restarted);
        let several = |n: usize, one: &str, many: &str| match n {
            1 => format!("one {one}"),
            n => format!("{n} {many}"),
        };
        self.printer.good(&format!(
            "That was dogwatch: the outage was told after {} s, its end {} s after the repair; {}, {} and {}.",
            told.duration_since(broken).as_secs(),
            over.duration_since(restarted).as_secs(),
            several(self.seen.incidents.len(), "incident", "incidents"),
            several(self.seen.mails, "mail", "mails"),
            several(self.seen.hooks, "webhook call", "webhook calls"),
        ))?;
        self.printer
            .plain("To watch a real cluster: dogwatch run, with your kubeconfig in ~/.kube/config or $KUBECONFIG.")?;
        Ok(())
    }

    async fn find(&mut self, began: Instant) -> Result<(), Interrupted> {
        let n = fake_cluster::SIZE;
        self.printer.plain(&format!(
            "A fake cluster runs in this process: {n} API servers, {n} etcd members, {n} schedulers, {n} \
             controller managers, {n} kubelets. The watchdog over it is the real one."
        ))?;
        if !self.stage.page.is_empty() {
            let page = self.stage.page.clone();
            self.printer.plain(&format!("Its page: {page}   (Ctrl-C ends the demo)"))?;
        }
        let wanted = self.stage.cluster.targets();
        let all_up = |seen: &Seen| seen.states.values().filter(|s| **s == State::Up).count() >= wanted;
        if !self.until(began + FOUND_WITHIN, all_up).await? {
            let up = self.seen.states.values().filter(|s| **s == State::Up).count();
            let within = FOUND_WITHIN.as_secs();
            return Err(Interrupted::Late(format!("After {within} s only {up} of {wanted} targets are found and up.")));
        }
        let mut by_job: BTreeMap<Job, usize> = BTreeMap::new();
        for key in self.seen.states.keys() {
            *by_job.entry(key.job).or_default() += 1;
        }
        let found: Vec<String> = by_job.into_iter().map(|(job, n)| format!("{n} {}", plural(job))).collect();
        self.printer.good(&format!("found and up: {}", found.join(", ")))?;
        Ok(())
    }

    /// Breaks etcd and waits until both receivers know.
    async fn outage(&mut self) -> Result<Instant, Interrupted> {
        self.begin(Phase::Outage);
        self.printer
            .heading("Two of three etcd members are killed now. Quorum is lost: nothing can be read or written.")?;
        let broken = Instant::now();
        for i in 1..fake_cluster::SIZE {
            self.stage.cluster.kill_etcd(i).await;
        }
        self.both(TOLD_WITHIN, "the outage").await?;
        Ok(broken)
    }

    /// Mends it and waits until both receivers know.
    async fn recovery(&mut self) -> Result<(), Interrupted> {
        self.begin(Phase::Recovery);
        self.printer.heading("The etcd members are started again.")?;
        self.stage.cluster.restart_etcd().await?;
        self.both(RESOLVED_WITHIN, "the end of the outage").await
    }

    fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        (self.seen.mail, self.seen.hook) = (None, None);
    }

    async fn both(&mut self, within: Duration, about: &str) -> Result<(), Interrupted> {
        if self.until(Instant::now() + within, |seen| seen.mail.is_some() && seen.hook.is_some()).await? {
            return Ok(());
        }
        let missing = match (self.seen.mail, self.seen.hook) {
            (None, None) => "Neither a mail nor a webhook call",
            (None, Some(_)) => "No mail",
            _ => "No webhook call",
        };
        Err(Interrupted::Late(format!("{missing} about {about} came within {} s.", within.as_secs())))
    }

    /// Tells what happens until `done` says so; false where `deadline` was first.
    async fn until(&mut self, deadline: Instant, done: impl Fn(&Seen) -> bool) -> io::Result<bool> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // In the order in which things come about: a verdict, then the messages about it.
            tokio::select! {
                biased;
                _ = looks.tick() => self.look()?,
                Some(mail) = self.stage.mails.recv() => self.mail(&mail)?,
                Some(hook) = self.stage.hooks.recv() => self.hook(&hook)?,
            }
            if done(&self.seen) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    /// Tells what has changed in the live picture.
    fn look(&mut self) -> io::Result<()> {
        let (changes, incidents) = {
            let state = self.stage.live.read();
            let targets = state.clusters.get(fake_cluster::NAME).into_iter().flat_map(|c| c.targets.values());
            let changes: Vec<_> = targets
                .filter(|t| self.seen.states.get(&t.target.key) != Some(&t.verdict.state))
                .map(|t| (t.target.key.clone(), t.verdict.state, t.verdict.message.clone()))
                .collect();
            let incidents: Vec<_> = state
                .incidents
                .iter()
                // What restarted itself before anybody was told is not told.
                .filter(|i| i.first_told_at.is_some())
                .filter(|i| self.seen.incidents.get(&i.id) != Some(&i.resolved_at.is_some()))
                .map(|i| (i.id, i.resolved_at.is_some(), i.headline.clone()))
                .collect();
            (changes, incidents)
        };
        for (key, state, message) in changes {
            let before = self.seen.states.insert(key.clone(), state);
            // The first sight of every target is told in one line.
            if before.is_some() && self.phase != Phase::Finding {
                self.printer.change(&format!("{} {}", key.job, key.instance), state, &message)?;
            }
        }
        for (id, resolved, headline) in incidents {
            self.seen.incidents.insert(id, resolved);
            if resolved {
                self.printer.good(&format!("incident {id} is resolved: {headline}"))?;
            } else {
                self.printer.bad(&format!("incident {id} is opened: {headline}"))?;
            }
        }
        Ok(())
    }

    fn mail(&mut self, mail: &Mail) -> io::Result<()> {
        self.seen.mails += 1;
        let over = mail.subject().to_lowercase().contains("resolved");
        if self.counts(over) {
            self.seen.mail.get_or_insert_with(Instant::now);
        }
        self.look()?;
        self.printer.mail(mail)
    }

    fn hook(&mut self, hook: &Hook) -> io::Result<()> {
        self.seen.hooks += 1;
        let over = hook.json["status"] == "resolved";
        if self.counts(over) {
            self.seen.hook.get_or_insert_with(Instant::now);
        }
        self.look()?;
        self.printer.hook(hook)
    }

    /// Whether a message is one that the present phase waits for.
    fn counts(&self, over: bool) -> bool {
        match self.phase {
            Phase::Finding => false,
            Phase::Outage => !over,
            Phase::Recovery => over,
        }
    }
}

/// Several of a job, as people say.
fn plural(job: Job) -> &'static str {
    match job {
        Job::KubeApiserver => "API servers",
        Job::Etcd => "etcd members",
        Job::KubeScheduler => "schedulers",
        Job::KubeControllerManager => "controller managers",
        Job::Kubelet => "kubelets",
        Job::KubeProxy => "kube-proxies",
        Job::Check(_) => "checks",
    }
}
