//! Who asks, as handlers see it.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
};

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::login::Caller;

/// Who asks, and from where.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Who.
    pub caller: Caller,
    /// From which address.
    pub address: IpAddr,
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Every route is behind `ask`; without it nobody would have any right.
        let nobody = || Self { caller: Caller::stranger(), address: Ipv4Addr::UNSPECIFIED.into() };
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(nobody))
    }
}
