//! What the operating system, rustls and hyper call an error, as a typed failure in words.

use std::{error::Error, fmt, io, time::Duration};

use rustls::AlertDescription;

use crate::model::{Failure, Reason};

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

/// A failed connection attempt to `peer`.
pub(super) fn connecting(error: &io::Error, peer: &dyn fmt::Display) -> Failure {
    use io::ErrorKind as K;
    let (reason, words) = match error.kind() {
        K::ConnectionRefused => (Reason::Refused, format!("connection refused by {peer}: nothing listens there")),
        K::ConnectionReset | K::ConnectionAborted => (Reason::Refused, format!("connection reset by {peer}")),
        K::HostUnreachable => (Reason::Unreachable, format!("no route to the host {peer}")),
        K::NetworkUnreachable | K::NetworkDown => {
            (Reason::Unreachable, format!("the network of {peer} can't be reached from here"))
        }
        K::PermissionDenied => {
            (Reason::Unreachable, format!("a firewall on this machine forbids connections to {peer}"))
        }
        K::AddrNotAvailable => (Reason::Unreachable, format!("no local address or port left to reach {peer}")),
        K::TimedOut => (Reason::Timeout, format!("no TCP answer from {peer}")),
        _ => (Reason::Unreachable, format!("can't connect to {peer}: {error}")),
    };
    Failure::new(reason, words)
}

/// What else is known of a connection when it breaks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientAuth {
    /// The server asked for a client certificate.
    pub(super) asked: bool,
    /// We presented one.
    pub(super) presented: bool,
}

/// A TLS alert by which `peer` ended the connection.
fn alerted(alert: AlertDescription, peer: &dyn fmt::Display, auth: ClientAuth) -> Failure {
    use AlertDescription as A;
    let words = match alert {
        A::CertificateRequired => format!("{peer} wants a client certificate (TLS alert: certificate required)"),
        A::BadCertificate | A::HandshakeFailure | A::AccessDenied if auth.asked && !auth.presented => {
            format!("{peer} wants a client certificate, and there is none for it")
        }
        A::CertificateExpired if auth.presented => {
            format!("{peer} refuses our client certificate: it has expired")
        }
        A::UnknownCA if auth.presented => {
            format!("{peer} refuses our client certificate: it does not know the CA that signed it")
        }
        A::BadCertificate | A::CertificateUnknown | A::CertificateRevoked | A::UnsupportedCertificate
            if auth.presented =>
        {
            format!("{peer} refuses our client certificate (TLS alert: {alert:?})")
        }
        A::ProtocolVersion | A::HandshakeFailure | A::InsufficientSecurity => {
            format!("{peer} and dogwatch have no TLS version or cipher in common (TLS alert: {alert:?})")
        }
        A::UnrecognisedName => format!("{peer} does not know the name that it was asked for (SNI)"),
        _ => format!("{peer} ended the TLS handshake (alert: {alert:?})"),
    };
    Failure::new(Reason::Tls, words)
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

/// An error of the handshake, before any request.
pub(super) fn handshake(error: &io::Error, peer: &dyn fmt::Display, auth: ClientAuth) -> Failure {
    match find_tls(error) {
        Some(e) => tls(e, peer, auth),
        None => {
            Failure::new(Reason::Refused, format!("{peer} accepted the connection and closed it in the TLS handshake"))
        }
    }
}

/// An error between the request and the answer's headers.
pub(super) fn answering(error: &hyper::Error, peer: &dyn fmt::Display, auth: ClientAuth) -> Failure {
    if let Some(e) = find_tls(error) {
        return tls(e, peer, auth);
    }
    if error.is_parse() {
        return Failure::new(Reason::Body, format!("what {peer} answers is not HTTP"));
    }
    // TLS 1.3 servers refuse a missing client certificate after the handshake, and their alert is often lost to a reset.
    if auth.asked && !auth.presented {
        let words =
            format!("{peer} asked for a client certificate, which there is none for, and closed the connection");
        return Failure::new(Reason::Tls, words);
    }
    let after = if auth.presented { ", after our client certificate was presented" } else { "" };
    Failure::new(Reason::Refused, format!("{peer} accepted the connection and closed it without an answer{after}"))
}
