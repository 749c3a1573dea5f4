//! The evaluator; Prometheus' own scripts are in tests/it.
