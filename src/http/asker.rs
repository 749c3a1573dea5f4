//! Who asks, as handlers see it.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
};

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use url::form_urlencoded;

use crate::{login::Caller, words::Language};

/// Who asks, and from where.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Who.
    pub caller: Caller,
    /// From which address.
    pub address: IpAddr,
    /// The language that the address asks for (`?lang=fr`).
    pub asked: Option<Language>,
    /// The one that the browser likes best.
    pub liked: Option<Language>,
}

impl Asker {
    /// Returns one whose languages are not known.
    pub fn new(caller: Caller, address: IpAddr) -> Self {
        Self { caller, address, asked: None, liked: None }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Every route is behind `ask`; without it nobody would have any right.
        let nobody = || Self::new(Caller::stranger(), Ipv4Addr::UNSPECIFIED.into());
        let asker = parts.extensions.get::<Self>().cloned().unwrap_or_else(nobody);
        let query = parts.uri.query().unwrap_or_default();
        let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "lang");
        let accept = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self {
            asked: asked.and_then(|(_, code)| Language::of(&code).ok()),
            liked: accept.and_then(Language::liked),
            ..asker
        })
    }
}
