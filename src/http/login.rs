//! Who asks: a name and a password, a token, a trusted proxy's word, a session, a certificate; and whether they may (`access`). Adds the
//! headers of `web_config`.
//!
//! What a proxy would say of who asks is taken out of every request, from wherever it comes. Handlers learn who it is by
//! [`Asker`](super::asker::Asker); passwords and tokens go no further than here.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{Web, access, asker::Asker, audit, sign_in};
use crate::login::{Caller, Door, Known, Need, Peer, Shown, Vouched};

/// Returns the middleware.
pub async fn ask(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let nowhere = Peer { address: Ipv4Addr::UNSPECIFIED.into(), certificate: None };
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or(nowhere);
    let proxies = &web.door.auth.proxies;
    let address = proxies.client(request.headers(), peer.address);
    let vouched = proxies.take(request.headers_mut(), peer.address);
    let mut need = access::need(request.method(), request.uri().path());
    if sign_in::asks_for_password(&request) {
        need = Need::Read;
    }
    let mut response = match identify(&web, request.headers(), need, vouched, peer, address).await {
        Known::As(caller) if caller.may(need) => {
            request.extensions_mut().insert(Asker::new(caller, address));
            next.run(request).await
        }
        Known::As(caller) => {
            let text = format!(
                "{:?} may not do this: it needs {}; see auth in the configuration.\n",
                caller.name,
                need.words()
            );
            (StatusCode::FORBIDDEN, text).into_response()
        }
        Known::Unknown => {
            // A browser asks without a password first: only one that was given was refused.
            if request.headers().contains_key(header::AUTHORIZATION) {
                audit::refused_login(&web, address).await;
            }
            sign_in::page_for(&web, &request).unwrap_or_else(|| unknown(&web.door))
        }
        Known::Busy => {
            let text = "Too many passwords are being checked: try again.\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
        Known::TooMany(wait) => {
            audit::refused_login(&web, address).await;
            let seconds = wait.as_secs() + 1;
            let text = format!("Too many wrong passwords came from {address}: try again in {seconds} s.\n");
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)], text).into_response()
        }
    };
    for (name, value) in &web.door.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

async fn identify(
    web: &Web,
    headers: &HeaderMap,
    need: Need,
    vouched: Option<Vouched>,
    peer: Peer,
    address: IpAddr,
) -> Known {
    if let Some(token) = bearer(headers) {
        if let Some(caller) = web.door.auth.tokens.find(token) {
            return Known::As(caller);
        }
        if need == Need::AlertsIn
            && let Ok(Some(cluster)) = web.heartbeats.cluster_of(Some(token)).await
        {
            return Known::As(Caller::cluster(&*cluster));
        }
    }
    if need == Need::Nothing {
        return Known::As(Caller::stranger());
    }
    let (password, certificate) = (name_and_password(headers), peer.certificate);
    let session = sign_in::session(web, headers);
    web.door.identify(Shown { password, address: Some(address), vouched, certificate, session }).await
}

fn unknown(door: &Door) -> Response {
    let passwords = door.users.are_asked();
    let mut ways = Vec::new();
    if passwords {
        ways.push("a name and a password: those of basic_auth_users in its web_config");
    }
    if !door.auth.tokens.is_empty() {
        ways.push("a token: Authorization: Bearer …, see auth.tokens in its configuration");
    }
    if door.auth.proxies.vouch() {
        ways.push("the word of a proxy in front: see auth.proxy_header in its configuration");
    }
    if door.auth.oidc.is_some() {
        ways.push("a login by a page: see /login and auth.oidc in its configuration");
    }
    let text = format!("dogwatch asks for {}.\n", ways.join("; or for "));
    let scheme = if passwords { "Basic realm=\"dogwatch\"" } else { "Bearer realm=\"dogwatch\"" };
    let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme))];
    (StatusCode::UNAUTHORIZED, challenge, text).into_response()
}

/// The token of a request (RFC 6750, section 2.1).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|_| scheme.eq_ignore_ascii_case("bearer"))
}

/// RFC 7617.
fn name_and_password(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_as_browsers_send_them() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, text.parse().unwrap())]);
            let found = name_and_password(&headers);
            assert_eq!(found.as_ref().map(|(n, p)| (n.as_str(), p.as_str())), expected, "{text}");
        };
        check("Basic YWRhOnA6dw==", Some(("ada", "p:w")));
        check("basic YWRhOg==", Some(("ada", "")));
        for none in ["", "Basic", "Basic !", "Basic YWRh", "Bearer YWRhOnA6dw==", "Basic //8="] {
            check(none, None);
        }
    }
}
