//! The request: protobuf of prometheus.WriteRequest (prometheus.io/docs/specs/prw/remote_write_spec), in snappy's block
//! format.

use std::{collections::BTreeMap, sync::Arc};

use prost::Message;

use crate::{
    model::{Labels, METRIC_NAME},
    pack::Points,
};

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// Returns a request's body.
///
/// # Errors
/// When it is too large for snappy (4 GiB).
pub fn encode(batch: &[(Labels, Points)]) -> Result<Vec<u8>, String> {
    let timeseries = batch.iter().map(|(labels, points)| TimeSeries {
        labels: sorted(labels),
        samples: points.at_ms.iter().zip(&points.values).map(|(at, v)| Sample { value: *v, timestamp: *at }).collect(),
    });
    let request = WriteRequest { timeseries: timeseries.collect() };
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).map_err(|e| e.to_string())
}

/// By name, bytewise; the metric's name is one of them.
fn sorted(labels: &Labels) -> Vec<Label> {
    let name = (METRIC_NAME, &*labels.name);
    let mut all: Vec<(&str, &str)> = labels.pairs.iter().map(|(l, v)| (&**l, &**v)).chain([name]).collect();
    all.sort_unstable();
    all.into_iter().map(|(name, value)| Label { name: name.into(), value: value.into() }).collect()
}

/// With the labels that tell vantages apart, where the series has none of that name.
pub fn with_external(labels: &Labels, external: &BTreeMap<String, String>) -> Labels {
    if external.is_empty() {
        return labels.clone();
    }
    let outer = external.iter().map(|(k, v)| (Arc::<str>::from(k.as_str()), Arc::<str>::from(v.as_str())));
    Labels::new(labels.name.clone(), outer.chain(labels.pairs.iter().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_the_specification_says() {
        let mut points = Points::default();
        points.push(1_700_000_000_000, 1.5);
        points.push(1_700_000_015_000, crate::model::stale());
        let labels = with_external(
            &Labels::new("up", [("job", "etcd"), ("Zone", "a")]),
            &BTreeMap::from([("vantage".into(), "paris-1".into()), ("job".into(), "no".into())]),
        );
        let bytes = encode(&[(labels, points)]).unwrap();
        let plain = snap::raw::Decoder::new().decompress_vec(&bytes).unwrap();
        let request = WriteRequest::decode(plain.as_slice()).unwrap();
        let series = &request.timeseries[0];
        let shown: Vec<String> = series.labels.iter().map(|l| format!("{}={}", l.name, l.value)).collect();
        assert_eq!(shown, ["Zone=a", "__name__=up", "job=etcd", "vantage=paris-1"]);
        assert_eq!(series.samples[0], Sample { value: 1.5, timestamp: 1_700_000_000_000 });
        assert_eq!(series.samples[1].value.to_bits(), crate::model::stale().to_bits(), "the marker as it is");
    }
}
