//! What mails, chats and documents do to a link on its way, undone: line breaks, `&amp;`, brackets, quotes, full stops, an
//! escaped `#`, or all of it escaped.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The longest text that a link is looked for in, in bytes: several times what a picture of 4,096 given tokens needs.
const MAX_BYTES: usize = 100_000;
/// How often a link may have been escaped on the way.
const MAX_ESCAPES: usize = 3;

/// The part of an address that is the link: `key=value` pairs with `&` between them.
///
/// # Errors
/// One sentence: nothing there, an address without such a part, a link that was shortened on the way.
pub(super) fn fragment(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > MAX_BYTES {
        return Err(format!("the link is {} bytes long: links of this program have at most {MAX_BYTES}", text.len()));
    }
    let bare = bare(&without_entities(&on_one_line(text)));
    if bare.ends_with("...") || bare.ends_with('\u{2026}') {
        return Err("the link ends with ...: it was shortened on the way, copy the whole address".into());
    }
    let mut part = addressed(&bare)?.trim_start_matches(['#', '/', '!', '?']).to_owned();
    // Some programs escape all of it, separators included, and some do it again.
    for _ in 0..MAX_ESCAPES {
        if part.contains('=') || !holds(&part, "%3d") && !holds(&part, "%253d") {
            break;
        }
        part = decoded("link", &part)?.trim_start_matches(['#', '/', '!', '?']).to_owned();
    }
    // A browser's own mark for text that it shall scroll to.
    Ok(part.split(":~:").next().unwrap_or_default().to_owned())
}

/// What follows the `#`, or the `?` of an address without one.
fn addressed(text: &str) -> Result<Cow<'_, str>, String> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..MAX_ESCAPES {
        if let Some((_, part)) = text.split_once('#') {
            return Ok(Cow::Owned(part.to_owned()));
        }
        text = match find(&text, "%23") {
            // Only the `#` is escaped: what stands behind it is a link already, whose own escapes stay.
            Some(at) if text[at..].contains('=') => return Ok(Cow::Owned(text[at + 3..].to_owned())),
            Some(_) => Cow::Owned(decoded("link", &text)?.into_owned()),
            None if holds(&text, "%2523") => Cow::Owned(decoded("link", &text)?.into_owned()),
            None => break,
        };
    }
    if !text.contains("://") {
        return Ok(text);
    }
    match text.split_once('?') {
        Some((_, query)) if query.contains('=') => Ok(Cow::Owned(query.to_owned())),
        _ => Err(format!("the link {} has no part after a #: copy the whole address", quoted(&text))),
    }
}

/// Without line breaks, with the marks that mails put around them.
fn on_one_line(text: &str) -> String {
    // Quoted-printable, as mails are stored: a line that goes on ends with an equals sign, and real ones are =3D.
    let printable = holds(text, "=3d") && text.lines().any(|line| line.trim_end().ends_with('='));
    let mut joined = String::with_capacity(text.len());
    for line in text.lines() {
        let line = line.trim().trim_start_matches("> ").trim_start_matches('>').trim();
        joined.push_str(if printable { line.strip_suffix('=').unwrap_or(line) } else { line });
    }
    if printable {
        joined = joined.replace("=3D", "=").replace("=3d", "=").replace("=26", "&");
    }
    // Marks without width, where a line could have been broken.
    joined.retain(|c| !matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}'));
    joined
}

/// `&amp;` and its kin, as text that was HTML once has them; again where it was HTML twice.
fn without_entities(text: &str) -> String {
    const ENTITIES: [(&str, &str); 12] = [
        ("&amp;", "&"),
        ("&AMP;", "&"),
        ("&#38;", "&"),
        ("&#x26;", "&"),
        ("&#35;", "#"),
        ("&#x23;", "#"),
        ("&num;", "#"),
        ("&#61;", "="),
        ("&#x3D;", "="),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ];
    let mut text = text.to_owned();
    for _ in 0..MAX_ESCAPES {
        if !ENTITIES.iter().any(|(entity, _)| text.contains(entity)) {
            break;
        }
        for (entity, character) in ENTITIES {
            text = text.replace(entity, character);
        }
    }
    text
}

/// Without what stands around a link in a text: brackets, quotes, the end of a sentence, Markdown, HTML.
fn bare(text: &str) -> String {
    let mut text = text;
    if let Some((_, after)) = text.split_once("href=\"") {
        text = after.split('"').next().unwrap_or_default();
    }
    if let Some((_, after)) = text.rsplit_once("](") {
        text = after;
    }
    if let Some(inner) = text.trim_start().strip_prefix('<') {
        text = inner.split('>').next().unwrap_or_default();
    }
    loop {
        let before = text;
        text = text
            .trim()
            .trim_start_matches(['<', '(', '[', '{', '"', '\'', '`', '\u{201C}', '\u{201E}', '\u{2018}', '\u{AB}']);
        let closed = |open: char, close: char| text.matches(open).count() >= text.matches(close).count();
        text = match text.chars().last() {
            // Three of them are another matter: the link was shortened.
            Some('.') if text.ends_with("...") => text,
            Some('>' | '"' | '\'' | '`' | '\u{201D}' | '\u{2019}' | '\u{BB}' | '.' | ',' | ';' | '!' | '&') => {
                cut(text)
            }
            Some(')') if !closed('(', ')') => cut(text),
            Some(']') if !closed('[', ']') => cut(text),
            Some('}') if !closed('{', '}') => cut(text),
            _ => text,
        };
        if text == before {
            return text.to_owned();
        }
    }
}

/// Without its last character.
fn cut(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next_back();
    characters.as_str()
}

/// Where an escape stands, in either case of its letters.
fn find(text: &str, escape: &str) -> Option<usize> {
    // Lower case of ASCII letters alone: positions stay.
    text.to_ascii_lowercase().find(escape)
}

fn holds(text: &str, escape: &str) -> bool {
    find(text, escape).is_some()
}

/// What an escaped value says.
///
/// # Errors
/// One sentence, for what is no text.
pub(super) fn decoded<'a>(key: &str, value: &'a str) -> Result<Cow<'a, str>, String> {
    percent_decode_str(value).decode_utf8().map_err(|_| bad(key, value, "text in UTF-8, and is damaged"))
}

/// The sentence for a value that cannot be used.
pub(super) fn bad(key: &str, value: &str, wanted: &str) -> String {
    format!("the link's {} is {}: it must be {wanted}", quoted(key), quoted(value))
}

/// Text of a stranger for a message: on one line, in quotes, not too long.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    format!("{short:?}{}", if short.len() < text.len() { "..." } else { "" })
}
