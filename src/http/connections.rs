//! Who is connected, how many requests are worked on, and who has to go when there is no more room.
//!
//! A connection waits for its client (who has not asked yet, sends slowly, or does not read), or its client waits for us.
//! Only the former is ever closed for the sake of others, so that no number of slow clients keeps anybody out; only
//! requests that we work on count towards a share, so that no number of queries keeps health checks and jobs out.
//!
//! Nothing here reads or writes. A connection that is let go is told by its token, and has no place from then on.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::sys::resource::{Resource, getrlimit};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;

/// The most connections at a time: the page reloads on a short connection, a scraper holds one.
const CONNECTIONS_MAX: usize = 256;

/// Of the file descriptors, this part at most is for those who ask us: the rest is for watching and telling.
const FILES_SHARE: u64 = 4;

/// Of the connections, this part is never busy with anything but health checks and jobs that report in.
const VITAL_SHARE: usize = 8;

/// Of the connections, this part at most is busy with queries: they may take minutes, pages take milliseconds.
const QUERIES_SHARE: usize = 2;

/// Bytes of answers that wait for their clients to read them, all together. The state of 5,000 nodes is some 6 MB.
const UNREAD_MAX_BYTES: u64 = 128 << 20;

/// What a request has a share of. Each may use what is left to those below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// Health checks, and jobs that report in: always answered.
    Vital,
    /// Pages, `/metrics`, and what is handed in.
    Pages,
    /// PromQL and what else reads history.
    Queries,
}

impl Share {
    /// The share of what stands at a path.
    pub fn of(path: &str) -> Self {
        match path {
            "/-/healthy" | "/-/ready" => Self::Vital,
            _ if path.starts_with("/ping/") => Self::Vital,
            "/federate" => Self::Queries,
            _ if path.starts_with("/api/v1/") => Self::Queries,
            _ => Self::Pages,
        }
    }
}

/// How large an answer is before it is compressed, in bytes: an extension of the answer.
#[derive(Clone, Copy, Debug)]
pub struct Weight(pub u64);

/// All connections of the port. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    room: usize,
    metrics: Arc<Metrics>,
    seats: Mutex<Seats>,
    /// A place is free, or a connection waits for its client.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Seat>,
}

#[derive(Debug)]
struct Seat {
    from: IpAddr,
    /// Since when it waits for its client.
    waits: Option<Instant>,
    /// Of the request that is worked on.
    share: Option<Share>,
    /// Of an answer that may not have been read yet.
    unread: u64,
    leave: CancellationToken,
}

/// A place among the connections; free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    connections: Connections,
    number: u64,
    leave: CancellationToken,
}

/// No request of this kind has room, and none of them waits for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl Connections {
    /// As many as the limit of file descriptors lets us have.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        Self::with_room(room(files), metrics)
    }

    fn with_room(room: usize, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner { room, metrics, seats: Mutex::default(), changed: Notify::new() }))
    }

    /// Takes a place for a connection that was just accepted, as soon as there is one: where all are taken, a connection
    /// that waits for its client is let go.
    pub async fn place(&self, from: IpAddr) -> Place {
        loop {
            let changed = self.0.changed.notified();
            if let Some(place) = self.try_place(from) {
                return place;
            }
            changed.await;
        }
    }

    /// The same at once; `None` where every client waits for us.
    pub fn try_place(&self, from: IpAddr) -> Option<Place> {
        let mut seats = self.seats();
        if seats.taken.len() >= self.0.room {
            self.let_one_go(&mut seats, |_| true, "http_connections")?;
        }
        let number = seats.next;
        seats.next += 1;
        let leave = CancellationToken::new();
        let seat = Seat { from, waits: Some(Instant::now()), share: None, unread: 0, leave: leave.clone() };
        seats.taken.insert(number, seat);
        self.count(&seats);
        Some(Place { connections: self.clone(), number, leave })
    }

    /// No file descriptor is left for one more: one that waits for its client gives up its own.
    pub fn spare_a_file(&self) {
        self.let_one_go(&mut self.seats(), |_| true, "http_accepts");
    }

    /// Of those that wait for their client and are meant, lets one go: of the address that holds the most, the one that
    /// has waited longest.
    fn let_one_go(&self, seats: &mut Seats, meant: impl Fn(&Seat) -> bool, limit: &'static str) -> Option<()> {
        let mut held: HashMap<IpAddr, usize> = HashMap::new();
        for seat in seats.taken.values().filter(|s| s.waits.is_some() && meant(s)) {
            *held.entry(network(seat.from)).or_default() += 1;
        }
        let waiting = seats.taken.iter().filter(|(_, s)| meant(s)).filter_map(|(n, s)| Some((*n, s.from, s.waits?)));
        let (number, ..) =
            waiting.min_by_key(|(number, from, since)| (std::cmp::Reverse(held[&network(*from)]), *since, *number))?;
        seats.taken.remove(&number)?.leave.cancel();
        self.0.metrics.drop_at(limit);
        self.count(seats);
        Some(())
    }

    fn begin(&self, number: u64, share: Share) -> Result<(), Busy> {
        let mut seats = self.seats();
        while share != Share::Vital && self.is_used_up(&seats, number, share) {
            let slow = |seat: &Seat| seat.share.is_some_and(|s| s >= share);
            if self.let_one_go(&mut seats, slow, "http_requests").is_none() {
                self.0.metrics.drop_at("http_requests");
                return Err(Busy);
            }
        }
        if let Some(seat) = seats.taken.get_mut(&number) {
            (seat.waits, seat.share, seat.unread) = (None, Some(share), 0);
        }
        Ok(())
    }

    fn is_used_up(&self, seats: &Seats, number: u64, share: Share) -> bool {
        let room = match share {
            Share::Vital => self.0.room,
            Share::Pages => self.0.room - (self.0.room / VITAL_SHARE).max(1).min(self.0.room - 1),
            Share::Queries => (self.0.room / QUERIES_SHARE).max(1),
        };
        let others = seats.taken.iter().filter(|(n, _)| **n != number);
        others.filter(|(_, seat)| seat.share.is_some_and(|s| s >= share)).count() >= room
    }

    fn answered(&self, number: u64, bytes: u64) {
        let mut seats = self.seats();
        if let Some(seat) = seats.taken.get_mut(&number) {
            (seat.waits, seat.share, seat.unread) = (Some(Instant::now()), None, bytes);
        }
        let unread = |seats: &Seats| seats.taken.values().map(|s| s.unread).fold(0, u64::saturating_add);
        while unread(&seats) > UNREAD_MAX_BYTES && bytes > 0 {
            // Never the newest, whose client had no time yet to read.
            let newest = seats.taken.get_mut(&number).and_then(|seat| seat.waits.take());
            let gone = self.let_one_go(&mut seats, |seat| seat.unread > 0, "http_unread_answers");
            if let Some(seat) = seats.taken.get_mut(&number) {
                seat.waits = newest;
            }
            if gone.is_none() {
                break;
            }
        }
        drop(seats);
        self.0.changed.notify_one();
    }

    fn waits(&self, number: u64, waits: bool) {
        if let Some(seat) = self.seats().taken.get_mut(&number) {
            seat.waits = if waits { seat.waits.or_else(|| Some(Instant::now())) } else { None };
        }
        if waits {
            self.0.changed.notify_one();
        }
    }

    fn count(&self, seats: &Seats) {
        self.0.metrics.http_connections.set(i64::try_from(seats.taken.len()).unwrap_or(i64::MAX));
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Told when the connection has to end for the sake of others.
    pub fn leave(&self) -> &CancellationToken {
        &self.leave
    }

    /// A request is there.
    ///
    /// # Errors
    /// When no more of its kind are worked on.
    pub fn begin(&self, share: Share) -> Result<(), Busy> {
        self.connections.begin(self.number, share)
    }

    /// The rest of a request is waited for.
    pub fn waits(&self) {
        self.connections.waits(self.number, true);
    }

    /// It is there.
    pub fn works(&self) {
        self.connections.waits(self.number, false);
    }

    /// An answer of so many bytes was made; that it is read, and that another request comes, is the client's to do.
    pub fn answered(&self, bytes: u64) {
        self.connections.answered(self.number, bytes);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut seats = self.connections.seats();
        seats.taken.remove(&self.number);
        self.connections.count(&seats);
        drop(seats);
        self.connections.0.changed.notify_one();
    }
}

/// How many connections are taken at a time.
fn room(files: u64) -> usize {
    usize::try_from(files / FILES_SHARE).unwrap_or(usize::MAX).clamp(1, CONNECTIONS_MAX)
}

/// Who has one address of IPv6 has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;
    use crate::telemetry::DropLabels;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn connections(room: usize) -> (Connections, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        (Connections::with_room(room, metrics.clone()), metrics)
    }

    fn dropped(metrics: &Metrics, limit: &'static str) -> u64 {
        metrics.dropped.get_or_create(&DropLabels { limit }).get()
    }

    #[test]
    fn a_quarter_of_the_files_at_the_most() {
        assert_eq!([0, 64, 400, 1024, u64::MAX].map(room), [1, 16, 100, 256, 256]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_waited_longest_goes_first_and_none_that_waits_for_us() {
        let (all, metrics) = connections(3);
        let mut places = Vec::new();
        for _ in 0..3 {
            places.push(all.place(HERE).await);
            advance(Duration::from_millis(1)).await;
        }
        places[0].begin(Share::Vital).unwrap();
        let next = all.try_place(HERE).unwrap();
        let gone: Vec<bool> = places.iter().map(|p| p.leave().is_cancelled()).collect();
        assert_eq!((gone, dropped(&metrics, "http_connections")), (vec![false, true, false], 1));
        assert_eq!(metrics.http_connections.get(), 3);
        places[2].begin(Share::Pages).unwrap();
        next.begin(Share::Vital).unwrap();
        assert!(all.try_place(HERE).is_none(), "every client waits for us");
        // Whoever waits for a place has it once an answer is made.
        let waiting = tokio::spawn({
            let all = all.clone();
            async move { all.place(HERE).await }
        });
        tokio::task::yield_now().await;
        next.answered(10);
        let _taken = waiting.await.unwrap();
        assert!(next.leave().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_most_gives_first() {
        let (all, _) = connections(4);
        let other = all.place("2001:db8::1".parse().unwrap()).await;
        let mut many = Vec::new();
        for last in 2..5 {
            advance(Duration::from_millis(1)).await;
            many.push(all.place(format!("2001:db8:1::{last}").parse().unwrap()).await);
        }
        let _next = all.try_place(HERE).unwrap();
        assert!(many[0].leave().is_cancelled() && !other.leave().is_cancelled());
    }

    #[tokio::test]
    async fn queries_leave_room_for_pages_and_both_for_what_is_vital() {
        let (all, metrics) = connections(16);
        let mut places = Vec::new();
        for _ in 0..16 {
            places.push(all.place(HERE).await);
        }
        let began: Vec<bool> = places[..9].iter().map(|p| p.begin(Share::Queries).is_ok()).collect();
        assert_eq!((began.iter().filter(|ok| **ok).count(), began[8]), (8, false));
        let began: Vec<bool> = places[8..15].iter().map(|p| p.begin(Share::Pages).is_ok()).collect();
        assert_eq!((began.iter().filter(|ok| **ok).count(), began[6]), (6, false));
        assert_eq!((places[15].begin(Share::Vital), dropped(&metrics, "http_requests")), (Ok(()), 2));
        // A slow body holds no share.
        places[0].waits();
        assert_eq!((places[14].begin(Share::Queries), places[0].leave().is_cancelled()), (Ok(()), true));
        places[1].answered(1);
        assert_eq!(places[14].begin(Share::Queries), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_nobody_reads_are_bounded() {
        let (all, metrics) = connections(8);
        let mut places = Vec::new();
        for _ in 0..4 {
            let place = all.place(HERE).await;
            advance(Duration::from_millis(1)).await;
            place.answered(UNREAD_MAX_BYTES / 3);
            places.push(place);
        }
        let gone: Vec<bool> = places.iter().map(|p| p.leave().is_cancelled()).collect();
        assert_eq!(gone, [true, false, false, false]);
        places[3].answered(2 * UNREAD_MAX_BYTES);
        let gone: Vec<bool> = places.iter().map(|p| p.leave().is_cancelled()).collect();
        assert_eq!((gone, dropped(&metrics, "http_unread_answers")), (vec![true, true, true, false], 3));
    }
}
