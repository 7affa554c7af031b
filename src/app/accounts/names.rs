//! What a user may be called.

use unicode_normalization::char::is_combining_mark;

use crate::limits;

/// What is wrong with an e-mail address, to be read behind its name. What is taken is what HTML takes in a field for
/// one (WHATWG HTML 4.10.5.1.5), with a dot in its domain or not: whether mail arrives can only be tried.
pub(super) fn judge_email(email: &str) -> Option<&'static str> {
    if email.len() > limits::EMAIL_BYTES {
        return Some("is longer than 254 bytes");
    }
    let is_address = email.split_once('@').is_some_and(|(local, domain)| {
        let is_atom = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
        // RFC 5321 4.5.3.1.1
        (1..=64).contains(&local.len()) && local.bytes().all(is_atom) && domain.split('.').all(is_label)
    });
    if is_address { None } else { Some("is no e-mail address such as ada@example.com") }
}

fn is_label(label: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(is_inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// What is wrong with a nickname, to be read behind its name.
pub(super) fn judge_nickname(nickname: &str) -> Option<&'static str> {
    let count = nickname.chars().take(limits::NICKNAME_CHARS + 1).count();
    if count == 0 {
        return Some("is empty");
    }
    if count > limits::NICKNAME_CHARS {
        return Some("is longer than 32 characters");
    }
    if nickname.trim() != nickname {
        return Some("begins or ends with white space");
    }
    if nickname.chars().any(is_unseen) || hides_a_variant(nickname) {
        return Some("has characters in it that cannot be seen");
    }
    let has_heap = nickname.split(|c| !is_combining_mark(c)).any(|run| run.chars().count() > 3);
    if has_heap || nickname.starts_with(is_combining_mark) {
        return Some("has marks in it that stand on no letter");
    }
    None
}

/// Controls, line ends, and what turns the direction of a line or takes no room: with these one name can look like
/// another.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{fe00}'..='\u{fe0d}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Behind a sign these two choose how it is drawn; behind a letter they do nothing.
fn hides_a_variant(nickname: &str) -> bool {
    let mut pairs = nickname.chars().zip(nickname.chars().skip(1));
    nickname.starts_with(['\u{fe0e}', '\u{fe0f}'])
        || pairs.any(|(c, next)| matches!(next, '\u{fe0e}' | '\u{fe0f}') && c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_mail_addresses_are_judged() {
        for good in
            ["a@b", "ada@example.com", "ada+tag@mail.example.com", "o'neil@x-y.example", "1!#$%&'*@a.b"]
        {
            assert_eq!(judge_email(good), None, "{good}");
        }
        let (long, label) = (format!("{}@a", "a".repeat(65)), format!("a@{}", "b".repeat(64)));
        for bad in [
            "", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@-b", "a@b-", "a@b..c", "a@.b", "\"a\"@b", "é@b",
            "a@b\n", &long, &label,
        ] {
            assert!(judge_email(bad).is_some(), "{bad:?}");
        }
        let whole = |len: usize| format!("a@{}", "b.".repeat(len / 2 - 1) + "c");
        assert_eq!(judge_email(&format!("a{}", whole(252))), None);
        assert_eq!(judge_email(&format!("aaa{}", whole(252))), Some("is longer than 254 bytes"));
    }

    #[test]
    fn nicknames_are_judged() {
        for good in ["a", "Ada Lovelace", "홍길동", "O\"Neil\\", "🦀🦀", "❤\u{fe0f}", &"é".repeat(32)]
        {
            assert_eq!(judge_nickname(good), None, "{good}");
        }
        for bad in
            ["", " ", " a", "a\u{a0}", "a\nb", "a\0", "a\u{202e}b", "a\u{200b}", "\u{3164}", &"é".repeat(33)]
        {
            assert!(judge_nickname(bad).is_some(), "{bad:?}");
        }
    }
}
