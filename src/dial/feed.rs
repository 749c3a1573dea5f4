//! An answer that goes on, as that of a watch: its lines are handed out as they come, with the moment at which each came.
//!
//! Lines longer than what a body may have are no lines: the exchange ends there. Where nobody takes them, they are left
//! out; a patient feed waits for who reads, loses nothing, and keeps no body.

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
pub struct Feed {
    send: mpsc::Sender<Fed>,
    is_patient: bool,
}

impl Feed {
    /// Returns one, and where its lines come out; that ends with the exchange.
    pub fn new() -> (Self, mpsc::Receiver<Fed>) {
        let (send, receive) = mpsc::channel(LINES);
        (Self { send, is_patient: false }, receive)
    }

    /// Returns one that waits until its lines are read, so that none is lost: the server waits too. The answer has no body.
    pub fn patient() -> (Self, mpsc::Receiver<Fed>) {
        let (send, receive) = mpsc::channel(LINES);
        (Self { send, is_patient: true }, receive)
    }

    /// Returns whether the lines are all that is wanted.
    pub(super) fn is_patient(&self) -> bool {
        self.is_patient
    }

    /// Tells that the answer has begun.
    pub(super) fn open(&self) {
        // Who has stopped to read wants nothing more.
        let _ = self.send.try_send(Fed::Open);
    }

    /// Hands out the lines that have come to their end, and keeps the rest. False: nobody reads any more.
    pub(super) async fn take(&self, rest: &mut BytesMut, data: &[u8]) -> bool {
        // What was there before has no end of a line.
        let mut looked = rest.len();
        rest.extend_from_slice(data);
        let now = Instant::now();
        while let Some(end) = rest[looked..].iter().position(|b| *b == b'\n') {
            let line = rest.split_to(looked + end + 1).freeze();
            let line = Fed::Line(now, line.slice(..looked + end));
            looked = 0;
            if !self.is_patient {
                let _ = self.send.try_send(line);
            } else if self.send.send(line).await.is_err() {
                return false;
            }
        }
        true
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
            assert!(feed.take(&mut rest, part.as_bytes()).await);
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

    #[tokio::test]
    async fn a_patient_feed_waits_for_its_reader_and_loses_nothing() {
        let (feed, mut lines) = Feed::patient();
        let many: String = (0..3 * LINES).map(|i| format!("{i}\n")).collect();
        let mut rest = BytesMut::new();
        let (taken, read) = tokio::join!(
            async move {
                let taken = feed.take(&mut rest, many.as_bytes()).await;
                drop(feed);
                taken
            },
            async {
                let mut count = 0;
                while let Some(Fed::Line(..)) = lines.recv().await {
                    count += 1;
                }
                count
            }
        );
        assert!(taken);
        assert_eq!(read, 3 * LINES);
        let (feed, lines) = Feed::patient();
        drop(lines);
        assert!(!feed.take(&mut BytesMut::new(), b"x\n").await, "nobody reads");
    }
}
