//! The cluster: what tests do to it and what they ask of it.

use std::{
    fs, mem,
    path::PathBuf,
    process::Command,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The labs that no test has now; each is `(LAB, RUN)`. A test that failed gives its lab back too.
static FREE: Mutex<Option<Vec<(String, PathBuf)>>> = Mutex::new(None);
static GIVEN_BACK: Condvar = Condvar::new();

/// `tests/lab/up` made them: the first is LAB with its state in RUN, others have a letter more. LABS says how many.
fn labs() -> Vec<(String, PathBuf)> {
    let first = std::env::var("LAB").unwrap_or_else(|_| "dwlab".into());
    let run = std::env::var("RUN").unwrap_or_else(|_| format!("/tmp/{first}"));
    let count = std::env::var("LABS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let letters = ["", "b", "c", "d"].into_iter().take(count);
    letters.map(|letter| (format!("{first}{letter}"), format!("{run}{letter}").into())).collect()
}

/// A leader that is killed is replaced when its lease has run out (15 s) and somebody has noticed.
const NEW_LEADER_WITHIN: Duration = Duration::from_secs(60);
/// The control-plane hosts.
const MASTERS: usize = 3;

/// The lab, healthy when it is taken and mended when it is dropped.
pub struct Lab {
    name: String,
    run: PathBuf,
    /// Held by who burns the machine.
    _burning: Option<MutexGuard<'static, ()>>,
}

/// API servers without etcd take every processor there is: two labs at once would starve each other's watchdog.
static BURNING: Mutex<()> = Mutex::new(());

impl Lab {
    /// Waits until a lab is free, and healthy.
    pub fn take() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = GIVEN_BACK
            .wait_while(free, |free| free.get_or_insert_with(labs).is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let (name, run) = free.as_mut().and_then(Vec::pop).expect("a free lab");
        drop(free);
        let lab = Self { name, run, _burning: None };
        let there =
            fs::exists(format!("/run/netns/{}-wd", lab.name)).unwrap_or(false) && lab.run.join("names").exists();
        assert!(
            there,
            "the lab {} is not up: run these tests by `tests/run lab [FILTER]`, or as root `tests/lab/build`, \
             `tests/lab/up`, `cargo test --test lab -- --ignored`, `tests/lab/down`",
            lab.name
        );
        lab.act(&["mend"]);
        lab
    }

    /// The same, for an outage in which etcd loses quorum: one at a time.
    pub fn take_to_burn() -> Self {
        let burning = BURNING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lab = Self::take();
        lab._burning = Some(burning);
        lab
    }

    /// `tests/lab/do`.
    pub fn act(&self, what: &[&str]) {
        output(self.script("do").args(what));
    }

    /// The same; what can't be done, since it is done already, is no failure.
    fn try_act(&self, what: &[&str]) {
        drop(self.script("do").args(what).output());
    }

    /// A command on a host of the lab. It becomes that very process: its id is the command's.
    pub fn on(&self, host: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}-{host}", self.name));
        command
    }

    /// A file under the lab's certificates and kubeconfigs.
    pub fn pki(&self, name: &str) -> PathBuf {
        self.run.join("pki").join(name)
    }

    /// kubectl under a kubeconfig, from the watchdog's host.
    pub fn kubectl(&self, kubeconfig: &std::path::Path, arguments: &[&str]) -> String {
        output(self.kubectl_as(kubeconfig).args(arguments))
    }

    /// The same, to be run by who asks. What it remembers of an API is by address, which is the same in all labs.
    pub fn kubectl_as(&self, kubeconfig: &std::path::Path) -> Command {
        let mut command = self.on("wd");
        command.arg(self.bin("kubectl")).arg("--kubeconfig").arg(kubeconfig);
        command.arg("--cache-dir").arg(self.run.join("kubectl"));
        command
    }

    /// The status of an API server's /readyz, asked by nobody in particular; `None`: it does not answer.
    pub fn readyz(&self, instance: &str) -> Option<u16> {
        let url = format!("https://{instance}/readyz");
        let arguments = ["curl", "-sk", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", &url];
        let done = self.on("wd").args(arguments).output().unwrap();
        String::from_utf8_lossy(&done.stdout).trim().parse().ok().filter(|status| *status != 0)
    }

    /// A program of the lab, as `tests/lab/build` made it.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.run.join("bin").join(name)
    }

    /// Makes a control-plane host the one whose scheduler and controller-manager lead.
    pub fn make_leader(&self, n: usize) {
        for (lease, process) in [("kube-scheduler", "scheduler"), ("kube-controller-manager", "kcm")] {
            let deadline = Instant::now() + NEW_LEADER_WITHIN;
            while self.leader(lease) != format!("cp{n}") {
                assert!(Instant::now() < deadline, "cp{n} does not come to lead {lease}");
                for other in (1..=MASTERS).filter(|other| *other != n) {
                    self.try_act(&["kill", &format!("{process}-{other}")]);
                }
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        self.act(&["mend"]);
    }

    /// The number of a control-plane host other than the first whose scheduler and controller-manager don't lead: what
    /// happens to it has no consequences elsewhere. Where both lead, one of them is made to let go.
    pub fn follower(&self) -> usize {
        let deadline = Instant::now() + NEW_LEADER_WITHIN;
        loop {
            let scheduler = self.leader("kube-scheduler");
            let leaders = [self.leader("kube-controller-manager"), scheduler.clone()];
            if let Some(free) = [2, 3].into_iter().find(|n| !leaders.contains(&format!("cp{n}"))) {
                return free;
            }
            assert!(Instant::now() < deadline, "cp2 and cp3 go on leading: {leaders:?}");
            let process = scheduler.replace("cp", "scheduler-");
            self.act(&["kill", &process]);
            while self.leader("kube-scheduler") == scheduler && Instant::now() < deadline {
                std::thread::sleep(Duration::from_secs(1));
            }
            self.act(&["restart", &process]);
        }
    }

    fn leader(&self, lease: &str) -> String {
        let admin = self.pki("admin.kubeconfig");
        let path = "jsonpath={.spec.holderIdentity}";
        let holder = self.kubectl(&admin, &["-n", "kube-system", "get", "lease", lease, "-o", path]);
        holder.split('_').next().unwrap_or_default().to_owned()
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(format!("{}/tests/lab/{name}", env!("CARGO_MANIFEST_DIR")));
        command.env("LAB", &self.name).env("RUN", &self.run);
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let mended = self.script("do").arg("mend").output();
        if !mended.as_ref().is_ok_and(|o| o.status.success()) {
            eprintln!("the lab could not be mended: {mended:?}");
        }
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.get_or_insert_default().push((mem::take(&mut self.name), mem::take(&mut self.run)));
        GIVEN_BACK.notify_one();
    }
}

/// What a command printed; that it failed is a reason to panic.
pub fn output(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command:?}: {}\n{out}{err}", done.status);
    out.into_owned()
}
