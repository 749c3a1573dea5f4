//! Mail servers that break off, hang or talk without end: each attempt ends in time, in words, and is made again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dogwatch::notify::Outcome;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::notify::{integration, notification};

/// What the server does, and when.
#[derive(Clone, Copy, Debug)]
enum Odd {
    /// Instead of its greeting: lines without end.
    EndlessGreeting,
    /// The same, of one line.
    EndlessLine,
    /// Breaks off once it has the mail.
    DropAfterData,
    /// Never says whether it took the mail.
    HangAfterData,
    /// Goes on and on about having taken it.
    EndlessAnswer,
}

/// A server of this kind, and how many bytes it could say.
async fn start(odd: Odd) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = Arc::new(AtomicUsize::new(0));
    let counter = said.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, odd, counter.clone()));
        }
    });
    (port, said)
}

async fn serve(stream: TcpStream, odd: Odd, said: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let line = format!("250-{}\r\n", "a".repeat(500));
    let endless = match odd {
        Odd::EndlessGreeting => Some(line.replacen("250", "220", 1)),
        Odd::EndlessLine => Some("a".repeat(64 << 10)),
        _ => None,
    };
    if let Some(text) = endless {
        return talk(&mut stream, &text, &said).await;
    }
    stream.write_all(b"220 mail.test ESMTP\r\n").await?;
    let mut command = String::new();
    let mut data = false;
    while stream.read_line(&mut command).await? > 0 {
        let answer = match command.trim_end() {
            "." if data => match odd {
                Odd::DropAfterData => return Ok(()),
                Odd::HangAfterData => std::future::pending().await,
                _ => return talk(&mut stream, &line, &said).await,
            },
            _ if data => "",
            "DATA" => {
                data = true;
                "354 go on\r\n"
            }
            _ => "250 fine\r\n",
        };
        stream.write_all(answer.as_bytes()).await?;
        command.clear();
    }
    Ok(())
}

async fn talk(stream: &mut BufReader<TcpStream>, text: &str, said: &AtomicUsize) -> std::io::Result<()> {
    loop {
        stream.write_all(text.as_bytes()).await?;
        said.fetch_add(text.len(), Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_mail_server_that_goes_astray_costs_one_attempt() {
    // What the sockets of both sides hold, beside what is read.
    const SAID_MAX: usize = 16 << 20;
    let check = async |odd: Odd, within: Duration, words: &str| {
        let (port, said) = start(odd).await;
        let config = format!("email_configs: [{{to: a@b.c, smarthost: 'localhost:{port}', require_tls: false}}]");
        let begun = Instant::now();
        let outcome = integration(&config).send(&notification(), Instant::now() + within).await;
        let Outcome::Retry { why, .. } = outcome else { panic!("{odd:?}: {outcome:?}") };
        assert!(why.contains(words) && why.len() < 600, "{odd:?}: {why}");
        assert!(begun.elapsed() < within + Duration::from_secs(5), "{odd:?}: {:?}", begun.elapsed());
        assert!(said.load(Ordering::Relaxed) < SAID_MAX, "{odd:?}: {said:?}");
    };
    let (ample, short) = (Duration::from_secs(20), Duration::from_secs(3));
    check(Odd::EndlessGreeting, ample, "connecting to localhost:").await;
    check(Odd::EndlessLine, ample, "the mail server says more than 256 KiB").await;
    check(Odd::DropAfterData, ample, "sending: ").await;
    check(Odd::HangAfterData, short, "sending: no answer in time").await;
    check(Odd::EndlessAnswer, ample, "sending: ").await;
}
