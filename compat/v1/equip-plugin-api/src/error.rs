//! Errors of plugins, and their options.

use std::fmt;

/// Why a plugin cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(crate) code: u32,
    pub(crate) message: String,
    /// Path of the option that is wrong.
    pub(crate) at: String,
}

/// What plugin functions return.
pub type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// An error with a message for the user.
    pub fn new(message: impl fmt::Display) -> Self {
        Error {
            code: crate::abi::code::PLUGIN,
            message: message.to_string(),
            at: String::new(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Error::new(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Error::new(message)
    }
}

/// The options that a user gave to a plugin.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub(crate) json: &'a str,
}

impl<'a> Options<'a> {
    /// Options as JSON text, for a plugin's own tests.
    pub fn from_json(json: &'a str) -> Self {
        Options { json }
    }

    /// Reads them into a type of the plugin; without options, from `{}`.
    ///
    /// # Errors
    /// Names the option that is unknown or of the wrong type.
    pub fn parse<T: serde::de::DeserializeOwned>(self) -> Result<T> {
        let json = if self.json.trim().is_empty() {
            "{}"
        } else {
            self.json
        };
        let reader = &mut serde_json::Deserializer::from_str(json);
        serde_path_to_error::deserialize(reader).map_err(|error| {
            let path = error.path().to_string();
            let text = error.inner().to_string();
            // The position in the JSON text means nothing to the user.
            let text = text.split(" at line ").next().unwrap_or_default();
            // `.` is all of them; `?` is text that is no JSON.
            let at = if path == "." || path == "?" {
                String::new()
            } else {
                path
            };
            let place = if at.is_empty() { "" } else { ": " };
            Error {
                code: crate::abi::code::OPTIONS,
                message: format!("{at}{place}{text}"),
                at,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        hook: String,
    }

    #[test]
    fn options_name_what_is_wrong() {
        assert_eq!(Options::from_json("").parse::<Sample>().unwrap().hook, "");
        let wrong = Options::from_json(r#"{"hook": 5}"#)
            .parse::<Sample>()
            .unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "hook: invalid type: integer `5`, expected a string"
        );
        let unknown = Options::from_json(r#"{"hok": "x"}"#)
            .parse::<Sample>()
            .unwrap_err();
        assert!(
            unknown
                .to_string()
                .contains("unknown field `hok`, expected `hook`"),
            "{unknown}"
        );
    }
}
