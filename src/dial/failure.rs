//! What the operating system, rustls and hyper call an error, as a typed failure in words.

use std::{error::Error, fmt, io, time::Duration};

use jiff::Timestamp;
use nix::errno::Errno;
use rustls::AlertDescription;

use crate::model::{Failure, Ours, Reason};

/// A duration as people say it: `5 s`, `2.5 s`, `300 ms`.
pub(super) struct Spoken(pub(super) Duration);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded: a deadline is always a little less away than it was set.
        let millis = (self.0.as_micros() + 500) / 1000;
        let tenths = (millis + 50) / 100;
        match (tenths / 10, tenths % 10) {
            (0, _) => write!(f, "{millis} ms"),
            (whole, 0) => write!(f, "{whole} s"),
            (whole, tenth) => write!(f, "{whole}.{tenth} s"),
        }
    }
}

/// Returns a failed connection attempt to `peer`.
pub(super) fn connecting(error: &io::Error, peer: &dyn fmt::Display) -> Failure {
    use io::ErrorKind as K;
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE | Errno::ENFILE) => return no_files(peer),
        Some(Errno::ENOBUFS | Errno::ENOMEM) => {
            return Failure::ours(
                Ours::Memory,
                format!("the kernel has no memory for a connection to {peer}: {error}"),
            );
        }
        Some(Errno::EPERM) => {
            let words = format!("a firewall on the watchdog's own machine forbids connections to {peer}");
            return Failure::ours(Ours::Firewall, words);
        }
        _ => {}
    }
    let (reason, words) = match error.kind() {
        K::ConnectionRefused => (Reason::Refused, format!("connection refused by {peer}: nothing listens there")),
        K::ConnectionReset | K::ConnectionAborted => (Reason::Refused, format!("connection reset by {peer}")),
        K::HostUnreachable => (Reason::Unreachable, format!("no route to the host {peer}")),
        K::NetworkUnreachable | K::NetworkDown => {
            (Reason::Unreachable, format!("the network of {peer} can't be reached from here"))
        }
        // EACCES: what Linux makes of ICMP's "administratively prohibited", and of a `prohibit` route.
        K::PermissionDenied => (
            Reason::Unreachable,
            format!("a firewall on the way to {peer}, or a route of the watchdog's machine, forbids connections"),
        ),
        K::AddrNotAvailable => {
            return Failure::ours(Ours::Ports, format!("no local address or port is left to reach {peer} from"));
        }
        K::TimedOut => (Reason::Timeout, format!("no TCP answer from {peer}")),
        _ => (Reason::Unreachable, format!("can't connect to {peer}: {error}")),
    };
    Failure::new(reason, words)
}

/// No file descriptor for a connection to `peer`.
pub(super) fn no_files(peer: &dyn fmt::Display) -> Failure {
    Failure::ours(Ours::Files, format!("the watchdog has no file descriptor left to reach {peer} with (ulimit -n)"))
}

/// Returns whether not one more file can be opened: name lookups fail for it, and don't say why.
pub(super) fn out_of_files() -> bool {
    let opened = std::fs::File::open("/dev/null");
    opened.is_err_and(|e| matches!(e.raw_os_error().map(Errno::from_raw), Some(Errno::EMFILE | Errno::ENFILE)))
}

/// Holds what else is known of a connection when it breaks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientAuth {
    /// The server asked for a client certificate.
    pub(super) asked: bool,
    /// We presented one.
    pub(super) presented: bool,
    /// When what we present ended, where it has.
    pub(super) ended: Option<Timestamp>,
    /// We have other credentials for it: API servers ask everybody for a certificate, and want none of who has a token.
    pub(super) others: bool,
}

impl ClientAuth {
    /// A server that hangs up on a certificate that has ended does so for that reason.
    fn refused_as_ended(self, peer: &dyn fmt::Display) -> Option<Failure> {
        let ended = self.ended.filter(|_| self.asked && self.presented)?;
        let on = ended.strftime("%Y-%m-%d %H:%M UTC");
        Some(Failure::new(Reason::Auth, format!("{peer} refuses our client certificate: it expired on {on}")))
    }
}

/// A TLS alert by which `peer` ended the connection.
fn alerted(alert: AlertDescription, peer: &dyn fmt::Display, auth: ClientAuth) -> Failure {
    use AlertDescription as A;
    let refuses = |why: String| Failure::new(Reason::Auth, format!("{peer} refuses our client certificate{why}"));
    let words = match alert {
        A::CertificateRequired => {
            let words = format!("{peer} wants a client certificate (TLS alert: certificate required)");
            return Failure::new(Reason::Auth, words);
        }
        A::BadCertificate | A::HandshakeFailure | A::AccessDenied if auth.asked && !auth.presented => {
            return Failure::new(Reason::Auth, format!("{peer} wants a client certificate, and there is none for it"));
        }
        A::CertificateExpired | A::BadCertificate | A::CertificateUnknown | A::HandshakeFailure
            if auth.ended.is_some() && auth.presented =>
        {
            return auth.refused_as_ended(peer).unwrap_or_else(|| refuses(": it has expired".to_owned()));
        }
        A::CertificateExpired if auth.presented => return refuses(": it has expired".to_owned()),
        A::UnknownCA if auth.presented => return refuses(": it does not know the CA that signed it".to_owned()),
        A::BadCertificate
        | A::CertificateUnknown
        | A::CertificateRevoked
        | A::UnsupportedCertificate
        | A::AccessDenied
            if auth.presented =>
        {
            return refuses(format!(" (TLS alert: {alert:?})"));
        }
        A::NoApplicationProtocol => return http2_only(peer),
        A::ProtocolVersion | A::HandshakeFailure | A::InsufficientSecurity => {
            format!("{peer} and dogwatch have no TLS version or cipher in common (TLS alert: {alert:?})")
        }
        A::UnrecognisedName => format!("{peer} does not know the name that it was asked for (SNI)"),
        _ => format!("{peer} ended the TLS handshake (alert: {alert:?})"),
    };
    Failure::new(Reason::Tls, words)
}

/// Says that `peer` speaks HTTP/2 and nothing else: no API server does, some balancers do.
pub(super) fn http2_only(peer: &dyn fmt::Display) -> Failure {
    let words = format!(
        "{peer} speaks HTTP/2 only: what answers in front of the API server passes on no HTTP/1.1, by which dogwatch asks"
    );
    Failure::new(Reason::Foreign, words)
}

/// A rustls error that is not about the server's certificate.
fn tls(error: &rustls::Error, peer: &dyn fmt::Display, auth: ClientAuth) -> Failure {
    match error {
        rustls::Error::AlertReceived(alert) => alerted(*alert, peer, auth),
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            Failure::new(Reason::Tls, format!("{peer} answers, but does not speak TLS (plain HTTP?)"))
        }
        other => Failure::new(Reason::Tls, format!("the TLS handshake with {peer} failed: {other}")),
    }
}

/// The rustls error inside, if there is one.
fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next: Option<&'a (dyn Error + 'static)> = Some(error);
    while let Some(e) = next {
        if let Some(tls) = e.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        if let Some(tls) = e.downcast_ref::<io::Error>().and_then(io::Error::get_ref).and_then(|i| i.downcast_ref()) {
            return Some(tls);
        }
        next = e.source();
    }
    None
}

/// Returns an error of the handshake, before any request.
pub(super) fn handshake(error: &io::Error, peer: &dyn fmt::Display, auth: ClientAuth) -> Failure {
    match find_tls(error) {
        Some(e) => tls(e, peer, auth),
        None => auth.refused_as_ended(peer).unwrap_or_else(|| {
            Failure::new(Reason::Refused, format!("{peer} accepted the connection and closed it in the TLS handshake"))
        }),
    }
}

/// Returns an error between the request and the answer's headers.
pub(super) fn answering(error: &hyper::Error, peer: &dyn fmt::Display, auth: ClientAuth) -> Failure {
    if let Some(e) = find_tls(error) {
        return tls(e, peer, auth);
    }
    if error.is_parse() {
        return Failure::new(Reason::Body, format!("what {peer} answers is not HTTP"));
    }
    // TLS 1.3 servers refuse a client certificate after the handshake, and their alert is often lost to a reset.
    if let Some(refused) = auth.refused_as_ended(peer) {
        return refused;
    }
    if auth.asked && !auth.presented && !auth.others {
        let words =
            format!("{peer} asked for a client certificate, which there is none for, and closed the connection");
        return Failure::new(Reason::Auth, words);
    }
    let after = if auth.presented { ", after our client certificate was presented" } else { "" };
    Failure::new(Reason::Refused, format!("{peer} accepted the connection and closed it without an answer{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_a_connection_is_ours_or_theirs() {
        fn check(errno: Errno, reason: Reason, ours: Option<&Ours>, words: &str) {
            let failure = connecting(&io::Error::from_raw_os_error(errno as i32), &"10.0.0.1:6443");
            assert_eq!((failure.reason, failure.ours.as_ref()), (reason, ours), "{errno}");
            assert!(failure.message.contains(words), "{errno}: {}", failure.message);
        }
        check(Errno::EPERM, Reason::Local, Some(&Ours::Firewall), "on the watchdog's own machine");
        check(Errno::EACCES, Reason::Unreachable, None, "a firewall on the way to 10.0.0.1:6443");
        check(Errno::EHOSTUNREACH, Reason::Unreachable, None, "no route to the host");
        check(Errno::ECONNREFUSED, Reason::Refused, None, "nothing listens there");
        check(Errno::EMFILE, Reason::Local, Some(&Ours::Files), "no file descriptor");
        check(Errno::ENOBUFS, Reason::Local, Some(&Ours::Memory), "no memory");
        check(Errno::EADDRNOTAVAIL, Reason::Local, Some(&Ours::Ports), "no local address or port");
    }
}
