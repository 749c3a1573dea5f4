//! An answer that goes on, as that of a watch: its lines are handed out as they come, with the moment at which each came.
//!
//! Lines longer than what a body may have are no lines: the exchange ends there. Where nobody takes them, they are left
//! out.

use bytes::{Bytes, BytesMut};
use tokio::{sync::mpsc, time::Instant};

/// Lines that wait for who reads them.
const LINES: usize = 64;

/// What came.
#[derive(Clone, Debug)]
pub enum Fed {
    /// The head of an answer with status 200: what happens from now on is told.
    Open,
    /// A whole line of the body, without its end.
    Line(Instant, Bytes),
}

/// Takes the lines of an answer.
#[derive(Clone, Debug)]
pub struct Feed(mpsc::Sender<Fed>);

impl Feed {
    /// Returns one, and where its lines come out; that ends with the exchange.
    pub fn new() -> (Self, mpsc::Receiver<Fed>) {
        let (send, receive) = mpsc::channel(LINES);
        (Self(send), receive)
    }

    /// Tells that the answer has begun.
    pub(super) fn open(&self) {
        // Who has stopped to read wants nothing more.
        let _ = self.0.try_send(Fed::Open);
    }

    /// Hands out the lines that have come to their end, and keeps the rest.
    pub(super) fn take(&self, rest: &mut BytesMut, data: &[u8]) {
        rest.extend_from_slice(data);
        let now = Instant::now();
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line = rest.split_to(end + 1).freeze();
            let _ = self.0.try_send(Fed::Line(now, line.slice(..end)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_however_they_are_cut() {
        let (feed, mut lines) = Feed::new();
        let mut rest = BytesMut::new();
        feed.open();
        for part in ["{\"a\"", ":1}\n{\"b\":2}\n{", "}\nunfinished"] {
            feed.take(&mut rest, part.as_bytes());
        }
        drop(feed);
        assert!(matches!(lines.recv().await, Some(Fed::Open)));
        let mut said = Vec::new();
        while let Some(Fed::Line(_, line)) = lines.recv().await {
            said.push(String::from_utf8(line.to_vec()).unwrap());
        }
        assert_eq!(said, ["{\"a\":1}", "{\"b\":2}", "{}"]);
        assert_eq!(&rest[..], b"unfinished");
    }
}
