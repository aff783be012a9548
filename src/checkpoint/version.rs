//! Formats have versions: a file of a form that this program does not read is refused by name, not by what a parser trips
//! over. A file without a version is of version 1, which had none. CHANGELOG.md has every change of a format.

use serde::{Deserialize, Serialize};

/// The version of a file, which its JSON has beside everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u32);

impl Default for Version {
    fn default() -> Self {
        Self(1)
    }
}

/// What is looked at before the rest.
#[derive(Deserialize)]
struct VersionHead {
    #[serde(default)]
    version: Version,
}

impl Version {
    /// Refuses JSON of a version that nobody here reads: not from 1 to `newest`. What is no such JSON at all is for its own
    /// parser to judge.
    ///
    /// # Errors
    /// The rest of a sentence that begins with the file's name.
    pub fn check(json: &[u8], what: &str, newest: Self) -> Result<(), String> {
        let Ok(VersionHead { version }) = serde_json::from_slice(json) else { return Ok(()) };
        version.known(what, newest)
    }

    /// The same for a version that has been read.
    ///
    /// # Errors
    /// As [`Version::check`].
    pub fn known(self, what: &str, newest: Self) -> Result<(), String> {
        if (1..=newest.0).contains(&self.0) {
            return Ok(());
        }
        let known = if newest.0 == 1 { "version 1".to_owned() } else { format!("versions 1 to {}", newest.0) };
        Err(format!("is {what} of version {}; this program reads {known}: a newer one may read it", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_are_refused_by_name() {
        let check = |json: &str| Version::check(json.as_bytes(), "a trace", Version(2));
        for fine in
            ["{}", r#"{"version": 1}"#, r#"{"version": 2, "more": []}"#, "not even JSON", "[]", r#"{"version": "x"}"#]
        {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for version in ["0", "3", "4294967295"] {
            let said = check(&format!(r#"{{"version": {version}, "new": "form"}}"#)).unwrap_err();
            let wanted =
                format!("is a trace of version {version}; this program reads versions 1 to 2: a newer one may read it");
            assert_eq!(said, wanted);
        }
        assert!(Version(2).known("a link", Version(1)).unwrap_err().contains("reads version 1:"));
    }
}
