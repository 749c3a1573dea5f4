//! From errors of sockets, TLS and HTTP to typed reasons in plain words.

use std::{error::Error as StdError, io, time::Duration};

use rustls::AlertDescription;

use crate::model::{Failure, Reason};

/// The whole chain of causes, outermost first.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    fn next<'a>(error: &&'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
        let error: &'a (dyn StdError + 'static) = *error;
        // An io::Error hides the error that it carries behind `get_ref`.
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        carried.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source())
    }
    std::iter::successors(Some(error), next)
}

/// Why a TCP connection to `place` could not be made.
pub fn connect(error: &io::Error, place: &str) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Failure::new(Reason::Refused, format!("connection refused by {place}: nothing listens there"))
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            Failure::new(Reason::Refused, format!("connection reset by {place}"))
        }
        io::ErrorKind::HostUnreachable => Failure::new(Reason::Unreachable, format!("no route to host {place}")),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            Failure::new(Reason::Unreachable, format!("the network of {place} can't be reached from here"))
        }
        io::ErrorKind::TimedOut => Failure::new(Reason::Timeout, format!("no TCP answer from {place}")),
        _ => Failure::new(Reason::Unreachable, format!("no connection to {place}: {error}")),
    }
}

/// Why a conversation over an open connection broke off; `doing` completes "while …".
pub fn broken(error: &(dyn StdError + 'static), place: &str, doing: &str) -> Failure {
    for cause in causes(error) {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return handshake(tls, place);
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                    return Failure::new(Reason::Refused, format!("{place} reset the connection while {doing}"));
                }
                io::ErrorKind::UnexpectedEof => {
                    return Failure::new(Reason::Refused, format!("{place} closed the connection while {doing}"));
                }
                io::ErrorKind::TimedOut => {
                    return Failure::new(Reason::Timeout, format!("{place} went silent while {doing}"));
                }
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    return Failure::new(Reason::Unreachable, format!("the way to {place} was lost while {doing}"));
                }
                _ => {}
            }
        }
        if let Some(http) = cause.downcast_ref::<hyper::Error>() {
            if http.is_incomplete_message() || http.is_canceled() || http.is_closed() {
                return Failure::new(Reason::Refused, format!("{place} closed the connection while {doing}"));
            }
            if http.is_parse() {
                return Failure::new(Reason::Body, format!("{place} does not speak HTTP"));
            }
        }
    }
    Failure::new(Reason::Body, format!("{place} broke off while {doing}: {error}"))
}

/// Why a TLS handshake failed, where the certificate itself was not the reason.
pub fn handshake(error: &rustls::Error, place: &str) -> Failure {
    let why = match error {
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("{place} wants a client certificate and was given none")
        }
        rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate,
        ) => format!("{place} does not accept our client certificate"),
        rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => {
            format!("{place} says that our client certificate has expired")
        }
        rustls::Error::AlertReceived(alert) => format!("{place} ended the TLS handshake with alert {alert:?}"),
        rustls::Error::InvalidMessage(_) => format!("{place} does not speak TLS on this port"),
        other => format!("the TLS handshake with {place} failed: {other}"),
    };
    Failure::new(Reason::Tls, why)
}

/// `5 s`, `800 ms`.
pub fn seconds(d: Duration) -> String {
    if d.as_millis() >= 1_000 && d.subsec_millis() < 50 {
        format!("{} s", d.as_secs())
    } else if d.as_millis() >= 1_000 {
        format!("{:.1} s", d.as_secs_f64())
    } else {
        format!("{} ms", d.as_millis())
    }
}
