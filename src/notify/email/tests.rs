use super::*;
use crate::notify::example;

fn email(yaml: &str) -> Email {
    let config: EmailConfig = serde_saphyr::from_str(yaml).unwrap();
    let global = GlobalConfig { smtp_from: Some("Dogwatch <watch@example.org>".into()), ..GlobalConfig::default() };
    let library = crate::notify::default_library().unwrap();
    Email::new(&global, &config, "ops", Check { at: "here", library: &library }).unwrap()
}

fn formatted(n: &Notification) -> String {
    let email = email("{to: 'a@example.org, Bee <b@example.org>', smarthost: 'mail:25', headers: {X-Team: ops}}");
    String::from_utf8(email.message(n).unwrap().0.formatted()).unwrap()
}

fn header<'a>(message: &'a str, name: &str) -> Vec<&'a str> {
    let head = message.split("\r\n\r\n").next().unwrap();
    head.split("\r\n").filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

#[test]
fn one_incident_is_one_thread() {
    let (first, last) = (formatted(&example::opened()), formatted(&example::resolved()));
    let id = "<incident-12-0.k3j9x2@dogwatch.example.org>";
    assert_eq!(header(&first, "Message-ID"), [id]);
    assert!(header(&first, "References").is_empty());
    assert_eq!(header(&last, "Message-ID"), ["<incident-12-1.k3j9x2@dogwatch.example.org>"]);
    assert_eq!(header(&last, "In-Reply-To"), [id]);
    assert_eq!(header(&last, "References"), [id]);
}

#[test]
fn headers() {
    let message = formatted(&example::opened());
    let one = |name| header(&message, name).join("|");
    assert_eq!(one("Subject"), "[prod] etcd has lost quorum: 2 of 3 members down");
    assert_eq!(one("From"), "Dogwatch <watch@example.org>");
    assert_eq!(one("To"), "a@example.org, Bee <b@example.org>");
    assert_eq!(one("Date"), "Mon, 23 Nov 2026 14:02:15 +0000");
    assert_eq!(one("Auto-Submitted"), "auto-generated");
    assert_eq!(one("X-Dogwatch-Incident"), "12");
    assert_eq!(one("X-Team"), "ops");
}

#[test]
fn nothing_from_outside_adds_a_header() {
    let mut n = example::opened();
    let evil = "x\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script>";
    n.incident.headline = evil.into();
    n.incident.cluster = "p\r\nX-Evil: 1".into();
    n.incident.alerts[0].finding.evidence = vec![evil.into()];
    n.external_labels.insert("a".into(), evil.into());
    let message = formatted(&n);
    assert!(header(&message, "Bcc").is_empty() && header(&message, "X-Evil").is_empty(), "{message}");
    let (_, html) = parts(&n, &Voice::default()).unwrap();
    assert!(!html.contains("<script>"), "{html}");
}

#[test]
fn text_of_opened_and_resolved() {
    insta::assert_snapshot!(parts(&example::opened(), &Voice::default()).unwrap().0);
    insta::assert_snapshot!(parts(&example::resolved(), &Voice::default()).unwrap().0);
}

#[test]
fn html_of_opened_and_resolved() {
    insta::assert_snapshot!(parts(&example::opened(), &Voice::default()).unwrap().1);
    insta::assert_snapshot!(parts(&example::resolved(), &Voice::default()).unwrap().1);
}

#[test]
fn smarthosts() {
    let check = |text: &str, expected: Option<(&str, u16)>| {
        assert_eq!(host_port(text), expected.map(|(h, p)| (h.to_owned(), p)), "{text}");
    };
    check("mail.example.org:587", Some(("mail.example.org", 587)));
    check("[2001:db8::1]:25", Some(("2001:db8::1", 25)));
    check("mail.example.org", None);
    check("mail.example.org:0", None);
    check("a:b:25", None);
    check(":25", Some(("localhost", 25)));
    check("mail.example.org:submission", Some(("mail.example.org", 587)));
    check("mail.example.org:nope", None);
}

#[test]
fn a_password_never_goes_in_the_clear_to_another_machine() {
    let check = |host: &str, auth: &str, expected| {
        let email = email(&format!("{{to: a@b.c, smarthost: '{host}:25', require_tls: false{auth}}}"));
        assert_eq!(email.require_tls, expected, "{host} {auth}");
    };
    check("mail", "", false);
    check("mail", ", auth_username: u, auth_password: p", true);
    check("localhost", ", auth_username: u, auth_password: p", false);
}

#[test]
fn recipients_and_headers_may_be_templates() {
    let written =
        |yaml: &str| String::from_utf8(email(yaml).message(&example::opened()).unwrap().0.formatted()).unwrap();
    let mail = written(
        "{to: '{{ .CommonLabels.cluster }}@example.org, b@example.org', from: '{{ .Status }}@example.org', smarthost: 'mail:smtp', headers: {To: everybody, Auto-Submitted: 'no', Message-ID: '<1@x>'}, html: '', text: ''}",
    );
    let one = |name| header(&mail, name).join("|");
    assert_eq!((one("To").as_str(), one("From").as_str()), ("everybody", "firing@example.org"));
    assert_eq!((one("Auto-Submitted").as_str(), one("Message-ID").as_str()), ("no", "<1@x>"));
    let mail =
        email("{to: '{{ .CommonLabels.cluster }}@example.org, b@example.org', smarthost: 'mail:25', headers: {To: x}}");
    let envelope =
        mail.message(&example::opened()).unwrap().0.envelope().to().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(envelope, ["prod@example.org", "b@example.org"]);
    let none = email("{to: '{{ .CommonLabels.nobody }}', smarthost: 'mail:25'}").message(&example::opened());
    assert!(none.unwrap_err().starts_with("to: "));
}

#[test]
fn one_group_may_be_one_thread() {
    let root = |by: &str, n: &Notification| {
        let email =
            email(&format!("{{to: a@b.c, smarthost: 'mail:25', threading: {{enabled: true, thread_by_date: {by}}}}}"));
        let mail = String::from_utf8(email.message(n).unwrap().0.formatted()).unwrap();
        assert_eq!(header(&mail, "References"), header(&mail, "In-Reply-To"));
        header(&mail, "References").join("")
    };
    let n = example::opened();
    assert!(root("daily", &n).ends_with("-2026-11-23@dogwatch.example.org>"), "{}", root("daily", &n));
    assert!(root("none", &n).ends_with("-@dogwatch.example.org>"));
    assert_eq!(root("none", &n), root("none", &example::resolved()));
}
