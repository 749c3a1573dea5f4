//! What functions take.

use super::{Function, Kind, Special};
use crate::promql::ValueType::{self, Matrix, Scalar, String, Vector};

/// Returns the types of a function's arguments, and how many there may be: 0: as many as types; positive: the last one is
/// optional and may come so often; -1: as often as one likes. As Prometheus' table has it (promql/parser/functions.go).
pub fn signature(function: &Function) -> (&'static [ValueType], i8) {
    match (function.name, function.kind) {
        ("quantile_over_time", _) => (&[Scalar, Matrix], 0),
        ("predict_linear", _) => (&[Matrix, Scalar], 0),
        ("double_exponential_smoothing", _) => (&[Matrix, Scalar, Scalar], 0),
        ("integral", _) => (&[Matrix, Scalar], 1),
        ("clamp", _) => (&[Vector, Scalar, Scalar], 0),
        ("clamp_max" | "clamp_min", _) => (&[Vector, Scalar], 0),
        ("round", _) => (&[Vector, Scalar], 1),
        (_, Kind::Range(_)) => (&[Matrix], 0),
        (_, Kind::Value(_)) => (&[Vector], 0),
        (_, Kind::Calendar(_)) => (&[Vector], 1),
        (_, Kind::Special(special)) => match special {
            Special::Time | Special::Pi | Special::Start | Special::End | Special::Range | Special::Step => (&[], 0),
            Special::MaxOf | Special::MinOf => (&[Scalar, Scalar], 0),
            Special::SortByLabel | Special::SortByLabelDesc => (&[Vector, String], -1),
            Special::Info => (&[Vector, Vector], 1),
            Special::Vector => (&[Scalar], 0),
            Special::AbsentOverTime => (&[Matrix], 0),
            Special::LabelReplace => (&[Vector, String, String, String, String], 0),
            Special::LabelJoin => (&[Vector, String, String, String], -1),
            Special::HistogramQuantile => (&[Scalar, Vector], 0),
            Special::HistogramQuantiles => (&[Vector, String, Scalar, Scalar], 9),
            Special::HistogramFraction => (&[Scalar, Scalar, Vector], 0),
            Special::Scalar
            | Special::Absent
            | Special::Timestamp
            | Special::Sort
            | Special::SortDesc
            | Special::Nothing => (&[Vector], 0),
        },
    }
}
