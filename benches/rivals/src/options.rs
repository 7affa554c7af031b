//! Arguments of the programs: words, and `--name value` pairs. Who calls them is `scripts/bench`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// What the command line said.
#[derive(Debug, Default)]
pub struct Options {
    words: Vec<String>,
    named: BTreeMap<String, String>,
}

impl Options {
    /// Reads the command line. `switches` are the names that take no value.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn from_env(switches: &[&str], names: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = std::env::args().skip(1);
        while let Some(word) = rest.next() {
            let Some(name) = word.strip_prefix("--") else {
                options.words.push(word);
                continue;
            };
            let value = if switches.contains(&name) {
                "yes".to_owned()
            } else if names.contains(&name) {
                rest.next().ok_or_else(|| format!("--{name} needs a value"))?
            } else {
                return Err(format!(
                    "there is no --{name}; there are: --{}",
                    [switches, names].concat().join(" --")
                ));
            };
            options.named.insert(name.to_owned(), value);
        }
        Ok(options)
    }

    /// The word at a place, as a value.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn word<T: FromStr<Err: Display>>(&self, at: usize, what: &str) -> Result<T, String> {
        let text = self.words.get(at).ok_or_else(|| format!("{what} is missing"))?;
        text.parse().map_err(|e| format!("{what}: {text:?}: {e}"))
    }

    /// A named value, or what it is without.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn named<T: FromStr<Err: Display>>(&self, name: &str, default: T) -> Result<T, String> {
        match self.named.get(name) {
            Some(text) => text.parse().map_err(|e| format!("--{name}: {text:?}: {e}")),
            None => Ok(default),
        }
    }

    /// Was this switch given?
    pub fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }
}
