//! A repository of git, as `git fetch` would begin: what references it tells of by its smart or dumb HTTP, or by `git://`,
//! and how old the commit is that one of them names.

mod pack;
mod pkt;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout_at,
};
use url::Url;

use self::pkt::Advertised;
use super::{
    condition::Condition,
    found::Found,
    http::fetch,
    prober::{Asking, Prober, Problems},
    web::{below, request, web_kind, well},
};
use crate::{
    dial::{BoxedStream, Place, TlsFiles},
    model::{Failure, Reason},
};

/// The longest list of references: large hosts keep one for each change that was ever proposed.
const REFS_MAX: usize = 32 << 20;
/// Of a pack so much is read: the commit comes first.
const PACK_MAX: usize = 1 << 20;
/// git's own port.
const PORT: u16 = 9418;

web_kind! {
    /// `git:` of a check.
    pub struct GitConfig {
        /// The repository: `https://…`, `http://…` or `git://…`.
        pub url: Url,
        /// A reference that has to be there: `main`, `v1.2`, `refs/heads/main`; without it, `HEAD`.
        #[serde(default = "head", rename = "ref")]
        pub reference: String,
    }
}

fn head() -> String {
    "HEAD".to_owned()
}

impl GitConfig {
    fn place(&self) -> Result<Place, String> {
        let host = self.url.host_str().ok_or("it has no host")?.trim_matches(['[', ']']).to_owned();
        Ok(Place { host, port: self.url.port().unwrap_or(PORT) })
    }

    fn is_http(&self) -> bool {
        self.url.scheme() != "git"
    }

    fn wants_age(&self) -> bool {
        self.expect.iter().any(|condition| condition.about() == "age")
    }
}

impl Prober for GitConfig {
    fn at(&self) -> String {
        self.url.to_string()
    }

    fn instance(&self) -> String {
        match self.is_http() {
            true => self.web(self.url.clone()).instance(),
            false => self.place().map_or_else(|_| self.url.to_string(), |place| place.to_string()),
        }
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["age", "count", "cert", "version"], "a repository")
    }

    fn problems(&self) -> Problems {
        let mut all = match self.url.scheme() {
            "http" | "https" => self.web(self.url.clone()).problems(),
            "git" => self.place().err().map(|why| (".url".to_owned(), why)).into_iter().collect(),
            _ => vec![(
                ".url".to_owned(),
                "must be https://…, http://… or git://…; a tcp check sees what ssh says first".to_owned(),
            )],
        };
        if !pkt::is_reference(&self.reference) {
            all.push((".ref".to_owned(), "write it like main, v1.2 or refs/heads/main".to_owned()));
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn files(&mut self) -> Vec<&mut std::path::PathBuf> {
        self.secret_files()
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

async fn probe(c: &GitConfig, found: &mut Found) -> Result<(), Failure> {
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    let mut stream = None;
    let advertised = match c.is_http() {
        true => by_http(c, found).await?,
        false => {
            let (opened, advertised) = by_daemon(c, found).await?;
            stream = Some(opened);
            advertised
        }
    };
    found.answered = true;
    found.line.note(format_args!("{} references", advertised.refs.len()));
    #[allow(clippy::cast_precision_loss)] // Numbers of references, far below 2^53.
    let count = advertised.refs.len() as f64;
    found.seen.number("count", count);
    found.measure("probe_git_refs", count);
    let Some(id) = advertised.find(&c.reference) else {
        let words = match advertised.refs.is_empty() {
            true => "the repository is empty".to_owned(),
            false => format!("it has no {} among {} references", c.reference, advertised.refs.len()),
        };
        return Err(wrong(words));
    };
    found.line.note(format_args!("{} is {id}", c.reference));
    if c.wants_age() {
        let wants = pkt::wants(&id, &advertised.capabilities);
        let packed = match stream {
            Some(stream) => more_by_daemon(stream, &wants, found).await?,
            None if advertised.is_smart => more_by_http(c, wants, found).await?,
            None => {
                return Err(wrong("it serves files alone (dumb HTTP), and tells no age: leave `age` out".to_owned()));
            }
        };
        let at = pack::time_of(&packed)
            .ok_or_else(|| wrong("it does not give the commit as git would have it".to_owned()))?;
        let age = jiff::Timestamp::now().as_second().saturating_sub(at);
        #[allow(clippy::cast_precision_loss)] // Seconds of this age are exact.
        found.seen.number("age", age as f64);
        #[allow(clippy::cast_precision_loss)]
        found.measure("probe_git_commit_timestamp_seconds", at as f64);
    }
    Ok(())
}

async fn by_http(c: &GitConfig, found: &mut Found) -> Result<Advertised, Failure> {
    let mut url = below(&c.url, &["info", "refs"]);
    url.query_pairs_mut().append_pair("service", "git-upload-pack");
    let answer = fetch(&c.web(c.url.clone()), request(url, "*/*", REFS_MAX), found).await?;
    if answer.status == 404 {
        return Err(Failure::new(Reason::HttpStatus, "there is no such repository (HTTP 404), or we may not see it"));
    }
    let answer = well(answer, "/info/refs", REFS_MAX)?;
    let read = Advertised::read_http(&answer.body);
    read.ok_or_else(|| Failure::new(Reason::Body, "what it answers is no list of references of git"))
}

async fn more_by_http(c: &GitConfig, wants: Vec<u8>, found: &mut Found) -> Result<Vec<u8>, Failure> {
    let mut ask = request(below(&c.url, &["git-upload-pack"]), "application/x-git-upload-pack-result", PACK_MAX);
    ask.method = Method::POST;
    ask.body = Bytes::from(wants);
    ask.headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/x-git-upload-pack-request")));
    let answer = fetch(&c.web(c.url.clone()), ask, found).await?;
    match answer.status {
        // A pack that is longer was cut, which does not matter: the commit comes first.
        200 => Ok(answer.body.to_vec()),
        status => Err(Failure::new(Reason::HttpStatus, format!("/git-upload-pack: was {status}, should be 200"))),
    }
}

/// By git's own daemon; the stream goes on where the list has ended.
async fn by_daemon(c: &GitConfig, found: &mut Found) -> Result<(BoxedStream, Advertised), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Answer, why))?;
    let mut stream = found.line.connect(&place, false, None).await?;
    let hello = pkt::line(format!("git-upload-pack {}\0host={}\0", c.url.path(), place).as_bytes());
    send(&mut stream, &hello, &place, found).await?;
    let mut read = Vec::new();
    let advertised = loop {
        // A list ends with a flush, and nothing comes after it: it is looked at once.
        if let Some(advertised) = read.ends_with(b"0000").then(|| Advertised::read(&read)).flatten() {
            break advertised;
        }
        if let Some(words) = pkt::error(&read) {
            return Err(Failure::new(Reason::Answer, format!("the server says {words:?}")));
        }
        if !more(&mut stream, &mut read, &place, REFS_MAX, found).await? {
            let words = format!(
                "{place} ended without a list of references: there is no such repository, or it is not exported"
            );
            return Err(Failure::new(Reason::Answer, words));
        }
    };
    Ok((stream, advertised))
}

async fn more_by_daemon(mut stream: BoxedStream, wants: &[u8], found: &mut Found) -> Result<Vec<u8>, Failure> {
    let place = Place { host: "the server".to_owned(), port: PORT };
    send(&mut stream, wants, &place, found).await?;
    let mut read = Vec::new();
    while pack::time_of(&read).is_none() && more(&mut stream, &mut read, &place, PACK_MAX, found).await? {}
    Ok(read)
}

async fn send(stream: &mut BoxedStream, bytes: &[u8], place: &Place, found: &Found) -> Result<(), Failure> {
    let sent = timeout_at(found.line.deadline(), async {
        stream.write_all(bytes).await?;
        stream.flush().await
    });
    match sent.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Failure::new(Reason::Refused, format!("{place} closed the connection when we spoke"))),
        Err(_) => Err(Failure::new(Reason::Timeout, format!("{place} takes nothing that we say"))),
    }
}

/// Reads what comes next; false at the end, or where there is enough.
async fn more(
    stream: &mut BoxedStream,
    read: &mut Vec<u8>,
    place: &Place,
    max: usize,
    found: &Found,
) -> Result<bool, Failure> {
    if read.len() >= max {
        return Ok(false);
    }
    let mut part = vec![0; 64 << 10];
    match timeout_at(found.line.deadline(), stream.read(&mut part)).await {
        Ok(Ok(n)) => {
            read.extend_from_slice(part.get(..n).unwrap_or_default());
            Ok(n > 0)
        }
        Ok(Err(_)) => Ok(false),
        Err(_) => Err(Failure::new(
            Reason::Timeout,
            format!("{place} did not end its answer within {}", found.line.allowed()),
        )),
    }
}
