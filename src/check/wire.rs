//! A conversation with a server over a connection, in bytes and lines: who speaks when, is each protocol's own.
//!
//! Never reads more than it was asked for (what follows may be TLS), nor more than a conversation's limit in all; what
//! breaks off or falls silent is told with the stage that the conversation had reached.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::found::Found;
use crate::{
    dial::{BoxedStream, Place, Security, TlsFiles},
    model::{Failure, Reason},
};

/// Of one conversation so much is read: a check asks, it does not download.
const SAID_MAX: usize = 1 << 20;

/// A conversation.
pub(super) struct Wire {
    stream: BoxedStream,
    place: Place,
    deadline: Instant,
    allowed: String,
    /// Where in the conversation we are, as it follows after "closed the connection"; empty before its first word.
    stage: &'static str,
    said: usize,
}

impl Wire {
    /// Begins on a stream that stands.
    pub(super) fn new(stream: BoxedStream, place: &Place, found: &Found) -> Self {
        let (deadline, allowed) = (found.line.deadline(), found.line.allowed().to_string());
        Self { stream, place: place.clone(), deadline, allowed, stage: "", said: 0 }
    }

    /// Connects by TCP, and by TLS where that begins at once.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(super) async fn connect(place: &Place, tls: Option<&TlsFiles>, found: &mut Found) -> Result<Self, Failure> {
        let mut stream = found.line.connect(place, tls.is_some(), None).await?;
        if let Some(files) = tls {
            let security = Security::read(files, &[]).await?;
            stream = found.line.secure(stream, place, &security).await?.0;
        }
        Ok(Self::new(stream, place, found))
    }

    /// Changes to TLS on the same connection.
    ///
    /// # Errors
    /// Why there is no TLS.
    pub(super) async fn secure(self, files: &TlsFiles, found: &mut Found) -> Result<Self, Failure> {
        let security = Security::read(files, &[]).await?;
        let (stream, _) = found.line.secure(self.stream, &self.place, &security).await?;
        Ok(Self { stream, ..self })
    }

    /// Gives the stream, for what comes then.
    pub(super) fn into_stream(self) -> BoxedStream {
        self.stream
    }

    /// Names the stage, as in "closed the connection before TLS began".
    pub(super) fn stage(&mut self, stage: &'static str) {
        self.stage = stage;
    }

    /// Says that the other side does not speak what it should.
    pub(super) fn odd(&self, protocol: &str) -> Failure {
        Failure::new(Reason::Answer, format!("{} does not answer as {protocol} does", self.place))
    }

    fn broke(&self) -> Failure {
        let stage = if self.stage.is_empty() { "without a word" } else { self.stage };
        Failure::new(Reason::Refused, format!("{} closed the connection {stage}", self.place))
    }

    fn silent(&self) -> Failure {
        let words = match self.stage {
            "" => format!("{} said nothing within {}", self.place, self.allowed),
            stage => format!("{} fell silent {stage}, within {}", self.place, self.allowed),
        };
        Failure::new(Reason::Timeout, words)
    }

    /// Sends.
    ///
    /// # Errors
    /// Where the other side takes nothing.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = timeout_at(self.deadline, async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        });
        sent.await.map_err(|_| self.silent())?.map_err(|_| self.broke())
    }

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// Where they do not come, or are more than a conversation may have.
    pub(super) async fn bytes(&mut self, n: usize) -> Result<Vec<u8>, Failure> {
        if self.said.saturating_add(n) > SAID_MAX {
            return Err(Failure::new(Reason::Answer, format!("{} says too much: more than 1 MiB", self.place)));
        }
        let mut read = vec![0; n];
        let reading = timeout_at(self.deadline, self.stream.read_exact(&mut read));
        reading.await.map_err(|_| self.silent())?.map_err(|_| self.broke())?;
        self.said += n;
        Ok(read)
    }

    /// Reads a line of at most so many bytes, without what ends it.
    ///
    /// # Errors
    /// Where it does not come, or is longer.
    pub(super) async fn line(&mut self, max: usize) -> Result<String, Failure> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            line.extend(self.bytes(1).await?);
            if line.len() > max {
                let words = format!("{} says a line that does not end within {max} bytes", self.place);
                return Err(Failure::new(Reason::Answer, words));
            }
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Reads a reply of a protocol of lines with codes (SMTP, FTP): `250-…` goes on, `250 …` ends it. Gives its code, and
    /// its lines without it.
    ///
    /// # Errors
    /// Where none comes.
    pub(super) async fn reply(&mut self) -> Result<(u16, Vec<String>), Failure> {
        let mut lines = Vec::new();
        loop {
            let line = self.line(REPLY_LINE_MAX).await?;
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let (Some(code), true) = (code, lines.len() < REPLY_LINES_MAX) else {
                let words = format!("{} says {line:?}, where a reply begins with three digits", self.place);
                return Err(Failure::new(Reason::Answer, words));
            };
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok((code, lines));
            }
        }
    }
}

/// RFC 5321 has 512; mail servers explain themselves in more.
const REPLY_LINE_MAX: usize = 4096;
/// The longest greetings have some twenty.
const REPLY_LINES_MAX: usize = 100;
