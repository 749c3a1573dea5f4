use super::*;

/// Prometheus 3.16 was asked each of them.
#[test]
fn what_is_wrong_is_said_in_prometheus_words_at_its_place() {
    let check = |text: &str, want: &str| {
        let error = parse(text).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(want), "{text}");
    };
    let within = |text: &str, place: &str, want: &str| check(text, &format!("{place}: parse error: {want}"));
    within("sum(up))", "1:9", "unexpected right parenthesis ')'");
    within("(up", "1:4", "unclosed left parenthesis");
    within("foo[5m", "1:7", "unclosed left bracket");
    within("foo[5m]]", "1:8", "unexpected right bracket ']'");
    within("up{job=\"a\"", "1:11", "unexpected end of input inside braces");
    within("\"\\q\"", "1:1", "unknown escape sequence U+0071 'q'");
    within("'abc", "1:1", "unterminated quoted string");
    within("`abc", "1:1", "unterminated raw string");
    within("0x", "1:1", "error parsing number: strconv.ParseFloat: parsing \"0x\": invalid syntax");
    within("1..2", "1:1", "bad number or duration syntax: \"1..\"");
    within("foo.bar", "1:4", "unexpected character: '.'");
    within("a ! b", "1:3", "unexpected character after '!': ' '");
    within("a =~ b", "1:3", "unexpected character after '=': '~'");
    within("1 + ", "1:5", "unexpected end of input");
    within("sum(foo bar)", "1:9", "unexpected identifier \"bar\" in aggregation");
    within("sum(x) by (a) by (b)", "1:15", "unexpected <by>");
    within("x on y", "1:3", "unexpected <on>");
    within("group_left", "1:1", "unexpected <group_left>");
    within("sum by job (up)", "1:8", "unexpected identifier \"job\" in grouping opts, expected \"(\"");
    within("sum by (a b) (x)", "1:11", "unexpected identifier \"b\" in grouping opts, expected \",\" or \")\"");
    within("foo{a}", "1:6", "unexpected \"}\" in label matching, expected label matching operator");
    within("foo{a=}", "1:7", "unexpected \"}\" in label matching, expected string");
    within("foo{a=\"b\",,}", "1:11", "unexpected \",\" in label matching, expected identifier or \"}\"");
    within("foo{a=\"b\" c=\"d\"}", "1:11", "unexpected identifier \"c\" in label matching, expected \",\" or \"}\"");
    within("foo{a=~\"(\"}", "1:5", "error parsing regexp: missing closing ): `(`");
    within("foo{__name__=\"x\"}", "1:1", "metric name must not be set twice: \"foo\" or \"x\"");
    within("{a=~\".*\"}", "1:1", "vector selector must contain at least one non-empty matcher");
}

#[test]
fn what_makes_no_sense_is_refused_as_prometheus_refuses_it() {
    let check = |text: &str, place: &str, want: &str| {
        let error = parse(text).err().map(|error| error.to_string());
        assert_eq!(error, Some(format!("{place}: parse error: {want}")), "{text}");
    };
    check("rate(foo)", "1:6", "expected type range vector in call to function \"rate\", got instant vector");
    check("1 == 2", "1:3", "comparisons between scalars must use BOOL modifier");
    check("a + bool b", "1:3", "bool modifier can only be used on comparison operators");
    check("a + on(x) group_left(x) b", "1:3", "label \"x\" must not occur in ON and GROUP clause at once");
    check("a and 1", "1:1", "set operator \"and\" not allowed in binary scalar expression");
    check("\"a\" + 1", "1:1", "binary expression must contain only scalar and instant vector types");
    check("sum()", "1:1", "no arguments for aggregate expression provided");
    let wanted = "wrong number of arguments for aggregate expression provided, expected 2, got 1";
    check("topk(foo)", "1:1", wanted);
    check("rate(foo[5m],)", "1:13", "trailing commas not allowed in function call args");
    check("label_join(up)", "1:1", "expected at least 3 argument(s) in call to \"label_join\", got 1");
    check("round(up,1,2,3)", "1:1", "expected at most 2 argument(s) in call to \"round\", got 4");
    check("clamp(up,1)", "1:1", "expected 3 argument(s) in call to \"clamp\", got 2");
    check("1[5m]", "1:2", "ranges only allowed for vector selectors");
    check("foo offset 5m offset 5m", "1:1", "offset may not be set multiple times");
    check("foo @ 1 @ 2", "1:1", "@ <timestamp> may not be set multiple times");
    check("foo @ bar", "1:7", "unexpected identifier \"bar\" in @, expected timestamp");
    check("foo offset", "1:11", "unexpected end of input in offset, expected number, duration, step(), or range()");
    let brackets = "unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()";
    check("foo[5m+]", "1:8", brackets);
    check("foo[x]", "1:5", "unexpected character in duration expression: 'x'");
    check("foo[5m:1m:1m]", "1:10", "unexpected colon ':'");
    check("foo[0m]", "1:5", "duration must be greater than 0");
    check("foo[5m/0]", "1:7", "division by zero");
    check("foo[5h6d]", "1:5", "not a valid duration string: \"5h6d\"");
    check("foo offset 1000y", "1:12", "duration out of range");
    check("foo[5m] anchored smoothed", "1:1", "anchored and smoothed modifiers cannot be used together");
    check("rate(foo[5m:1m] anchored)", "1:6", "anchored modifier is not supported for subqueries");
}

#[test]
fn what_prometheus_has_behind_a_flag_is_read() {
    for text in [
        "limit_ratio(0.5, up)",
        "double_exponential_smoothing(up[5m], 0.5, 0.1)",
        "end() - start() + range() / step()",
        "histogram_quantiles(b, \"q\", 0.5, 0.9)",
        "info(up, {data=~\".*\"} @ 5)",
        "integral(up[5m]) + integral(up[5m], 1)",
        "max_of(1, min_of(time(), 2))",
        "sort_by_label(up) or sort_by_label_desc(up, \"a\", \"b\")",
        "a + fill(0) b",
        "a / on(x) group_left() fill_right(-1) fill_left(5m) b",
    ] {
        assert!(parse(text).is_ok(), "{text}: {:?}", parse(text).err());
    }
    let check = |text: &str, place: &str, want: &str| {
        let error = parse(text).err().map(|error| error.to_string());
        assert_eq!(error, Some(format!("{place}: parse error: {want}")), "{text}");
    };
    check("info(up, up{a=\"b\"})", "1:10", "expected label selectors only, got vector selector instead");
    check("info(up, {a=\"b\"} == 1)", "1:10", "expected label selectors only");
    check("info(up, 1)", "1:1", "expected type instant vector in call to function \"info\", got scalar");
    check("info(up, {a=\"b\"}, 1)", "1:1", "expected at most 2 argument(s) in call to \"info\", got 3");
    check("a and fill(0) b", "1:1", "filling in missing series not allowed for set operators");
    check("a + fill(0) 1", "1:1", "filling in missing series only allowed between instant vectors");
    check("a + fill(0) fill_left(1) b", "1:13", "unexpected <fill_left>");
    // Without parentheses these are names.
    for name in ["fill", "start", "step", "anchored", "sum", "offset", "by", "max_of"] {
        assert!(parse(&format!("{name} + {name}")).is_ok(), "{name}");
    }
}

#[test]
fn a_query_is_written_as_prometheus_writes_it() {
    let check = |text: &str, want: &str| {
        let parsed = parse(text).map_err(|error| error.to_string()).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(pretty(&parsed.tree), want, "{text}");
        // And means the same.
        assert_eq!(pretty(&parse(want).unwrap().tree), want);
    };
    check("sum(rate(up[5m]))by(job)", "sum by (job) (rate(up[5m]))");
    check("up{b='1',a!~\"x\"} OFFSET 60", "up{a!~\"x\",b=\"1\"} offset 1m");
    check("a+on(x)group_left(y)b*2^-3", "a + on (x) group_left (y) b * 2 ^ -3");
    check("-a^2", "-a ^ 2");
    check("a+fill(0)b", "a + fill (0) b");
    check("a/on(x)group_left(y)fill_right(-1e30)b", "a / on (x) group_left (y) fill_right (-1e+30) b");
    check("a/fill_right(1)fill_left(2.5)b", "a / fill_left (2.5) fill_right (1) b");
    check("foo[60*2] anchored @ 5.5", "foo[60 * 2] anchored @ 5.500");
    let written = "rate(foo[step() + 1m:max_of(1s, 30)] offset -(5m))";
    check("rate(foo[step()+1m:max_of(1s,30)]OFFSET -(5m))", written);
    check("{\"a.b\",'c d'=`e\"`}", "{\"c d\"=\"e\\\"\",__name__=\"a.b\"}");
    check("90d", "90d");
    let long = format!("sum by (job) (rate({}[5m])) / 2", "x".repeat(90));
    let laid_out = format!("  sum by (job) (\n    rate({}[5m])\n  )\n/\n  2", "x".repeat(90));
    assert_eq!(pretty(&parse(&long).unwrap().tree), laid_out);
}

#[test]
fn lengths_are_reckoned_once_the_window_is_known() {
    let check = |written: &str, want: Result<i64, &str>| {
        let parsed = parse(&format!("x[{written}]")).unwrap_or_else(|e| panic!("{written}: {e}"));
        let asked = Asked { step: 10.0, range: 3_600.0 };
        let range = lower(&parsed.tree, Some(asked)).map(|(expr, _)| match expr {
            Expr::Range(_, range_ms) => range_ms,
            other => panic!("{other:?}"),
        });
        assert_eq!(range, want.map_err(str::to_string), "{written}");
    };
    check("5m", Ok(300_000));
    check("1.5", Ok(1_500));
    check("5m+step()", Ok(310_000));
    check("2m*(10+5)", Ok(1_800_000));
    check("2^3^2", Ok(512_000));
    check("-2^2+5", Ok(1_000));
    check("range()/60", Ok(60_000));
    check("range() % 7", Ok(2_000));
    check("min_of(step(), 1m) + max_of(1s, 2s)", Ok(12_000));
    check("1m-60s", Err("2:8: duration must be greater than 0"));
    check("step()-step()", Err("2:15: duration must be greater than 0"));
    check("1/(step()-10)", Err("2:14: division by zero"));
    check("step()^1000", Err("2:13: duration is NaN or infinite"));
    check("step()*9e9", Err("2:12: duration is out of range"));
    // Behind `offset` an operand is all.
    let shifted = |text: &str| match parse(text).unwrap().expr {
        Expr::Binary(b) => matches!(b.lhs, Expr::Selector(_)),
        _ => false,
    };
    assert!(shifted("x offset 5m + 1m") && shifted("x offset -5m ^ 2") && shifted("x offset -(5m) * 3"));
    assert!(!shifted("x offset (5m) * 3"));
}
