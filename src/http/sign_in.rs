//! People log in by a page, at the issuer that the configuration names (`login::oidc`), and out. What came of it is in the
//! audit log; pages never say what an issuer said.
//!
//! A session's name is in a cookie that no script reads and no page of another site has sent along with a post. Whoever is not
//! logged in and asks for a page gets the page to log in; programs are told so in words.

use std::net::Ipv4Addr;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use url::{Url, form_urlencoded};

use super::{Web, api_v1::Params, asker::Asker, audit, lost, page, page_answer};
use crate::login::{Begun, Caller, LOGIN_WITHIN, Oidc, Proof, Session, Trouble, csrf};

/// Whose session it is.
const SESSION: &str = "dogwatch_session";
/// A login on its way.
const BEGUN: &str = "dogwatch_login";
/// What an issuer says why it let nobody in is a word (RFC 6749, section 4.1.2.1) of so many bytes at the most.
const WORD_MAX: usize = 40;

/// Returns the paths.
pub fn router() -> Router<Web> {
    Router::new()
        .route("/login", get(shown))
        .route("/login/start", get(start))
        .route("/login/callback", get(callback))
        .route("/logout", post(logout))
}

/// The session that a request shows, where it holds here and now.
pub fn session(web: &Web, headers: &HeaderMap) -> Option<Session> {
    let oidc = web.door.auth.oidc.as_ref()?;
    let now = web.clock.wall();
    let found = cookies(headers, SESSION).find_map(|name| web.sessions.find(name, now));
    found.filter(|session| session.issuer == oidc.issuer())
}

/// Whether a login by password is asked for, which a browser asks for in a way of its own.
pub fn asks_for_password(request: &Request) -> bool {
    request.uri().path() == "/login" && request.uri().query() == Some("by=password")
}

/// For whoever is not known and looks at a page: the page to log in, which leads back to this one.
pub fn page_for(web: &Web, request: &Request) -> Option<Response> {
    web.door.auth.oidc.as_ref().filter(|_| *request.method() == Method::GET)?;
    let accepts = request.headers().get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    let is_page = !asks_for_password(request) && accepts.into_iter().any(|v| v.contains("text/html"));
    let back = request.uri().path_and_query().map_or("/", |p| p.as_str());
    is_page.then(|| (StatusCode::UNAUTHORIZED, login_page(web, back, "")).into_response())
}

fn login_page(web: &Web, back: &str, trouble: &str) -> Response {
    let frame = web.frame(&Asker::new(Caller::stranger(), Ipv4Addr::UNSPECIFIED.into())).still();
    let host = web.door.auth.oidc.as_ref().map_or("", |oidc| oidc.host());
    let back = form_urlencoded::Serializer::new(String::new()).append_pair("to", back).finish();
    page_answer(page::login(&frame, host, &format!("/login/start?{back}"), web.door.users.are_asked(), trouble))
}

/// Where the issuer sends a browser back to.
fn redirect(web: &Web) -> String {
    format!("{}/login/callback", web.external_url.trim_end_matches('/'))
}

/// `Path` and the rest of a cookie of ours; `Secure` where it is reached by https.
fn cookie(web: &Web, name: &str, value: &str, seconds: u64) -> Option<HeaderValue> {
    let root = page::root(&web.external_url);
    let by_https = web.door.tls.is_some() || Url::parse(&web.external_url).is_ok_and(|url| url.scheme() == "https");
    let secure = if by_https { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path={root}/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).ok()
}

/// The values of a cookie; a page of a neighbouring name may have set others.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    pairs.filter_map(move |pair| pair.trim().split_once('=').filter(|(n, _)| *n == name).map(|(_, value)| value))
}

fn no_pages(web: &Web, asker: &Asker) -> Response {
    lost(web, asker, "Nobody logs in by a page here: auth.oidc is not in the configuration.")
}

async fn shown(State(web): State<Web>, asker: Asker, params: Params) -> Response {
    // Whoever comes here by their password has just shown it.
    if web.door.auth.oidc.is_none() || !asker.caller.name.is_empty() {
        return match asker.caller.name.is_empty() {
            true => no_pages(&web, &asker),
            false => Redirect::to(&format!("{}/", page::root(&web.external_url))).into_response(),
        };
    }
    let back = if params.text("to").is_empty() { "/" } else { params.text("to") };
    login_page(&web, back, "")
}

async fn start(State(web): State<Web>, asker: Asker, params: Params) -> Response {
    let Some(oidc) = web.door.auth.oidc.clone() else { return no_pages(&web, &asker) };
    let begun = Begun::new(params.text("to"), web.clock.wall());
    let going = match begun {
        Ok(begun) => oidc.address(&begun, &redirect(&web)).await.map(|address| (begun, address)),
        Err(why) => Err(Trouble::Refused(why)),
    };
    match going.map(|(begun, address)| (begun.cookie(), address)) {
        Ok((Ok(kept), address)) => {
            let mut answer = Redirect::to(&address).into_response();
            answer
                .headers_mut()
                .extend(cookie(&web, BEGUN, &kept, LOGIN_WITHIN.as_secs()).map(|v| (header::SET_COOKIE, v)));
            answer
        }
        Ok((Err(why), _)) => troubled(&web, &asker, &oidc, &Trouble::Refused(why), params.text("to")).await,
        Err(trouble) => troubled(&web, &asker, &oidc, &trouble, params.text("to")).await,
    }
}

/// The page to log in, with why nobody is; the issuer's own words are in the log.
async fn troubled(web: &Web, asker: &Asker, oidc: &Oidc, trouble: &Trouble, back: &str) -> Response {
    let (status, words) = match trouble {
        Trouble::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many log in at once: try again.".to_owned()),
        Trouble::Unreachable(why) => {
            tracing::warn!(issuer = oidc.issuer(), error = %why, "nobody can log in: the issuer can't be asked");
            let words = "does not answer as it should; the watchdog's log says why. Who is logged in stays so, and tokens and \
                         passwords still work.";
            (StatusCode::SERVICE_UNAVAILABLE, format!("{} {words}", oidc.host()))
        }
        Trouble::Refused(why) => {
            tracing::warn!(issuer = oidc.issuer(), error = %why, "a login was not believed");
            audit::refused_login(web, asker.address).await;
            (StatusCode::FORBIDDEN, "This login could not be believed: begin anew. The watchdog's log says why.".into())
        }
    };
    (status, login_page(web, if back.is_empty() { "/" } else { back }, &words)).into_response()
}

async fn callback(State(web): State<Web>, asker: Asker, headers: HeaderMap, params: Params) -> Response {
    let Some(oidc) = web.door.auth.oidc.clone() else { return no_pages(&web, &asker) };
    let now = web.clock.wall();
    let refused = |why: &str| Trouble::Refused(why.to_owned());
    // The browser that comes back is the one that was sent: otherwise somebody could be logged in as somebody else.
    let mut begun = cookies(&headers, BEGUN).filter_map(|kept| Begun::read(kept, now));
    let Some(begun) = begun.find(|begun| begun.is(params.text("state"))) else {
        return troubled(&web, &asker, &oidc, &refused("no login of this browser has this state"), "/").await;
    };
    let issuer = params.text("iss");
    if !issuer.is_empty() && issuer != oidc.issuer() {
        return troubled(&web, &asker, &oidc, &refused("it comes from another issuer"), &begun.back).await;
    }
    if !params.text("error").is_empty() {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let word: String = params.text("error").chars().filter(|c| plain(*c)).take(WORD_MAX).collect();
        let why = format!("the issuer let nobody in: {word}");
        return troubled(&web, &asker, &oidc, &Trouble::Refused(why), &begun.back).await;
    }
    let identity = match oidc.who(&begun, params.text("code"), &redirect(&web), now).await {
        Ok(identity) => identity,
        Err(trouble) => return troubled(&web, &asker, &oidc, &trouble, &begun.back).await,
    };
    let (who, subject) = (identity.name.clone(), identity.subject.clone());
    let caller = Caller::person(who.clone(), Proof::Oidc, oidc.role(&identity.groups));
    if caller.may_nothing() {
        let groups = identity.groups.len();
        audit::login(
            &web,
            &caller,
            &asker,
            "refused login",
            subject,
            format!("no role: none of {groups} groups has one"),
        )
        .await;
        let words = format!(
            "{} knows you as {who}, and none of your groups has a role here: see auth.oidc.roles in dogwatch's configuration.",
            oidc.host()
        );
        return (StatusCode::FORBIDDEN, login_page(&web, &begun.back, &words)).into_response();
    }
    let session = Session { issuer: oidc.issuer().to_owned(), identity, until: now + oidc.session() };
    let name = match web.sessions.open(session, now) {
        Ok(name) => name,
        Err(why) => return troubled(&web, &asker, &oidc, &Trouble::Refused(why), &begun.back).await,
    };
    web.store.commit_value(SESSIONS, &web.sessions.text()).await;
    audit::login(&web, &caller, &asker, "login", subject, String::new()).await;
    let mut answer = Redirect::to(&format!("{}{}", page::root(&web.external_url), begun.back)).into_response();
    let kept = [cookie(&web, SESSION, &name, oidc.session().as_secs()), cookie(&web, BEGUN, "", 0)];
    for cookie in kept.into_iter().flatten() {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

/// Under this key the store keeps sessions.
pub const SESSIONS: &str = "sessions";

async fn logout(State(web): State<Web>, asker: Asker, headers: HeaderMap, params: Params) -> Response {
    let Some(session) = session(&web, &headers) else {
        return Redirect::to(&format!("{}/login", page::root(&web.external_url))).into_response();
    };
    let caller = web.door.auth.of_session(&session).unwrap_or_else(Caller::stranger);
    if !csrf::fits(&caller, params.text("csrf")) {
        let what =
            "This form is of no page of dogwatch's that was made for you: load the page anew, and log out there.";
        return (StatusCode::FORBIDDEN, page_answer(page::lost(&web.frame(&asker).still(), what))).into_response();
    }
    for name in cookies(&headers, SESSION) {
        web.sessions.close(name);
    }
    web.store.commit_value(SESSIONS, &web.sessions.text()).await;
    audit::login(&web, &caller, &asker, "logout", session.identity.subject, String::new()).await;
    let mut answer = Redirect::to(&format!("{}/login", page::root(&web.external_url))).into_response();
    answer.headers_mut().extend(cookie(&web, SESSION, "", 0).map(|v| (header::SET_COOKIE, v)));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_name_alone() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; dogwatch_session=x; xdogwatch_session=y"));
        headers.append(header::COOKIE, HeaderValue::from_static("dogwatch_session=z=;dogwatch_session"));
        assert_eq!(cookies(&headers, SESSION).collect::<Vec<_>>(), ["x", "z="]);
        assert_eq!(cookies(&headers, BEGUN).count(), 0);
    }
}
