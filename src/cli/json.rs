//! JSON as this program writes it: indented objects, but every list on one line. A trace holds hundreds of numbers, and
//! serde_json's pretty form gives each a line of its own.

use std::io::{self, Write};

use dpar::{Error, Result};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

/// A value as JSON, without a newline at the end.
///
/// # Errors
/// [`Error::Internal`]; everything this program writes has a JSON form.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    let mut bytes = Vec::new();
    let internal = |why: String| Error::Internal(format!("no JSON: {why}"));
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, Lists(PrettyFormatter::new())))
        .map_err(|e| internal(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| internal(e.to_string()))
}

/// [`PrettyFormatter`] for objects, serde_json's compact form (with spaces) for lists.
struct Lists<'a>(PrettyFormatter<'a>);

impl Formatter for Lists<'_> {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stay_on_one_line() {
        let value = serde_json::json!({"a": [1, 2], "b": {"c": [], "d": [{"e": null}, {}]}});
        let json = to_json(&value).unwrap();
        assert_eq!(
            json,
            "{\n  \"a\": [1, 2],\n  \"b\": {\n    \"c\": [],\n    \"d\": [{\n      \"e\": null\n    }, {}]\n  }\n}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
    }
}
