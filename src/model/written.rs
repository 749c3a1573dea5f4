//! What the JSON Schema of the configuration says of values that are written in a form of their own.

/// `${NAME}` in a value: what it will be, nobody knows before.
pub const FROM_ENVIRONMENT: &str = r"\$\{";

/// A type that is one schema, in place where it is used.
macro_rules! written {
    ($type:ty, $name:literal, $($schema:tt)+) => {
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($($schema)+)
            }
        }
    };
}
pub(crate) use written;
