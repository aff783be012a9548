//! JSON as this program writes it: indented objects, but every list on one line. A trace holds hundreds of numbers, and
//! serde_json's pretty form gives each a line of its own.

use std::io::{self, Write};

use dpar::error::is_strange;
use dpar::{Error, Result};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

/// A value as JSON, without a newline at the end.
///
/// # Errors
/// [`Error::Internal`]; everything this program writes has a JSON form.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    format(value, Lists(PrettyFormatter::new()))
}

/// A value as JSON on one line, without a newline at the end.
///
/// # Errors
/// As [`to_json`].
pub fn to_json_line(value: &impl Serialize) -> Result<String> {
    format(value, Line)
}

fn format(value: &impl Serialize, formatter: impl Formatter) -> Result<String> {
    let mut bytes = Vec::new();
    let internal = |why: String| Error::Internal(format!("no JSON: {why}"));
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter)).map_err(|e| internal(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| internal(e.to_string()))
}

/// Part of a string. serde_json escapes what ASCII has for terminals, but they obey some of what comes after ASCII as well,
/// and JSON is looked at in them.
fn write_escaped<W: ?Sized + Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
    let mut rest = fragment;
    while let Some((at, strange)) = rest.char_indices().find(|(_, c)| is_strange(*c)) {
        // All of them have one UTF-16 unit.
        write!(writer, "{}\\u{:04x}", &rest[..at], u32::from(strange))?;
        rest = &rest[at + strange.len_utf8()..];
    }
    writer.write_all(rest.as_bytes())
}

/// serde_json's compact form.
struct Line;

impl Formatter for Line {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_escaped(writer, fragment)
    }
}

/// [`PrettyFormatter`] for objects, serde_json's compact form (with spaces) for lists.
struct Lists<'a>(PrettyFormatter<'a>);

impl Formatter for Lists<'_> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_escaped(writer, fragment)
    }

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

    #[test]
    fn a_terminal_obeys_nothing_in_it() {
        let name = "a\u{9b}31m\u{202e}b\u{7f}\u{1b}";
        for json in [to_json(&name).unwrap(), to_json_line(&name).unwrap()] {
            assert_eq!(json, r#""a\u009b31m\u202eb\u007f\u001b""#);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
        }
    }
}
