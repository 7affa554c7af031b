//! Passwords: which are taken, and what is kept instead of them.
//!
//! After NIST SP 800-63B (5.1.1.2, revision 3): at least eight characters, room for long ones, no rules of composition,
//! compared with a list of common ones and with what belongs to the user, normalised by NFKC before they are hashed.
//! Revision 4 asks for fifteen characters where a password is all there is: [`Passwords::min_chars`].
//!
//! What is kept is argon2id with OWASP's parameters: 19 MiB, two passes, one lane.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization as _;

use crate::app::entropy::Entropy;
use crate::limits;

/// KiB of memory and passes over it.
const COST: (u32, u32) = (19 << 10, 2);

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    /// KiB of memory.
    m: u32,
    /// Passes.
    t: u32,
    salt: String,
    hash: String,
}

impl Default for PasswordHash {
    /// Of no password.
    fn default() -> Self {
        Self { m: COST.0, t: COST.1, salt: BASE64.encode([0; 16]), hash: String::new() }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// Judges and hashes passwords.
pub struct Passwords {
    blocklist: Blocklist,
    min_chars: usize,
    entropy: Entropy,
    /// Memory for hashes, kept for the next one: as many as were made at once.
    memory: Mutex<Vec<Vec<Block>>>,
}

impl Passwords {
    /// With this list, and at least eight characters.
    pub fn new(blocklist: Blocklist, entropy: Entropy) -> Self {
        Self { blocklist, min_chars: limits::PASSWORD_CHARS.0, entropy, memory: Mutex::default() }
    }

    /// At least so many characters, eight at the least.
    #[must_use]
    pub fn min_chars(self, min_chars: usize) -> Self {
        Self { min_chars: min_chars.max(limits::PASSWORD_CHARS.0), ..self }
    }

    /// What is wrong with a new password, to be read behind its name. `own` is what belongs to the user.
    pub fn judge(&self, password: &str, own: &[&str]) -> Option<String> {
        // As it is kept: one character may be written as many.
        let count = normal(password).chars().take(limits::PASSWORD_CHARS.1 + 1).count();
        if count < self.min_chars {
            return Some(format!("is shorter than {} characters", self.min_chars));
        }
        if count > limits::PASSWORD_CHARS.1 {
            return Some(format!("is longer than {} characters", limits::PASSWORD_CHARS.1));
        }
        self.blocklist.finds(&normal(password), own).map(str::to_owned)
    }

    /// What to keep of a password. Takes some 26 ms of a core.
    pub fn hash(&self, password: &str) -> PasswordHash {
        let mut salt = [0; 16];
        (self.entropy)(&mut salt);
        let hash = self.derive(COST, password, &salt);
        PasswordHash { m: COST.0, t: COST.1, salt: BASE64.encode(salt), hash: BASE64.encode(hash) }
    }

    /// It is the password that this was made of. With no hash to compare it with it takes as long, and is not.
    pub fn is_right(&self, password: &str, kept: Option<&PasswordHash>) -> bool {
        let nobody = PasswordHash::default();
        let hash = kept.unwrap_or(&nobody);
        let salt = BASE64.decode(&hash.salt).unwrap_or_default();
        let derived = self.derive((hash.m, hash.t), password, &salt);
        let is_same = BASE64.decode(&hash.hash).is_ok_and(|expected| is_same(&derived, &expected, &salt));
        // Of a longer one only so much was looked at, and none is kept.
        is_same && kept.is_some() && normal(password).chars().nth(limits::PASSWORD_CHARS.1).is_none()
    }

    fn derive(&self, (m, t): (u32, u32), password: &str, salt: &[u8]) -> [u8; 32] {
        let params = Params::new(m, t, 1, Some(32)).expect("the cost that was kept is one that can be");
        let mut memory = self.memory().pop().unwrap_or_default();
        memory.resize(params.block_count(), Block::default());
        let mut hash = [0; 32];
        let password: String = normal(password).chars().take(limits::PASSWORD_CHARS.1).collect();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password.as_bytes(), salt, &mut hash, &mut memory[..])
            .expect("lengths are within what argon2 takes");
        self.memory().push(memory);
        hash
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compared without telling by its time where they differ: their tags are.
fn is_same(a: &[u8], b: &[u8], salt: &[u8]) -> bool {
    let tag = |bytes: &[u8]| {
        let tag = Hmac::<Sha256>::new_from_slice(salt).expect("a key of HMAC may have any length");
        tag.chain_update(bytes)
    };
    tag(a).verify(&tag(b).finalize().into_bytes()).is_ok()
}

fn normal(password: &str) -> String {
    password.nfkc().collect()
}

/// Passwords that are tried first by those who guess: a list of the house's own, and more for those who have a longer
/// one.
#[derive(Clone, Debug, Default)]
pub struct Blocklist {
    more: HashSet<String>,
}

/// Words, one in a line, from which the common passwords are made: with capitals, with digits and signs before and
/// behind, and with digits in place of letters.
const COMMON: &str = include_str!("common.txt");

impl Blocklist {
    /// The house's own list, and these lines.
    pub fn with(lines: &str) -> Self {
        let lines = lines.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty());
        Self { more: lines.map(|line| normal(line).to_lowercase()).collect() }
    }

    fn finds(&self, password: &str, own: &[&str]) -> Option<&'static str> {
        let lower = password.to_lowercase();
        if self.more.contains(&lower) || is_common(&lower) {
            return Some("is one of the first that somebody would guess");
        }
        if is_pattern(&lower) {
            return Some("is a pattern that somebody would guess: a repetition, or a row of keys");
        }
        let core = core(&lower);
        let is_own = |word: &&str| {
            let word = word.to_lowercase();
            !word.is_empty() && (lower == word || core == word)
        };
        let parts = own.iter().flat_map(|word| [Some(*word), word.split_once('@').map(|(local, _)| local)]);
        if parts.flatten().any(|word| is_own(&word)) {
            return Some("is made of the user's own name or address");
        }
        None
    }
}

/// The word in a password, without the digits and signs around it.
fn core(lower: &str) -> &str {
    lower.trim_matches(|c: char| !c.is_alphabetic())
}

fn is_common(lower: &str) -> bool {
    let plain = |text: &str| text.chars().map(letter_for).collect::<String>();
    let (whole, inner) = (plain(lower), plain(core(lower)));
    let is_word = |word: &str| COMMON.lines().any(|common| common == word);
    let candidates = [lower, core(lower), &whole, core(&whole), &inner];
    candidates.into_iter().any(is_word)
}

/// The letter that a digit or a sign is written for.
fn letter_for(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    }
}

/// Rows of keys and of characters, both ways.
const ROWS: [&str; 6] = [
    "abcdefghijklmnopqrstuvwxyz",
    "012345678901234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qazwsxedcrfvtgbyhnujmikolp",
];

/// A piece that would be too short by itself, again and again, or nothing but pieces of rows.
fn is_pattern(lower: &str) -> bool {
    let chars: Vec<char> = lower.chars().collect();
    let periods = 1..limits::PASSWORD_CHARS.0.min(chars.len() / 2 + 1);
    let repeats = |period: usize| chars.iter().zip(&chars[period..]).all(|(a, b)| a == b);
    periods.into_iter().any(repeats) || rows_cover(lower)
}

fn rows_cover(lower: &str) -> bool {
    let rows: Vec<String> =
        ROWS.iter().flat_map(|row| [(*row).to_owned(), row.chars().rev().collect()]).collect();
    let mut rest = lower;
    while !rest.is_empty() {
        let longest = rest.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
        let piece = longest.into_iter().find(|&end| rows.iter().any(|row| row.contains(&rest[..end])));
        match piece {
            Some(end) if end >= 3 => rest = &rest[end..],
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(Blocklist::default(), Arc::new(|buffer| buffer.fill(7)))
    }

    #[test]
    fn common_passwords_are_refused() {
        let own = ["ada@example.com", "Countess"];
        for bad in [
            "password",
            "Password1!",
            "p4ssw0rd",
            "P@SSW0RD123",
            "iloveyou2",
            "letmein2024",
            "qwertyuiop",
            "12345678901",
            "abcd1234",
            "aaaaaaaa",
            "abababab",
            "abcabcabc",
            "hunter2hunter2",
            "ada@example.com",
            "countess",
            "countess99",
            "ｐａｓｓｗｏｒｄ",
            "87654321",
            "qwerty123456",
            "1q2w3e4r5t",
            "taphouse1",
        ] {
            assert!(passwords().judge(bad, &own).is_some(), "{bad}");
        }
        for good in [
            "correct horse battery staple",
            "marker-password-1",
            "Tr0ub4dor&3x",
            "비밀번호는길게쓴다",
            "s3cret-pass",
            "xkcd-936-comic",
        ] {
            assert_eq!(passwords().judge(good, &own), None, "{good}");
        }
        let long: String = (0..64).map(|n| format!("{n:03} ")).collect();
        assert_eq!(passwords().judge(&long[..255], &own).as_deref(), None);
        assert_eq!(passwords().judge("short-7", &own).as_deref(), Some("is shorter than 8 characters"));
        assert_eq!(
            passwords().judge(&"ab c!".repeat(52), &own).as_deref(),
            Some("is longer than 256 characters")
        );
        let strict = passwords().min_chars(15);
        assert_eq!(strict.judge("s3cret-pass", &own).as_deref(), Some("is shorter than 15 characters"));
    }

    #[test]
    fn an_own_list_is_heeded() {
        let list = Passwords::new(Blocklist::with("Tapas-And-Wine\r\n\nother\n"), Arc::new(|_| {}));
        assert!(list.judge("tapas-and-wine", &[]).is_some());
        assert_eq!(list.judge("tapas-and-beer", &[]), None);
    }

    #[test]
    fn a_hash_is_of_its_password_alone() {
        let passwords = passwords();
        let hash = passwords.hash("correct horse");
        assert!(passwords.is_right("correct horse", Some(&hash)));
        assert!(!passwords.is_right("correct hors", Some(&hash)));
        assert!(!passwords.is_right("correct horse", None));
        let long = "aB3 ".repeat(64);
        let kept = passwords.hash(&long);
        assert!(
            passwords.is_right(&long, Some(&kept)) && !passwords.is_right(&format!("{long}x"), Some(&kept))
        );
        assert!(!passwords.is_right("", Some(&PasswordHash::default())));
        let wide = passwords.hash("ｃｏｒｒｅｃｔ horse");
        assert!(passwords.is_right("correct horse", Some(&wide)), "one password, written in two ways");
    }

    /// The vector was made by another implementation: `argon2` of the reference code, by Python's argon2-cffi.
    #[test]
    fn it_is_argon2id() {
        let kept = passwords().hash("password");
        assert_eq!((kept.m, kept.t), (19_456, 2));
        assert_eq!(kept.hash, "uVsQl64ujLFpwoMChntRkvA3JnLpuf7kCZ6je2dGqXw");
    }
}
