//! A value of the file as serde reads it: by what is wanted at each place, as Go's YAML does, with which Prometheus and
//! Alertmanager read. Pure.
//!
//! A scalar keeps how it was written: where a text is wanted, `0123` is "0123" and `yes` is "yes". A key with nothing after
//! it leaves the default that was there.

use std::{
    any::type_name,
    cell::RefCell,
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Value};

/// What Go's YAML takes for true and false where a truth value is wanted (yaml.v2, resolve.go), in lower case.
const TRUE: [&str; 4] = ["true", "yes", "on", "y"];
const FALSE: [&str; 4] = ["false", "no", "off", "n"];

/// A value of the file.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// `null`, `~`, or nothing.
    Null,
    /// Anything that is written in one piece.
    Scalar {
        /// What YAML takes it for.
        value: Value,
        /// As it was written, without quotes.
        text: String,
        /// Without quotes: it may be a number or a truth value.
        plain: bool,
        /// Where a relative path leads from; `None`: from the folder of the configuration itself, which its parts know.
        base: Option<Arc<Path>>,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in its order.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Leaves out the key at a path (`clusters[0].name`); false where there is none, or where it is an item of a list.
    pub(super) fn leave_out(&mut self, path: &str) -> bool {
        match self {
            Self::Map(entries) => {
                if let Some(at) = entries.iter().position(|(key, _)| key == path) {
                    entries.remove(at);
                    return true;
                }
                // A key may have dots in it: each that fits is followed.
                entries.iter_mut().any(|(key, below)| {
                    let rest = path.strip_prefix(key.as_str()).filter(|rest| rest.starts_with(['.', '[']));
                    rest.is_some_and(|rest| below.leave_out(rest.trim_start_matches('.')))
                })
            }
            Self::List(items) => {
                let found = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                let item = found.and_then(|(i, rest)| Some((items.get_mut(i.parse::<usize>().ok()?)?, rest)));
                item.is_some_and(|(item, rest)| item.leave_out(rest.trim_start_matches('.')))
            }
            Self::Null | Self::Scalar { .. } => false,
        }
    }

    /// All texts at a path and below it; where nothing stands there, of the deepest part of it that is there.
    pub(super) fn texts(&self, path: &str) -> Vec<&str> {
        let below = match self {
            Self::Map(entries) => entries.iter().find_map(|(key, below)| {
                let rest = path.strip_prefix(key.as_str())?;
                (rest.is_empty() || rest.starts_with(['.', '['])).then(|| below.texts(rest.trim_start_matches('.')))
            }),
            Self::List(items) => {
                let found = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                found.and_then(|(i, rest)| {
                    Some(items.get(i.parse::<usize>().ok()?)?.texts(rest.trim_start_matches('.')))
                })
            }
            Self::Scalar { text, .. } => Some(vec![text.as_str()]),
            Self::Null => Some(Vec::new()),
        };
        below.unwrap_or_else(|| match self {
            Self::Map(entries) => entries.iter().flat_map(|(_, below)| below.texts("")).collect(),
            Self::List(items) => items.iter().flat_map(|item| item.texts("")).collect(),
            Self::Null | Self::Scalar { .. } => Vec::new(),
        })
    }

    /// Has all relative paths in it lead from a folder.
    pub(super) fn set_base(&mut self, folder: &Arc<Path>) {
        match self {
            Self::Null => {}
            Self::Scalar { base, .. } => *base = Some(folder.clone()),
            Self::List(items) => items.iter_mut().for_each(|item| item.set_base(folder)),
            Self::Map(entries) => entries.iter_mut().for_each(|(_, below)| below.set_base(folder)),
        }
    }
}

/// Reads what is wanted of a value. Made once for each type, which is why nothing else reads the configuration: with a generic
/// reader besides, that one's code comes again for each of some three hundred types.
///
/// # Errors
/// Where something is wrong (`clusters[0].name`), and what, in serde's words.
pub(super) fn read<T: DeserializeOwned>(node: &Node) -> Result<T, (String, String)> {
    let trail = Trail::default();
    T::deserialize(Reader { node, trail: &trail }).map_err(|error| (trail.path(), error.to_string()))
}

/// The way from the top to what is wrong, its end first.
#[derive(Default)]
struct Trail(RefCell<Vec<Step>>);

enum Step {
    Key(String),
    Item(usize),
}

impl Trail {
    /// Reads what is below; where that fails, the way there is kept. What failed and was read in another way is forgotten.
    fn below<T>(&self, step: impl FnOnce() -> Step, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let before = self.0.borrow().len();
        let read = read();
        match &read {
            Ok(_) => self.0.borrow_mut().truncate(before),
            Err(_) => self.0.borrow_mut().push(step()),
        }
        read
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.borrow().iter().rev() {
            match step {
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => path.extend([".", key]),
                Step::Item(i) => path.push_str(&format!("[{i}]")),
            }
        }
        path
    }
}

#[derive(Clone, Copy)]
struct Reader<'de, 't> {
    node: &'de Node,
    trail: &'t Trail,
}

impl<'de, 't> Reader<'de, 't> {
    fn items(self, items: &'de [Node]) -> Items<'de, 't> {
        Items { left: items.iter().enumerate(), trail: self.trail }
    }

    fn entries(self, entries: &'de [(String, Node)], fields: &'static [&'static str]) -> Entries<'de, 't> {
        Entries { left: entries.iter(), fields, value: None, trail: self.trail }
    }
}

/// What stands in a scalar by itself.
fn visit_scalar<'de, V: Visitor<'de>>(value: &'de Value, visitor: V) -> Result<V::Value, Error> {
    match value {
        Value::String(text) => visitor.visit_borrowed_str(text),
        Value::Bool(is) => visitor.visit_bool(*is),
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(n), _) => visitor.visit_u64(n),
            (None, Some(n)) => visitor.visit_i64(n),
            (None, None) => visitor.visit_f64(n.as_f64().unwrap_or(f64::NAN)),
        },
        // No scalar is more than one value.
        Value::Null | Value::Array(_) | Value::Object(_) => visitor.visit_unit(),
    }
}

/// A number where one is wanted: what YAML took for none may be one by the environment.
macro_rules! numbers {
    ($($read:ident, $visit:ident: $number:ty;)*) => {$(
        fn $read<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.node {
                Node::Scalar { value: Value::String(_), text, plain: true, .. } => match text.parse::<$number>() {
                    Ok(number) => visitor.$visit(number),
                    Err(_) => self.deserialize_any(visitor),
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node {
            Node::Null => visitor.visit_unit(),
            Node::Scalar { value, .. } => visit_scalar(value, visitor),
            Node::List(items) => visitor.visit_seq(self.items(items)),
            Node::Map(entries) => visitor.visit_map(self.entries(entries, &[])),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Node::Scalar { text, plain: true, .. } = self.node {
            let text = text.to_ascii_lowercase();
            if TRUE.contains(&text.as_str()) {
                return visitor.visit_bool(true);
            }
            if FALSE.contains(&text.as_str()) {
                return visitor.visit_bool(false);
            }
        }
        self.deserialize_any(visitor)
    }

    numbers! {
        deserialize_i8, visit_i8: i8;
        deserialize_i16, visit_i16: i16;
        deserialize_i32, visit_i32: i32;
        deserialize_i64, visit_i64: i64;
        deserialize_u8, visit_u8: u8;
        deserialize_u16, visit_u16: u16;
        deserialize_u32, visit_u32: u32;
        deserialize_u64, visit_u64: u64;
        deserialize_f32, visit_f32: f32;
        deserialize_f64, visit_f64: f64;
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node {
            Node::Null => visitor.visit_borrowed_str(""),
            Node::Scalar { text, .. } => visitor.visit_borrowed_str(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node {
            // serde asks for a text where a path is wanted: what is made of it tells the two apart.
            Node::Scalar { text, base: Some(base), .. }
                if !text.is_empty() && type_name::<V::Value>() == type_name::<PathBuf>() =>
            {
                visitor.visit_string(base.join(text).to_string_lossy().into_owned())
            }
            _ => self.deserialize_str(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node {
            Node::Null => visitor.visit_seq(self.items(&[])),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node {
            Node::Null => visitor.visit_map(self.entries(&[], &[])),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.node {
            Node::Null => visitor.visit_map(self.entries(&[], &[])),
            Node::Map(entries) => visitor.visit_map(self.entries(entries, fields)),
            // serde would take a list for the values in the order of the fields.
            Node::List(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.node {
            Node::Scalar { text, .. } => visitor.visit_enum(text.as_str().into_deserializer()),
            Node::Map(entries) => match entries.as_slice() {
                [(variant, node)] => visitor.visit_enum(Variant { variant, value: Self { node, ..self } }),
                _ => Err(Error::invalid_value(Unexpected::Map, &"map with a single key")),
            },
            Node::List(_) => Err(Error::invalid_type(Unexpected::Seq, &"string or map")),
            Node::Null => Err(Error::invalid_type(Unexpected::Unit, &"string or map")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Items<'de, 't> {
    left: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
    trail: &'t Trail,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((i, node)) = self.left.next() else { return Ok(None) };
        let trail = self.trail;
        trail.below(|| Step::Item(i), || seed.deserialize(Reader { node, trail })).map(Some)
    }
}

struct Entries<'de, 't> {
    left: std::slice::Iter<'de, (String, Node)>,
    /// Known keys: with nothing after them they are as if they were not there.
    fields: &'static [&'static str],
    /// The entry whose key was read.
    value: Option<&'de (String, Node)>,
    trail: &'t Trail,
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let fields = self.fields;
        let left_out = |(key, node): &&(String, Node)| matches!(node, Node::Null) && fields.contains(&key.as_str());
        let Some(entry) = self.left.by_ref().find(|entry| !left_out(entry)) else { return Ok(None) };
        self.value = Some(entry);
        let key = || seed.deserialize(entry.0.as_str().into_deserializer());
        self.trail.below(|| Step::Key(entry.0.clone()), key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, node)) = self.value.take() else {
            return Err(Error::custom("a value is asked for before its key"));
        };
        let trail = self.trail;
        trail.below(|| Step::Key(key.clone()), || seed.deserialize(Reader { node, trail }))
    }
}

/// `key: …` for one of several forms.
struct Variant<'de, 't> {
    variant: &'de str,
    value: Reader<'de, 't>,
}

impl<'de, 't> EnumAccess<'de> for Variant<'de, 't> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let variant: StrDeserializer<'de, Error> = self.variant.into_deserializer();
        seed.deserialize(variant).map(|read| (read, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.newtype_variant_seed(PhantomData)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let Self { variant, value } = self;
        value.trail.below(|| Step::Key(variant.to_owned()), || seed.deserialize(value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        let Self { variant, value } = self;
        value.trail.below(|| Step::Key(variant.to_owned()), || value.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let Self { variant, value } = self;
        value.trail.below(|| Step::Key(variant.to_owned()), || value.deserialize_struct("", fields, visitor))
    }
}
