use super::*;

fn tree(yaml: &str) -> Result<Tree, (String, String)> {
    let config: RouteConfig = serde_saphyr::from_str(yaml).unwrap();
    let receivers = ["ops", "db", "boss", "pager"].into_iter().collect();
    let intervals = ["nights"].into_iter().collect();
    Tree::new(&config, &Known { receivers: &receivers, intervals: &intervals })
}

fn labels(text: &str) -> Pairs {
    text.split_whitespace().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
}

const NESTED: &str = r#"
receiver: ops
group_by: [cluster]
group_wait: 10s
escalation: [{after: 10m, receiver: boss}]
routes:
- matchers: ['severity="critical"']
  receiver: pager
  continue: true
  routes:
  - match: {team: db}
    receiver: db
    group_by: ['...']
    repeat_interval: 1h
- match_re: {team: db|cache}
  receiver: db
  mute_time_intervals: [nights]
"#;

#[test]
fn the_first_child_that_matches_wins_unless_it_says_continue() {
    let tree = tree(NESTED).unwrap();
    let check = |text: &str, expected: &[&str]| {
        let found = tree.matches(&labels(text));
        let names: Vec<&str> = found.iter().map(|r| &*r.receiver).collect();
        assert_eq!(names, expected, "{text}");
    };
    check("", &["ops"]);
    check("severity=critical", &["pager"]);
    check("severity=critical team=db", &["db", "db"]);
    check("severity=critical team=cache", &["pager", "db"]);
    check("team=cache", &["db"]);
    check("team=web", &["ops"]);
}

#[test]
fn what_a_route_does_not_say_it_takes_from_its_parent() {
    let tree = tree(NESTED).unwrap();
    let alert = labels("severity=critical team=db cluster=prod instance=a");
    let found = tree.matches(&alert);
    assert_eq!(&*found[0].key, r#"{}/{severity="critical"}/{team="db"}"#);
    assert_eq!((found[0].timers.group_wait.as_secs(), found[0].timers.repeat_interval.as_secs()), (10, 3_600));
    assert_eq!(found[0].group(&alert).labels.len(), 4);
    assert_eq!(found[1].group(&alert).labels, labels("cluster=prod"));
    assert_eq!((found[1].mute.len(), found[1].escalation.len()), (1, 1));
    assert_eq!((&*found[0].place, &*found[1].place), ("0/0", "1"));
    assert_eq!(receivers(&found).len(), 1);
}

#[test]
fn what_can_not_work_is_said_with_its_path() {
    let check = |yaml: &str, at: &str, words: &str| {
        let (path, message) = tree(yaml).unwrap_err();
        assert!(path == at && message.contains(words), "{path}: {message}");
    };
    check("{matchers: ['a=b'], receiver: ops}", "route", "must not have any matchers");
    check("{routes: []}", "route", "must specify a receiver");
    check("{receiver: nobody}", "route.receiver", "there are: boss, db, ops, pager");
    check("{receiver: ops, routes: [{}, {receiver: x}]}", "route.routes[1].receiver", "no receiver \"x\"");
    check("{receiver: ops, routes: [{mute_time_intervals: [x]}]}", "route.routes[0].mute_time_intervals", "undefined");
    check("{receiver: ops, group_by: [a, a]}", "route.group_by", "duplicated");
    check("{receiver: ops, group_by: ['...', a]}", "route.group_by", "wildcard");
    check("{receiver: ops, routes: [{matchers: ['a=~(']}]}", "route.routes[0].matchers", "error parsing regexp");
    check("{receiver: ops, group_interval: 0s}", "route.group_interval", "cannot be zero");
    check("{receiver: ops, escalation: [{after: 1m, receiver: x}]}", "route.escalation[0].receiver", "no receiver");
}

#[test]
fn a_group_finds_its_route_by_its_place_and_after_a_change_by_its_words() {
    let twins = tree(
        "{receiver: ops, routes: [{receiver: db, continue: true}, {receiver: pager, continue: true}, {receiver: db}]}",
    );
    let twins = twins.unwrap();
    let groups: Vec<Group> =
        twins.matches(&labels("cluster=a")).iter().map(|r| r.group(&labels("cluster=a"))).collect();
    let places: Vec<&str> = groups.iter().map(|g| &*g.place).collect();
    assert_eq!(places, ["0", "1", "2"]);
    assert!(groups[0].is_twin(&groups[2]) && !groups[0].is_twin(&groups[1]));
    let check = |tree: &Tree, group: &Group, place: Option<&str>| {
        assert_eq!(tree.of_group(group).map(|r| &*r.place), place, "{group:?}");
    };
    groups.iter().for_each(|g| check(&twins, g, Some(&g.place)));
    let old = Group { place: "".into(), ..groups[1].clone() };
    check(&twins, &old, Some("1"));
    let moved = tree("{receiver: ops, routes: [{receiver: boss, match: {a: b}}, {receiver: pager}]}").unwrap();
    check(&moved, &groups[1], Some("1"));
    check(&moved, &groups[0], Some("1"));
    check(&tree("{receiver: ops}").unwrap(), &groups[1], None);
}
