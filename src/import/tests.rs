//! Words of other tools in ours, one by one.

use super::{
    draft::{name, quoted},
    gatus_condition::{Of, condition},
};
use crate::check::condition::Condition;

#[test]
fn conditions_of_gatus() {
    let check = |text: &str, kind: &str, expected: &str| match condition(text, kind) {
        Of::Answer(said) => {
            assert_eq!(said, expected, "{text}");
            assert!(Condition::read(&said).is_ok(), "{text}: {said}");
        }
        other => panic!("{text}: {other:?}"),
    };
    check("[STATUS] == 200", "http", "status == 200");
    check("[STATUS] == any(200, 429)", "http", "status in [200, 429]");
    check("[RESPONSE_TIME] < 500", "icmp", "time < 500ms");
    check("[BODY].user.name == john", "http", "json $.user.name == \"john\"");
    check("[BODY].n <= 5", "http", "json $.n <= 5");
    check("[BODY][0].id == 1", "http", "json $[0].id == 1");
    check("[BODY].data['a==b'] == true", "http", "json $.data['a==b'] == true");
    check("[BODY].first-name == pat(jo*n?)", "http", "json $['first-name'] ~ \"^jo(?s:.*)n(?s:.)$\"");
    check("has([BODY].errors) == true", "http", "json $.errors exists");
    check("has([BODY].errors) == false", "http", "json $.errors !~ \"\"");
    check("[BODY] == pat(*a.b*)", "tcp", "banner ~ \"a\\.b\"");
    check("[BODY] == say \"hi\"", "http", "body == \"say \\\"hi\\\"\"");
    check("[DNS_RCODE] == NXDOMAIN", "dns", "rcode == NXDOMAIN");
    check("[CERTIFICATE_EXPIRATION] > 48h", "tls", "cert > 48h");
    assert_eq!(condition("[CONNECTED] == true", "tcp"), Of::Nothing);
    assert_eq!(condition("[DOMAIN_EXPIRATION] > 720h", "http"), Of::Domain("expiry > 720h".to_owned()));
    for lost in ["[IP] == 1.2.3.4", "len([BODY].x) == 3", "nonsense", "[STATUS] != any(1, 2)", "[CONNECTED] == false"] {
        assert!(matches!(condition(lost, "http"), Of::Lost(_)), "{lost}");
    }
}

#[test]
fn names_are_names_of_checks() {
    let check = |text: &str, expected: &str| assert_eq!(name(text), expected, "{text}");
    check("Shop (front) / EU", "Shop-front-EU");
    check("https://a.b:1/", "https-a.b-1");
    check("etcd", "etcd-check");
    check("äöü", "check");
    check(&"x".repeat(300), &"x".repeat(92));
}

#[test]
fn expressions_are_quoted_as_the_language_reads_them() {
    let check = |expression: &str, answer: &str| {
        let condition = Condition::read(&format!("body ~ \"{}\"", quoted(expression))).unwrap();
        let seen = crate::check::condition::Seen::of_body(answer.to_owned().into());
        assert!(condition.judge(&seen).is_ok(), "{expression}: {condition}");
    };
    check(r#"say "hi""#, r#"say "hi""#);
    check(r#"say \"hi\""#, r#"say "hi""#);
    check(r"a\.b", "a.b");
    check(r"a\\b", r"a\b");
    check(r#"\\""#, r#"\""#);
}
