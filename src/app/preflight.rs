//! What a configuration refers to, tried before it counts: files with secrets, kubeconfigs, the address to listen on. A
//! reload is refused for what `dogwatch check` calls an error; a start, where all of it may still come, goes on with a
//! word in the log.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use futures_util::future::join_all;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    config::{self, Config},
    heartbeat::tokens,
    login::{Auth, Door},
    model::secret::unreadable,
    notify::{Integration, receiver_of},
};

/// Connections that wait to be accepted, as std has it.
const BACKLOG: u32 = 128;

/// Who holds a port is asked for so long …
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// … and so many bytes tell who it is.
const ANSWER_MAX: u64 = 4_096;

/// Something that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The entry of the configuration: `receivers[0].email_configs[1]`; empty where it is of none.
    pub at: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// Something that is wrong at an entry.
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.at, self.message) }
    }
}

/// What stands before every answer, and whether that is enough for where it listens.
///
/// # Errors
/// All that is wrong with `web_config`, `auth` or `cors`; that others could ask without a login.
pub fn door(config: &Config) -> Result<Door, Vec<Problem>> {
    let mut problems = Vec::new();
    let door = config::door(config)
        .map_err(|errors| problems.extend(errors.iter().map(|e| Problem::new("web_config", e.to_string()))));
    let auth = Auth::new(&config.auth)
        .map_err(|wrong| problems.extend(wrong.into_iter().map(|(at, why)| Problem::new(format!("auth.{at}"), why))));
    let origins =
        config.cors.read().map_err(|wrong| problems.extend(wrong.into_iter().map(|(at, why)| Problem::new(at, why))));
    let (Ok(door), Ok(auth), Ok(origins)) = (door, auth, origins) else { return Err(problems) };
    let door = Door { auth: auth.into(), origins: origins.into(), ..door };
    let at = config.listen;
    if at.ip().to_canonical().is_loopback() || door.is_guarded() || config.allow_unauthenticated {
        return Ok(door);
    }
    let why = format!(
        "{at} can be reached from other machines, and nobody would have to log in: set web_config to a file with \
         basic_auth_users, or auth to tokens, a proxy's header or an issuer (oidc), or listen on 127.0.0.1:{} behind a proxy that asks for a login; where whoever reaches it may read \
         and silence everything, write allow_unauthenticated: true",
        at.port()
    );
    Err(vec![Problem::new("listen", why)])
}

/// Reads every file that deliveries, pings and remote_write need.
pub async fn files(config: &Config, integrations: &[Integration]) -> Vec<Problem> {
    let mut problems = token_files(config).filter_map(unfit).collect::<Vec<_>>();
    if let Err((at, why)) = config.auth.check_files().await {
        problems.push(Problem::new(format!("auth.{at}"), why));
    }
    let receivers = join_all(integrations.iter().map(async |integration| {
        let why = integration.check_files().await.err()?;
        Some(Problem::new(place(config, &integration.name), format!("receiver {}: {why}", integration.name)))
    }));
    problems.extend(receivers.await.into_iter().flatten());
    for (i, remote) in config.remote_write.iter().enumerate() {
        let why = remote.check_files().await.err();
        problems.extend(why.map(|why| Problem::new(format!("remote_write[{i}]"), why)));
    }
    for (i, peer) in config.peers.iter().enumerate() {
        let why = peer.check_files().await.err();
        problems.extend(why.map(|why| Problem::new(format!("peers[{i}]"), why)));
    }
    for (i, check) in config.checks.iter().enumerate() {
        problems.extend(check.files().iter().filter_map(|file| {
            let error = std::fs::File::open(file).err()?;
            Some(Problem::new(format!("checks[{i}]"), unreadable(file, &error)))
        }));
    }
    for (i, switch) in config.dead_mans_switch.iter().enumerate() {
        let why = switch.check_files().await.err();
        problems.extend(why.map(|why| Problem::new(format!("dead_mans_switch[{i}]"), why)));
    }
    problems
}

/// The files with the tokens of those that report in, each with its entry.
pub fn token_files(config: &Config) -> impl Iterator<Item = (String, &PathBuf)> {
    let jobs = config.heartbeats.iter().enumerate();
    let jobs = jobs.map(|(i, job)| (format!("heartbeats[{i}].token_file"), &job.token_file));
    let drills = config.restore_drills.iter().enumerate();
    let jobs = jobs.chain(drills.map(|(i, drill)| (format!("restore_drills[{i}].token_file"), &drill.token_file)));
    let clusters = config.clusters.iter().enumerate();
    let clusters = clusters.filter_map(|(i, c)| Some((i, c.monitoring.as_ref()?)));
    jobs.chain(clusters.map(|(i, m)| (format!("clusters[{i}].monitoring.token_file"), &m.token_file)))
}

fn unfit((at, file): (String, &PathBuf)) -> Option<Problem> {
    Some(Problem::new(at, tokens::check(file).err()?))
}

/// The entry of an integration: `ops/email[0]` is `receivers[1].email_configs[0]`.
fn place(config: &Config, integration: &str) -> String {
    let receiver = receiver_of(integration);
    let index = config.receivers.iter().position(|r| r.name == receiver);
    let kind = integration.strip_prefix(receiver).unwrap_or_default().trim_start_matches('/');
    index.map_or_else(String::new, |i| format!("receivers[{i}].{}", kind.replacen('[', "_configs[", 1)))
}

/// Takes an address.
///
/// # Errors
/// Why it can't be had, with what to do.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, (ErrorKind, String)> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => "another program has this port: is another dogwatch running? (--listen)",
            ErrorKind::AddrNotAvailable => "no interface of this machine has this address",
            ErrorKind::PermissionDenied => "this user may not take this port; those from 1024 on are free to all",
            _ => "choose another address (--listen)",
        };
        (error.kind(), format!("can't listen on {address}: {error}: {hint}"))
    })
}

/// Takes an address while another is held that may overlap it: all addresses of a port, and one of them.
///
/// # Errors
/// As [`listen`].
pub async fn listen_beside(
    address: SocketAddr,
    held: Option<&TcpListener>,
) -> Result<TcpListener, (ErrorKind, String)> {
    let overlaps = |held: &&TcpListener| {
        held.local_addr().is_ok_and(|held| {
            held.port() == address.port() && (held.ip().is_unspecified() || address.ip().is_unspecified())
        })
    };
    match (listen(address).await, held.filter(overlaps)) {
        (Err((ErrorKind::AddrInUse, why)), Some(held)) => share(address, held).map_err(|_| (ErrorKind::AddrInUse, why)),
        (taken, _) => taken,
    }
}

/// Sockets share a port where both say that they may; afterwards neither does, so that no third one can.
fn share(address: SocketAddr, held: &TcpListener) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    setsockopt(held, sockopt::ReusePort, &true)?;
    let taken = socket.bind(address).and_then(|()| socket.listen(BACKLOG));
    setsockopt(held, sockopt::ReusePort, &false)?;
    let taken = taken?;
    setsockopt(&taken, sockopt::ReusePort, &false)?;
    Ok(taken)
}

/// Asks who holds an address: whether it is a dogwatch.
pub async fn is_dogwatch(address: SocketAddr) -> bool {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let asking = async {
        let mut stream = TcpStream::connect((ip, address.port())).await.ok()?;
        let request = format!("GET /-/healthy HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).contains("dogwatch"))
    };
    timeout(ANSWER_WITHIN, asking).await.ok().flatten().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_file_that_can_not_be_read_is_told_with_its_entry() {
        let config: Config = serde_json::from_value(serde_json::json!({
            "receivers": [
                {"name": "fine", "webhook_configs": [{"url": "http://127.0.0.1:1"}]},
                {"name": "ops/a", "webhook_configs": [
                    {"url": "http://127.0.0.1:1"},
                    {"url_file": "/nonexistent/url"},
                ], "email_configs": [{"to": "a@b.example", "from": "c@d.example", "smarthost": "localhost:25",
                    "auth_username": "u", "auth_password_file": "/nonexistent/password"}]},
            ],
            "remote_write": [{"url": "http://127.0.0.1:1", "authorization": {"credentials_file": "/nonexistent/token"}}],
            "dead_mans_switch": [{"url_file": "/nonexistent/switch"}],
            "heartbeats": [{"name": "backup", "every": "1h", "token_file": "/nonexistent/job"}],
        }))
        .unwrap();
        let found = files(&config, &config.integrations().unwrap()).await;
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        let missing = "there is no such file below / (what stands in the file goes into the key without _file)";
        assert_eq!(
            shown,
            [
                format!("heartbeats[0].token_file: {missing}"),
                format!("receivers[1].email_configs[0]: receiver ops/a/email[0]: {missing}"),
                format!("receivers[1].webhook_configs[1]: receiver ops/a/webhook[1]: {missing}"),
                format!("remote_write[0]: {missing}"),
                format!("dead_mans_switch[0]: {missing}"),
            ]
        );
    }

    #[tokio::test]
    async fn an_address_that_can_not_be_had_is_told_with_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let check = async |address: SocketAddr, kind: ErrorKind, words: &str| {
            let (found, said) = listen(address).await.unwrap_err();
            assert!(found == kind && said.contains(words) && said.contains(&address.to_string()), "{said}");
        };
        check(taken.local_addr().unwrap(), ErrorKind::AddrInUse, "another program has this port").await;
        check("192.0.2.1:9559".parse().unwrap(), ErrorKind::AddrNotAvailable, "no interface").await;
        assert!(!is_dogwatch(taken.local_addr().unwrap()).await, "it never answers");
    }

    #[tokio::test]
    async fn one_address_and_all_of_them_follow_each_other() {
        let all = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = all.local_addr().unwrap().port();
        let at = |ip: [u8; 4]| SocketAddr::from((ip, port));
        let one = listen_beside(at([127, 0, 0, 1]), Some(&all)).await.unwrap();
        assert_eq!(listen(at([127, 0, 0, 1])).await.unwrap_err().0, ErrorKind::AddrInUse, "nobody else gets in");
        drop(all);
        let again = listen_beside(at([0, 0, 0, 0]), Some(&one)).await.unwrap();
        drop(one);
        assert_eq!(listen_beside(at([127, 0, 0, 2]), None).await.unwrap_err().0, ErrorKind::AddrInUse);
        assert_eq!(again.local_addr().unwrap(), at([0, 0, 0, 0]));
    }
}
