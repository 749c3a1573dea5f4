//! Prometheus' API v1: every endpoint's answer, in its own words, and the requests that Grafana makes.

mod served;

use dogwatch::{
    clock::Clock,
    model::{Labels, Sample},
};
use serde_json::Value;

pub use self::served::{Api, client};
use crate::http::picture;

async fn fixed() -> Api {
    let api = Api::start(Clock::anchored(picture::now()), picture::outage()).await;
    api.fill(picture::now());
    api
}

fn at(seconds_ago: i64) -> i64 {
    picture::now().as_second() - seconds_ago
}

#[tokio::test]
async fn every_endpoint_answers_as_prometheus_does() {
    let api = fixed().await;
    let (now, past) = (at(0), at(120));
    let mut shown = String::new();
    for path in [
        format!("query?query=sum(up)&time={now}"),
        format!("query?query=1%2b1&time={now}"),
        format!("query?query=%22text%22&time={now}"),
        format!("query?query=up&time={now}&limit=1"),
        format!("query?query=up[30s]&time={now}&limit=1"),
        format!("query?query=rate(up{{instance=%2210.0.0.1:2379%22}}[1m])&time={now}"),
        format!("query?query=quantile(7,up)&time={now}"),
        format!("query?query=1/0*-1&time={now}.5"),
        format!("query_range?query=sum(requests_total)&start={past}&end={now}&step=60"),
        format!("query_range?query=time()&start={past}&end={now}&step=1m"),
        format!("query_range?query=up&start={past}&end={now}&step=0"),
        format!("query_range?query=up&start={now}&end={past}&step=15"),
        format!("query_range?query=up&start=0&end={now}&step=1"),
        format!("query_range?query=up&start=&end={now}&step=15"),
        format!("query_range?query=up[5m]&start={past}&end={now}&step=15"),
        "query?query=up%7B".into(),
        "query?query=sum(up".into(),
        "query?query=nope(up)".into(),
        "query?query=up&time=yesterday".into(),
        "query?query=up&timeout=soon".into(),
        "query?query=up&lookback_delta=x".into(),
        "query?query=up&limit=x".into(),
        "query?query=up&limit=-1".into(),
        "query?query=up%2bon(job)up".into(),
        "labels".into(),
        "labels?match[]=requests_total".into(),
        "label/instance/values".into(),
        "label/instance/values?match[]=up&limit=1".into(),
        "label/U__instance/values".into(),
        "series?match[]=requests_total".into(),
        "series?match[]=up&end=1".into(),
        "series?match[]=up&start=10&end=5".into(),
        "series?match[]=up&start=x".into(),
        "series".into(),
        "series?match[]=up%7B".into(),
        "metadata?metric=up".into(),
        "metadata?metric=up&limit_per_metric=0".into(),
        "metadata?limit=0".into(),
        "metadata?limit=x".into(),
        "targets/metadata?metric=up&limit=1".into(),
        "targets?state=dropped".into(),
        "targets?state=bogus".into(),
        "scrape_pools".into(),
        "alertmanagers".into(),
        "format_query?query=sum(rate(up[5m]))by(job)".into(),
        "parse_query?query=up%20offset%201m".into(),
        "query_exemplars?query=up&start=1&end=2".into(),
        "query_exemplars?query=up&start=2&end=1".into(),
        "status/config".into(),
        "status/flags".into(),
        "status/tsdb".into(),
        "status/tsdb?limit=x".into(),
        "status/walreplay".into(),
        "rules?type=record".into(),
        "rules?type=bogus".into(),
        "rules?exclude_alerts=maybe".into(),
        "rules?match[]=%7Bseverity%3D%22critical%22%7D".into(),
        "rules?rule_name[]=nothing".into(),
        "labels?match[]=%7Bjob%3D~%22.*%22%7D".into(),
        "rules?group_limit=0".into(),
        "rules?group_limit=x".into(),
        "rules?group_next_token=x".into(),
        "rules?group_limit=1&group_next_token=x".into(),
        "nothing".into(),
    ] {
        let (status, body) = api.get(&format!("/api/v1/{path}")).await;
        let path = path.replace(&now.to_string(), "NOW").replace(&past.to_string(), "PAST");
        shown.push_str(&format!("{status} {path}\n    {body}\n"));
    }
    insta::assert_snapshot!(shown, @r#"
    200 query?query=sum(up)&time=NOW
        {"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1795416959,"2"]}]}}
    200 query?query=1%2b1&time=NOW
        {"status":"success","data":{"resultType":"scalar","result":[1795416959,"2"]}}
    200 query?query=%22text%22&time=NOW
        {"status":"success","data":{"resultType":"string","result":[1795416959,"text"]}}
    200 query?query=up&time=NOW&limit=1
        {"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","cluster":"prod","instance":"10.0.0.1:2379","job":"etcd"},"value":[1795416959,"1"]}]},"warnings":["results truncated due to limit"]}
    200 query?query=up[30s]&time=NOW&limit=1
        {"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","cluster":"prod","instance":"10.0.0.1:2379","job":"etcd"},"values":[[1795416944,"1"],[1795416959,"1"]]}]},"warnings":["results truncated due to limit"]}
    200 query?query=rate(up{instance=%2210.0.0.1:2379%22}[1m])&time=NOW
        {"status":"success","data":{"resultType":"vector","result":[{"metric":{"cluster":"prod","instance":"10.0.0.1:2379","job":"etcd"},"value":[1795416959,"0"]}]},"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"up\" (1:6)"]}
    200 query?query=quantile(7,up)&time=NOW
        {"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1795416959,"+Inf"]}]},"warnings":["PromQL warning: quantile value should be between 0 and 1, got 7 (1:10)"]}
    200 query?query=1/0*-1&time=NOW.5
        {"status":"success","data":{"resultType":"scalar","result":[1795416959.500,"-Inf"]}}
    200 query_range?query=sum(requests_total)&start=PAST&end=NOW&step=60
        {"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1795416839,"960"],[1795416899,"1080"],[1795416959,"1200"]]}]}}
    200 query_range?query=time()&start=PAST&end=NOW&step=1m
        {"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1795416839,"1795416839"],[1795416899,"1795416899"],[1795416959,"1795416959"]]}]}}
    400 query_range?query=up&start=PAST&end=NOW&step=0
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer"}
    400 query_range?query=up&start=NOW&end=PAST&step=15
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"end\": end timestamp must not be before start time"}
    400 query_range?query=up&start=0&end=NOW&step=1
        {"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"}
    400 query_range?query=up&start=&end=NOW&step=15
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"start\": cannot parse \"\" to a valid timestamp"}
    400 query_range?query=up[5m]&start=PAST&end=NOW&step=15
        {"status":"error","errorType":"bad_data","error":"invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"}
    400 query?query=up%7B
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:4: parse error: unexpected end of input inside braces"}
    400 query?query=sum(up
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:7: parse error: unclosed left parenthesis"}
    400 query?query=nope(up)
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:1: parse error: unknown function with name \"nope\""}
    400 query?query=up&time=yesterday
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"time\": invalid time value for 'time': cannot parse \"yesterday\" to a valid timestamp"}
    400 query?query=up&timeout=soon
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"timeout\": cannot parse \"soon\" to a valid duration"}
    400 query?query=up&lookback_delta=x
        {"status":"error","errorType":"bad_data","error":"error parsing lookback delta duration: cannot parse \"x\" to a valid duration"}
    400 query?query=up&limit=x
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax"}
    400 query?query=up&limit=-1
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"limit\": limit must be non-negative"}
    422 query?query=up%2bon(job)up
        {"status":"error","errorType":"execution","error":"found duplicate series for the match group {job=\"etcd\"} on the right hand-side of the operation: [{__name__=\"up\", cluster=\"prod\", instance=\"10.0.0.1:2379\", job=\"etcd\"}, {__name__=\"up\", cluster=\"prod\", instance=\"10.0.0.2:2379\", job=\"etcd\"}];many-to-many matching not allowed: matching labels must be unique on one side"}
    200 labels
        {"status":"success","data":["__name__","cluster","instance","job","le"]}
    200 labels?match[]=requests_total
        {"status":"success","data":["__name__","cluster","instance","job"]}
    200 label/instance/values
        {"status":"success","data":["10.0.0.1:2379","10.0.0.2:2379"]}
    200 label/instance/values?match[]=up&limit=1
        {"status":"success","data":["10.0.0.1:2379"],"warnings":["results truncated due to limit"]}
    200 label/U__instance/values
        {"status":"success","data":["10.0.0.1:2379","10.0.0.2:2379"]}
    200 series?match[]=requests_total
        {"status":"success","data":[{"__name__":"requests_total","cluster":"prod","instance":"10.0.0.1:2379","job":"etcd"}]}
    200 series?match[]=up&end=1
        {"status":"success","data":[]}
    200 series?match[]=up&start=10&end=5
        {"status":"success","data":[]}
    400 series?match[]=up&start=x
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" to a valid timestamp"}
    400 series
        {"status":"error","errorType":"bad_data","error":"no match[] parameter provided"}
    400 series?match[]=up%7B
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"match[]\": 1:4: parse error: unexpected end of input inside braces"}
    200 metadata?metric=up
        {"status":"success","data":{"up":[{"help":"1 if the target answered as the component that it should be, healthy or not","type":"gauge","unit":""}]}}
    200 metadata?metric=up&limit_per_metric=0
        {"status":"success","data":{"up":[{"help":"1 if the target answered as the component that it should be, healthy or not","type":"gauge","unit":""}]}}
    200 metadata?limit=0
        {"status":"success","data":{}}
    400 metadata?limit=x
        {"status":"error","errorType":"bad_data","error":"limit must be a number"}
    200 targets/metadata?metric=up&limit=1
        {"status":"success","data":[{"help":"1 if the target answered as the component that it should be, healthy or not","target":{"cluster":"prod","instance":"10.99.0.1:6443","job":"kube-apiserver","node":"cp-1"},"type":"gauge","unit":""}]}
    200 targets?state=dropped
        {"status":"success","data":{"activeTargets":[],"droppedTargetCounts":{"etcd":0,"kube-apiserver":0,"kube-controller-manager":0,"kube-scheduler":0,"kubelet":0},"droppedTargets":[]}}
    200 targets?state=bogus
        {"status":"success","data":{"activeTargets":[],"droppedTargetCounts":null,"droppedTargets":[]}}
    200 scrape_pools
        {"status":"success","data":{"scrapePools":["etcd","kube-apiserver","kube-controller-manager","kube-scheduler","kubelet"]}}
    200 alertmanagers
        {"status":"success","data":{"activeAlertmanagers":[],"droppedAlertmanagers":[]}}
    200 format_query?query=sum(rate(up[5m]))by(job)
        {"status":"success","data":"sum by (job) (rate(up[5m]))"}
    200 parse_query?query=up%20offset%201m
        {"status":"success","data":{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"up"}],"name":"up","offset":60000,"offsetExpr":null,"smoothed":false,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"}}
    200 query_exemplars?query=up&start=1&end=2
        {"status":"success","data":[]}
    400 query_exemplars?query=up&start=2&end=1
        {"status":"error","errorType":"bad_data","error":"end timestamp must not be before start timestamp"}
    200 status/config
        {"status":"success","data":{"yaml":"clusters:\n- name: prod\n"}}
    200 status/flags
        {"status":"success","data":{"query.lookback-delta":"300s","query.max-concurrency":"20","query.max-samples":"50000000","query.timeout":"120s","web.cors.origin":"","web.external-url":"https://watch.example.org"}}
    200 status/tsdb
        {"status":"success","data":{"headStats":{"chunkCount":5,"maxTime":1795416959000,"minTime":1795416359000,"numLabelPairs":9,"numSeries":5},"labelValueCountByLabelName":[{"name":"__name__","value":3},{"name":"instance","value":2},{"name":"le","value":2},{"name":"cluster","value":1},{"name":"job","value":1}],"memoryInBytesByLabelName":[{"name":"__name__","value":38},{"name":"instance","value":26},{"name":"le","value":7},{"name":"cluster","value":4},{"name":"job","value":4}],"seriesCountByLabelValuePair":[{"name":"cluster=prod","value":5},{"name":"job=etcd","value":5},{"name":"instance=10.0.0.1:2379","value":4},{"name":"__name__=latency_seconds_bucket","value":2},{"name":"__name__=up","value":2},{"name":"__name__=requests_total","value":1},{"name":"instance=10.0.0.2:2379","value":1},{"name":"le=+Inf","value":1},{"name":"le=0.1","value":1}],"seriesCountByMetricName":[{"name":"latency_seconds_bucket","value":2},{"name":"up","value":2},{"name":"requests_total","value":1}]}}
    400 status/tsdb?limit=x
        {"status":"error","errorType":"bad_data","error":"limit must be a positive number"}
    200 status/walreplay
        {"status":"success","data":{"current":0,"max":0,"min":0,"state":"done"}}
    200 rules?type=record
        {"status":"success","data":{"groups":[]}}
    400 rules?type=bogus
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"type\": not supported value \"bogus\""}
    400 rules?exclude_alerts=maybe
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"exclude_alerts\": error converting exclude_alerts: strconv.ParseBool: parsing \"maybe\": invalid syntax"}
    200 rules?match[]=%7Bseverity%3D%22critical%22%7D
        {"status":"success","data":{"groups":[]}}
    200 rules?rule_name[]=nothing
        {"status":"success","data":{"groups":[]}}
    400 labels?match[]=%7Bjob%3D~%22.*%22%7D
        {"status":"error","errorType":"bad_data","error":"match[] must contain at least one non-empty matcher"}
    400 rules?group_limit=0
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"group_limit\": group_limit needs to be greater than 0"}
    400 rules?group_limit=x
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"group_limit\": group_limit needs to be a valid number: strconv.ParseInt: parsing \"x\": invalid syntax"}
    400 rules?group_next_token=x
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"group_next_token\": group_limit needs to be present in order to paginate over the groups"}
    400 rules?group_limit=1&group_next_token=x
        {"status":"error","errorType":"bad_data","error":"invalid parameter \"group_next_token\": invalid group_next_token 'x'. were rule groups changed?"}
    404 nothing
        {"status":"error","errorType":"not_found","error":"there is nothing at /api/v1/nothing"}
    "#);
}

#[tokio::test]
async fn targets_alerts_and_rules_are_the_live_picture() {
    let api = fixed().await;
    let targets = api.json("/api/v1/targets?state=active").await;
    let down = targets["data"]["activeTargets"].as_array().unwrap().iter().find(|t| t["health"] == "down").unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(down).unwrap(), @r#"
    {
      "discoveredLabels": {
        "__address__": "10.99.0.1:6443",
        "cluster": "prod",
        "instance": "10.99.0.1:6443",
        "job": "kube-apiserver",
        "node": "cp-1"
      },
      "globalUrl": "https://watch.example.org/targets/prod/kube-apiserver/10.99.0.1:6443",
      "health": "down",
      "labels": {
        "cluster": "prod",
        "instance": "10.99.0.1:6443",
        "job": "kube-apiserver",
        "node": "cp-1"
      },
      "lastError": "livez: etcd fails (reason withheld)",
      "lastScrape": "2026-11-23T06:55:55Z",
      "lastScrapeDuration": 0.012,
      "scrapeInterval": "10s",
      "scrapePool": "kube-apiserver",
      "scrapeTimeout": "5s",
      "scrapeUrl": "https://10.99.0.1:6443/"
    }
    "#);
    let alerts = api.json("/api/v1/alerts").await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&alerts["data"]["alerts"][0]).unwrap(), @r#"
    {
      "activeAt": "2026-11-23T06:52:49Z",
      "annotations": {
        "consequences": "the API can neither be read nor written\nnothing is scheduled, restarted elsewhere or scaled",
        "description": "10.99.0.2:2379: connection refused, for 3 min 10 s\n10.99.0.3:2379: connection refused, for 3 min 8 s\n10.99.0.1:2379 answers and sees no leader\nStill works: 3 of 3 kubelets answer: running containers presumably keep running\nStill works: the API servers answer, and fail on etcd alone",
        "first_step": "Bring one of the two members back: look at etcd on 10.99.0.2 and 10.99.0.3 (`journalctl -u etcd`, `crictl ps -a`). Do not remove members from the list while quorum is lost.",
        "runbook_url": "https://watch.example.org/runbooks/EtcdQuorumLost",
        "still_works": "3 of 3 kubelets answer: running containers presumably keep running\nthe API servers answer, and fail on etcd alone",
        "summary": "etcd has lost quorum: 2 of 3 members down"
      },
      "labels": {
        "alertname": "EtcdQuorumLost",
        "cluster": "prod",
        "job": "etcd",
        "severity": "critical",
        "vantage": "paris-1"
      },
      "state": "firing",
      "value": "1e+00"
    }
    "#);
    let rules = api.json("/api/v1/rules?rule_name[]=EtcdQuorumLost").await;
    let rule = &rules["data"]["groups"][0]["rules"][0];
    assert_eq!((rule["state"].as_str(), &rule["alerts"][0]), (Some("firing"), &alerts["data"]["alerts"][0]));
    let rules = api.json("/api/v1/rules?exclude_alerts=true&rule_group[]=dogwatch").await;
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 20 && rules.iter().all(|rule| rule["alerts"].is_null()));
    let all = targets["data"]["activeTargets"].as_array().unwrap();
    let urls: Vec<&str> = all.iter().filter_map(|t| t["scrapeUrl"].as_str()).collect();
    assert!(urls.contains(&"https://10.99.0.2:2379/"), "{urls:?}");
}

/// What Grafana's Prometheus data source sends: "Save & test", Explore, variables, panels, alert lists.
#[tokio::test]
async fn grafana_finds_what_it_asks_for() {
    let api = fixed().await;
    let post = async |path: &str, form: &str| {
        let request = client()
            .post(format!("{}{path}", api.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(form.to_owned());
        let (status, headers, body) = api.request(request).await;
        assert_eq!(status, 200, "{path} {form}: {body}");
        assert!(!headers.contains_key("access-control-allow-origin"), "no other page may read");
        assert!(
            headers["cache-control"] == "no-store" && headers["x-content-type-options"] == "nosniff",
            "{headers:?}"
        );
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let (start, end) = (at(600), at(0));
    let health = post("/api/v1/query", &format!("query=1%2B1&time={end}")).await;
    assert_eq!(health["data"]["result"][1], "2");
    assert!(api.json("/api/v1/status/buildinfo").await["data"]["version"].is_string());
    let range = format!("start={start}&end={end}");
    let labels = post("/api/v1/labels", &range).await;
    assert!(labels["data"].as_array().unwrap().contains(&"instance".into()));
    let names = api.json(&format!("/api/v1/label/__name__/values?{range}")).await;
    assert_eq!(names["data"], serde_json::json!(["latency_seconds_bucket", "requests_total", "up"]));
    let values = api.json(&format!("/api/v1/label/instance/values?match[]=up%7Bcluster%3D%22prod%22%7D&{range}")).await;
    assert_eq!(values["data"], serde_json::json!(["10.0.0.1:2379", "10.0.0.2:2379"]));
    let series = post("/api/v1/series", &format!("match[]=%7Bjob%3D%22etcd%22%7D&{range}")).await;
    assert_eq!(series["data"].as_array().unwrap().len(), 5);
    assert!(api.json("/api/v1/metadata").await["data"]["up"][0]["help"].is_string());
    let panel =
        format!("query=histogram_quantile(0.5%2C+sum+by+(le)+(rate(latency_seconds_bucket%5B1m%5D)))&{range}&step=15");
    let panel = post("/api/v1/query_range", &panel).await;
    assert_eq!(panel["data"]["result"][0]["values"][20][1], "0.1");
    assert_eq!(api.json("/api/v1/rules").await["status"], "success");
    let exemplars = api.json(&format!("/api/v1/query_exemplars?query=up&{range}")).await;
    assert_eq!(exemplars["data"], serde_json::json!([]));
    let request = client().request(reqwest::Method::OPTIONS, format!("{}/api/v1/query", api.url));
    assert_eq!(api.request(request.header("origin", "https://grafana.example.org")).await.0, 204);
}

#[tokio::test]
async fn large_answers_are_compressed_and_statistics_are_told() {
    let api = fixed().await;
    let path = format!("/api/v1/query_range?query=up&start={}&end={}&step=1&stats=all", at(600), at(0));
    let request = client().get(format!("{}{path}", api.url)).header("accept-encoding", "gzip");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let packed = response.bytes().await.unwrap();
    let plain = api.json(&path).await;
    assert!(packed.len() * 5 < plain.to_string().len());
    let stats = &plain["data"]["stats"];
    assert!(
        stats["timings"]["evalTotalTime"].is_number() && stats["samples"]["totalQueryableSamples"] == 1202,
        "{stats}"
    );
    for (bytes, status) in [(1_000_000, 200), (2 << 20, 400)] {
        let form = "query=1&x=".to_owned() + &"y".repeat(bytes);
        let request = client().post(format!("{}/api/v1/query", api.url)).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(api.request(request).await.0, status, "a form of {bytes} bytes");
    }
    let request = client().get(format!("{}/metrics", api.url)).header("accept-encoding", "gzip");
    assert_eq!(request.send().await.unwrap().headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn federation_gives_the_newest_sample_of_each_series() {
    let api = fixed().await;
    let ready = Labels::new("dogwatch_node_ready", [("cluster", "prod"), ("node", "n1"), ("vantage", "its own")]);
    api.store.append(&[Sample { labels: ready, at: picture::now(), value: 1.0 }]);
    let (_, text) =
        api.get("/federate?match[]=dogwatch_node_ready&match[]=up&match[]=%7Binstance%3D%2210.0.0.1:2379%22%7D").await;
    insta::assert_snapshot!(text, @r#"
    # TYPE dogwatch_node_ready untyped
    dogwatch_node_ready{cluster="prod",node="n1",vantage="its own",instance=""} 1 1795416959000
    # TYPE latency_seconds_bucket untyped
    latency_seconds_bucket{cluster="prod",instance="10.0.0.1:2379",job="etcd",le="+Inf",vantage="paris-1"} 160 1795416959000
    latency_seconds_bucket{cluster="prod",instance="10.0.0.1:2379",job="etcd",le="0.1",vantage="paris-1"} 80 1795416959000
    # TYPE requests_total untyped
    requests_total{cluster="prod",instance="10.0.0.1:2379",job="etcd",vantage="paris-1"} 1200 1795416959000
    # TYPE up untyped
    up{cluster="prod",instance="10.0.0.1:2379",job="etcd",vantage="paris-1"} 1 1795416959000
    up{cluster="prod",instance="10.0.0.2:2379",job="etcd",vantage="paris-1"} 1 1795416959000
    "#);
    assert_eq!(api.get("/federate").await, (200, String::new()));
    let wrong = "1:4: parse error: unexpected end of input inside braces\n";
    assert_eq!(api.get("/federate?match[]=up%7B").await, (400, wrong.into()));
}
