//! Text files as they were before an editor or git on another system took hold of them. No dependency: `xtask` includes this file
//! by its path, so that the page's files are hashed by the same rule.

use std::borrow::Cow;

/// Without a byte order mark, and with LF where a line ends with CRLF; a file without either is left as it is.
pub fn plain(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if !bytes.windows(2).any(|pair| pair == b"\r\n") {
        return Cow::Borrowed(bytes);
    }
    let mut lines = Vec::with_capacity(bytes.len());
    for (i, byte) in bytes.iter().enumerate() {
        if *byte != b'\r' || bytes.get(i + 1) != Some(&b'\n') {
            lines.push(*byte);
        }
    }
    Cow::Owned(lines)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn marks_and_carriage_returns_go_and_nothing_else() {
        for (from, to) in [
            (&b"{\n}\n"[..], &b"{\n}\n"[..]),
            (b"\xEF\xBB\xBF{\r\n}\r\n", b"{\n}\n"),
            (b"a\rb\r", b"a\rb\r"),
            (b"\r\r\n", b"\r\n"),
            (b"", b""),
        ] {
            assert_eq!(plain(from).as_ref(), to, "{from:?}");
        }
    }
}
