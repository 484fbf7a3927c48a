//! Options as a plugin declares them: what [`options!`](crate::options!) makes of a struct, so that hosts
//! list and check them without running the plugin.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

/// Which options a plugin takes.
#[derive(Clone, Copy, Debug)]
pub struct Schema(Known);

#[derive(Clone, Copy, Debug)]
enum Known {
    Nothing,
    All(fn() -> Type),
}

impl Schema {
    /// It does not say: the host hands everything to [`Plugin::configure`](crate::Plugin::configure).
    pub const UNKNOWN: Schema = Schema(Known::Nothing);
    /// It takes none.
    pub const NONE: Schema = Schema(Known::All(none));

    /// Those of a struct that [`options!`](crate::options!) declares.
    pub const fn of<T: OptionType>() -> Schema {
        Schema(Known::All(T::option_type))
    }

    /// A list of options; null where nothing is said.
    pub(crate) fn json(self) -> Value {
        match self.0 {
            Known::Nothing => Value::Null,
            Known::All(all) => all().0["options"].take(),
        }
    }
}

fn none() -> Type {
    Type::table(Vec::new(), Value::Null)
}

/// What values an option takes.
#[derive(Clone, Debug)]
pub struct Type(Value);

impl Type {
    /// Text.
    pub fn text() -> Type {
        Type(json!({"kind": "text"}))
    }

    /// `true` or `false`.
    pub fn boolean() -> Type {
        Type(json!({"kind": "boolean"}))
    }

    /// An integer within bounds.
    pub fn integer(least: i64, most: u64) -> Type {
        Type(json!({"kind": "integer", "least": least, "most": most}))
    }

    /// A number.
    pub fn number() -> Type {
        Type(json!({"kind": "number"}))
    }

    /// Any value; the plugin judges it.
    pub fn any() -> Type {
        Type(json!({"kind": "any"}))
    }

    /// A list.
    pub fn list(of: Type) -> Type {
        Type(json!({"kind": "list", "of": of.0}))
    }

    /// A table with keys of the user's.
    pub fn map(of: Type) -> Type {
        Type(json!({"kind": "map", "of": of.0}))
    }

    #[doc(hidden)]
    pub fn choice(choices: Vec<(Value, String)>) -> Type {
        let choices = choices.into_iter();
        let choices = choices.map(|(name, help)| json!({"name": name, "help": help}));
        Type(json!({"kind": "choice", "choices": choices.collect::<Vec<_>>()}))
    }

    #[doc(hidden)]
    pub fn table(options: Vec<(&str, String, Type)>, defaults: Value) -> Type {
        let options = options.into_iter().map(|(name, help, kind)| {
            let name = plain_of(name);
            let default = defaults.get(name).cloned();
            json!({"name": name, "help": help, "type": kind.0, "default": default})
        });
        Type(json!({"kind": "table", "options": options.collect::<Vec<_>>()}))
    }
}

/// A type that an option may have. [`options!`](crate::options!) implements it for structs and enums.
pub trait OptionType {
    /// What values it takes.
    fn option_type() -> Type;
}

macro_rules! option_types {
    ($($type:ty => $kind:expr),* $(,)?) => {
        $(impl OptionType for $type { fn option_type() -> Type { $kind } })*
    };
}

option_types! {
    bool => Type::boolean(),
    f32 => Type::number(),
    f64 => Type::number(),
    i8 => Type::integer(i8::MIN.into(), i8::MAX as u64),
    i16 => Type::integer(i16::MIN.into(), i16::MAX as u64),
    i32 => Type::integer(i32::MIN.into(), i32::MAX as u64),
    i64 => Type::integer(i64::MIN, i64::MAX as u64),
    u8 => Type::integer(0, u8::MAX.into()),
    u16 => Type::integer(0, u16::MAX.into()),
    u32 => Type::integer(0, u32::MAX.into()),
    u64 => Type::integer(0, u64::MAX),
    usize => Type::integer(0, usize::MAX as u64),
    String => Type::text(),
    std::path::PathBuf => Type::text(),
}

impl<T: OptionType> OptionType for Option<T> {
    fn option_type() -> Type {
        T::option_type()
    }
}

impl<T: OptionType> OptionType for Vec<T> {
    fn option_type() -> Type {
        Type::list(T::option_type())
    }
}

impl<T: OptionType> OptionType for BTreeMap<String, T> {
    fn option_type() -> Type {
        Type::map(T::option_type())
    }
}

impl<T: OptionType, S> OptionType for HashMap<String, T, S> {
    fn option_type() -> Type {
        Type::map(T::option_type())
    }
}

#[doc(hidden)]
pub fn help(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    lines.join("\n").trim().to_owned()
}

/// An identifier as users write it.
#[doc(hidden)]
pub const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

#[doc(hidden)]
pub fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in plain_of(name).chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

fn plain_of(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// The value of a name.
#[doc(hidden)]
pub fn chosen<T, E: serde::de::Error, const N: usize>(
    name: &str,
    all: [(String, T); N],
) -> Result<T, E> {
    let mut names = Vec::new();
    for (known, value) in all {
        if known == name {
            return Ok(value);
        }
        names.push(format!("`{known}`"));
    }
    let names = names.join(", ");
    Err(E::custom(format_args!(
        "unknown variant `{name}`, expected one of {names}"
    )))
}

/// Declares what a user can set, as a struct: names, types, defaults, and from its comments the help that
/// `equip plugins` shows. An enum is a choice of names.
///
/// ```
/// use equip_plugin_api::prelude::*;
///
/// options! {
///     /// What a user can set.
///     #[derive(Clone, Debug)]
///     pub struct Settings {
///         /// Name of the file of results.
///         pub output: Option<String>,
///         /// Leaves out calls that are shorter.
///         pub least_us: u32 = 50,
///         /// How results are written.
///         pub format: Format,
///     }
/// }
///
/// options! {
///     /// Forms of results. The first is the default; names are in snake_case.
///     #[derive(Clone, Copy, Debug, PartialEq)]
///     pub enum Format {
///         /// For people.
///         Text,
///         /// For programs.
///         Json,
///     }
/// }
///
/// let settings: Settings = Options::from_json(r#"{"format": "json"}"#).parse().unwrap();
/// assert_eq!(settings.format, Format::Json);
/// assert_eq!(settings.least_us, 50);
/// ```
///
/// A field without `= …` has its type's default. The types are bool, integers, floats, String, PathBuf,
/// `Option`, `Vec`, maps from String, other structs and enums of this macro, and what implements
/// [`OptionType`] and serde's traits. The struct has serde's `Serialize` and `Deserialize`, unknown keys
/// being errors, and `Default`; of attributes it takes those that are no derive macro's.
#[macro_export]
macro_rules! options {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[$($attr:tt)*])* $field_vis:vis $field:ident : $type:ty $(= $default:expr)?),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $($(#[$($attr)*])* $field_vis $field: $type),*
        }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                $name { $($field: $crate::__default!($($default)?)),* }
            }
        }

        // Not derived: serde's derive would need the name under which the author has this crate.
        impl<'de> $crate::__serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__serde::Deserializer<'de>>(
                from: D,
            ) -> ::std::result::Result<Self, D::Error> {
                use $crate::__serde::de::{Error, MapAccess, Visitor};
                const FIELDS: &[&str] = &[$($crate::options::plain(stringify!($field))),*];
                struct Reads;
                impl<'de> Visitor<'de> for Reads {
                    type Value = $name;
                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("a table")
                    }
                    #[allow(unused_mut, unused_assignments)]
                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> ::std::result::Result<$name, A::Error> {
                        let mut read = <$name as ::std::default::Default>::default();
                        while let Some(key) = map.next_key::<::std::string::String>()? {
                            match key.as_str() {
                                $(key if key == $crate::options::plain(stringify!($field)) => {
                                    read.$field = map.next_value()?;
                                })*
                                other => return Err(A::Error::unknown_field(other, FIELDS)),
                            }
                        }
                        Ok(read)
                    }
                }
                from.deserialize_struct(stringify!($name), FIELDS, Reads)
            }
        }

        impl $crate::__serde::Serialize for $name {
            fn serialize<S: $crate::__serde::Serializer>(
                &self,
                to: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                use $crate::__serde::ser::SerializeMap;
                let mut map = to.serialize_map(None)?;
                $(map.serialize_entry($crate::options::plain(stringify!($field)), &self.$field)?;)*
                map.end()
            }
        }

        impl $crate::options::OptionType for $name {
            fn option_type() -> $crate::options::Type {
                let defaults = $crate::__json(&<$name as ::std::default::Default>::default());
                $crate::options::Type::table(
                    ::std::vec![$((
                        stringify!($field),
                        $crate::options::help(&[$($crate::__help!($($attr)*)),*]),
                        <$type as $crate::options::OptionType>::option_type(),
                    )),*],
                    defaults,
                )
            }
        }
    };
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $(#[$($first_attr:tt)*])* $first:ident
            $(, $(#[$($attr:tt)*])* $variant:ident)* $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis enum $name {
            $(#[$($first_attr)*])* $first,
            $($(#[$($attr)*])* $variant),*
        }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                $name::$first
            }
        }

        impl<'de> $crate::__serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__serde::Deserializer<'de>>(
                from: D,
            ) -> ::std::result::Result<Self, D::Error> {
                let name = <::std::string::String as $crate::__serde::Deserialize>::deserialize(from)?;
                let all = [
                    ($crate::options::snake_case(stringify!($first)), $name::$first),
                    $(($crate::options::snake_case(stringify!($variant)), $name::$variant)),*
                ];
                $crate::options::chosen(&name, all)
            }
        }

        impl $crate::__serde::Serialize for $name {
            fn serialize<S: $crate::__serde::Serializer>(
                &self,
                to: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                let name = match self {
                    $name::$first => stringify!($first),
                    $($name::$variant => stringify!($variant)),*
                };
                to.serialize_str(&$crate::options::snake_case(name))
            }
        }

        impl $crate::options::OptionType for $name {
            fn option_type() -> $crate::options::Type {
                $crate::options::Type::choice(::std::vec![
                    (
                        $crate::__json(&$name::$first),
                        $crate::options::help(&[$($crate::__help!($($first_attr)*)),*]),
                    ),
                    $((
                        $crate::__json(&$name::$variant),
                        $crate::options::help(&[$($crate::__help!($($attr)*)),*]),
                    )),*
                ])
            }
        }
    };
}

// A comment is an attribute; others say nothing to users.
#[doc(hidden)]
#[macro_export]
macro_rules! __help {
    (doc = $text:expr) => {
        $text
    };
    ($($other:tt)*) => {
        ""
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __default {
    () => {
        ::std::default::Default::default()
    };
    ($default:expr) => {
        $default
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::options! {
        /// All kinds.
        #[derive(Clone, Debug, PartialEq)]
        struct Sample {
            /// Text, perhaps.
            output: Option<String>,
            /// Two
            /// lines.
            most: u8 = 7,
            r#type: Choice,
            names: Vec<String> = vec!["a".to_owned()],
            limits: Limits,
        }
    }

    crate::options! {
        #[derive(Clone, Debug, PartialEq)]
        struct Limits {
            /// Seconds.
            time: f64 = 0.5,
        }
    }

    crate::options! {
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum Choice {
            /// One.
            First,
            /// Another.
            OneMore,
        }
    }

    #[test]
    fn names_types_defaults_and_help_are_those_of_the_struct() {
        let said = Schema::of::<Sample>().json();
        let expected = json!([
            {"name": "output", "help": "Text, perhaps.", "type": {"kind": "text"}, "default": null},
            {"name": "most", "help": "Two\nlines.", "default": 7,
             "type": {"kind": "integer", "least": 0, "most": 255}},
            {"name": "type", "help": "", "default": "first", "type": {"kind": "choice", "choices": [
                {"name": "first", "help": "One."}, {"name": "one_more", "help": "Another."}]}},
            {"name": "names", "help": "", "default": ["a"],
             "type": {"kind": "list", "of": {"kind": "text"}}},
            {"name": "limits", "help": "", "default": {"time": 0.5}, "type": {"kind": "table", "options": [
                {"name": "time", "help": "Seconds.", "default": 0.5, "type": {"kind": "number"}}]}},
        ]);
        assert_eq!(said, expected);
        assert_eq!(Schema::NONE.json(), json!([]));
        assert_eq!(Schema::UNKNOWN.json(), Value::Null);
    }

    #[test]
    fn what_is_declared_is_what_is_read() {
        let read = |json| crate::Options::from_json(json).parse::<Sample>();
        assert_eq!(read("").unwrap(), Sample::default());
        let set = read(r#"{"type": "one_more", "limits": {"time": 2}}"#).unwrap();
        assert_eq!((set.r#type, set.limits.time), (Choice::OneMore, 2.0));
        let wrong = read(r#"{"limits": {"tame": 2}}"#).unwrap_err().to_string();
        assert!(wrong.contains("unknown field `tame`"), "{wrong}");
    }
}
