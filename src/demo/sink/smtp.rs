//! A mail server for one process: the part of RFC 5321 that a client needs to hand over a message in plain text.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{MESSAGE_MAX_BYTES, Mail, WAITING_MAX};

/// A client that says nothing for this long is let go.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest line, in bytes; RFC 5321 allows 1000 and a command is far shorter.
const LINE_MAX_BYTES: usize = 4096;

/// The most recipients of a message.
const RECIPIENTS_MAX: usize = 100;

/// A running SMTP sink; it ends when this is dropped.
#[derive(Debug)]
pub struct SmtpSink {
    address: SocketAddr,
    _stop: DropGuard,
}

impl SmtpSink {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<(Self, mpsc::Receiver<Mail>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (to, mails) = mpsc::channel(WAITING_MAX);
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, to, stop.clone())));
        Ok((Self { address, _stop: stop.drop_guard() }, mails))
    }

    /// Its smarthost: `host:port`, no TLS, no login.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, to: mpsc::Sender<Mail>, stop: CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let to = to.clone();
                tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                    if let Err(e) = serve(stream, &to).await {
                        tracing::debug!(error = %e, "a connection to the demo's SMTP sink ended badly");
                    }
                }));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(mut stream: TcpStream, to: &mpsc::Sender<Mail>) -> std::io::Result<()> {
    let (read, write) = stream.split();
    talk(BufReader::new(read), write, to).await
}

/// A message under way.
#[derive(Default)]
struct Envelope {
    from: Option<String>,
    to: Vec<String>,
}

/// One conversation.
async fn talk(
    mut read: impl AsyncBufRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
    mails: &mpsc::Sender<Mail>,
) -> std::io::Result<()> {
    let mut envelope = Envelope::default();
    write.write_all(b"220 SMTP sink.demo ESMTP dogwatch demo\r\n").await?;
    while let Some(line) = line(&mut read).await? {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => format!("250-SMTP sink.demo\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {MESSAGE_MAX_BYTES}"),
            "HELO" => "250 SMTP sink.demo".to_owned(),
            "MAIL" => mail_from(rest, &mut envelope),
            "RCPT" => rcpt_to(rest, &mut envelope),
            "DATA" if envelope.from.is_none() || envelope.to.is_empty() => {
                "503 5.5.1 Say MAIL and RCPT first".to_owned()
            }
            "DATA" => {
                write.write_all(b"354 End with a dot on a line of its own\r\n").await?;
                let data = data(&mut read).await?;
                hand_over(std::mem::take(&mut envelope), data, mails).await
            }
            "RSET" => {
                envelope = Envelope::default();
                "250 2.0.0 Ok".to_owned()
            }
            "NOOP" => "250 2.0.0 Ok".to_owned(),
            "QUIT" => {
                write.write_all(b"221 2.0.0 Bye\r\n").await?;
                return write.shutdown().await;
            }
            _ => "502 5.5.1 This SMTP sink knows EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP and QUIT".to_owned(),
        };
        write.write_all(answer.as_bytes()).await?;
        write.write_all(b"\r\n").await?;
    }
    Ok(())
}

fn mail_from(rest: &str, envelope: &mut Envelope) -> String {
    match address(rest, "FROM:") {
        Some(from) => {
            *envelope = Envelope { from: Some(from), to: Vec::new() };
            "250 2.1.0 Ok".to_owned()
        }
        None => "501 5.5.4 Write it like MAIL FROM:<a@example.org>".to_owned(),
    }
}

fn rcpt_to(rest: &str, envelope: &mut Envelope) -> String {
    match address(rest, "TO:") {
        _ if envelope.from.is_none() => "503 5.5.1 Say MAIL first".to_owned(),
        _ if envelope.to.len() >= RECIPIENTS_MAX => "452 4.5.3 Too many recipients".to_owned(),
        Some(to) if !to.is_empty() => {
            envelope.to.push(to);
            "250 2.1.5 Ok".to_owned()
        }
        _ => "501 5.5.4 Write it like RCPT TO:<a@example.org>".to_owned(),
    }
}

/// The address in `FROM:<a@example.org> SIZE=1`, which may be empty.
fn address(rest: &str, keyword: &str) -> Option<String> {
    let head = rest.get(..keyword.len())?;
    let (inside, _) = rest[keyword.len()..].trim_start().strip_prefix('<')?.split_once('>')?;
    head.eq_ignore_ascii_case(keyword).then(|| inside.to_owned())
}

async fn hand_over(envelope: Envelope, data: Option<Vec<u8>>, mails: &mpsc::Sender<Mail>) -> String {
    let Some(data) = data else { return format!("552 5.3.4 More than {MESSAGE_MAX_BYTES} bytes") };
    let mail = Mail::new(envelope.from.unwrap_or_default(), envelope.to, String::from_utf8_lossy(&data).into_owned());
    // When the story is over the pages stay up, and no receiver is in trouble.
    match mails.send(mail).await {
        Ok(()) => "250 2.0.0 Ok: read aloud".to_owned(),
        Err(_) => "250 2.0.0 Ok: the story is over".to_owned(),
    }
}

/// The message up to the lone dot, with the dots taken away that the client doubled; `None` where it is too long.
async fn data(read: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut data = Vec::new();
    let mut too_long = false;
    while let Some(line) = raw_line(read).await? {
        match line.as_slice() {
            b".\r\n" | b".\n" => return Ok((!too_long).then_some(data)),
            [b'.', rest @ ..] => data.extend_from_slice(rest),
            _ => data.extend_from_slice(&line),
        }
        if data.len() > MESSAGE_MAX_BYTES {
            too_long = true;
            data.clear();
        }
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

/// A command, without its line end; `None` when the client is gone.
async fn line(read: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<String>> {
    let line = raw_line(read).await?;
    Ok(line.map(|l| String::from_utf8_lossy(&l).trim_end().to_owned()))
}

async fn raw_line(read: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = read.take(LINE_MAX_BYTES as u64);
    let n =
        timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
    match line.last() {
        _ if n == 0 => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        _ if n < LINE_MAX_BYTES => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Err(std::io::Error::other("a line without an end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speaks a whole conversation at once and gives back the replies' first words and the mails.
    async fn check(said: &str) -> (Vec<String>, Vec<Mail>) {
        let (to, mut mails) = mpsc::channel(8);
        let mut heard = Vec::new();
        let _ = talk(said.as_bytes(), &mut heard, &to).await;
        drop(to);
        let mut all = Vec::new();
        while let Some(mail) = mails.recv().await {
            all.push(mail);
        }
        let heard = String::from_utf8(heard).unwrap();
        (heard.lines().filter_map(|l| l.get(..3)).map(str::to_owned).collect(), all)
    }

    #[tokio::test]
    async fn a_message_is_handed_over_with_its_dots_as_they_were() {
        let (codes, mails) = check(
            "EHLO x\r\nMAIL FROM:<a@example.org> BODY=8BITMIME\r\nRCPT TO:<b@example.org>\r\nrcpt to: <c@example.org>\r\n\
             DATA\r\nSubject: hi\r\n\r\n..dotted\r\n.\r\nQUIT\r\n",
        )
        .await;
        assert_eq!(codes, ["220", "250", "250", "250", "250", "250", "250", "250", "354", "250", "221"]);
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].from, "a@example.org");
        assert_eq!(mails[0].to, ["b@example.org", "c@example.org"]);
        assert_eq!(mails[0].text().trim(), ".dotted");
    }

    #[tokio::test]
    async fn what_is_wrong_is_refused_and_the_conversation_goes_on() {
        let (codes, mails) = check(
            "DATA\r\nRCPT TO:<b@c>\r\nMAIL TO:<a@b>\r\nMAIL FROM:a@b\r\nMAIL FROM:<a@b>\r\nRCPT TO:<>\r\nSTARTTLS\r\nRSET\r\nDATA\r\nNOOP\r\nQUIT\r\n",
        )
        .await;
        assert_eq!(codes, ["220", "503", "503", "501", "501", "250", "501", "502", "250", "503", "250", "221"]);
        assert!(mails.is_empty());
    }

    #[tokio::test]
    async fn too_much_is_refused_and_a_broken_message_is_none() {
        let long = format!("{}\r\n", "x".repeat(900)).repeat(1300);
        let (codes, mails) = check(&format!("MAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\n{long}.\r\nQUIT\r\n")).await;
        assert_eq!(codes, ["220", "250", "250", "354", "552", "221"]);
        assert!(mails.is_empty());
        let (_, mails) = check("MAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\nhalf of it").await;
        assert!(mails.is_empty());
        let (codes, _) = check(&"y".repeat(LINE_MAX_BYTES * 2)).await;
        assert_eq!(codes, ["220"]);
    }

    #[tokio::test]
    async fn a_mail_after_the_story_is_taken_all_the_same() {
        let (to, mails) = mpsc::channel(1);
        drop(mails);
        let mut heard = Vec::new();
        let said = "MAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\n.\r\nQUIT\r\n";
        talk(said.as_bytes(), &mut heard, &to).await.unwrap();
        assert!(String::from_utf8(heard).unwrap().contains("\r\n250 2.0.0 Ok: the story"));
    }
}
