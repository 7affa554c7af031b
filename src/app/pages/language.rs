//! The language of a page: what its reader prefers of those that there are (RFC 9110 12.5.4).

/// A language that there are words of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Korean,
}

impl Language {
    /// All of them. The first one goes to whoever wants none of them.
    pub(super) const ALL: [Self; 2] = [Self::English, Self::Korean];

    /// Its tag: BCP 47.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    /// The one that is wanted most, by the members of Accept-Language; of two that are wanted as much, the one that is
    /// named first.
    pub(super) fn wanted<'a>(ranges: impl Iterator<Item = &'a [u8]>) -> Self {
        let ranges: Vec<_> = ranges.filter_map(range).collect();
        let wish = |language: Self| {
            let is = |tag: &str| {
                let primary = tag.split('-').next().unwrap_or_default();
                primary.eq_ignore_ascii_case(language.tag())
            };
            let named = ranges.iter().enumerate().filter(|(_, (tag, _))| is(tag));
            // What is meant of a language by its regions is meant of the words that there are of it.
            let best = named.max_by_key(|(at, (_, weight))| (*weight, std::cmp::Reverse(*at)));
            let any = || ranges.iter().enumerate().find(|(_, (tag, _))| *tag == "*");
            let best = best.or_else(any).filter(|(_, (_, weight))| *weight > 0);
            best.map(|(at, (_, weight))| (*weight, std::cmp::Reverse(at)))
        };
        let mut best = Self::ALL[0];
        for language in Self::ALL {
            if wish(language) > wish(best) {
                best = language;
            }
        }
        best
    }
}

/// A range and its weight, in thousandths. One that is no range is as if it were not there.
fn range(member: &[u8]) -> Option<(&str, u16)> {
    let member = std::str::from_utf8(member).ok()?;
    let (tag, parameter) = match member.split_once(';') {
        Some((tag, parameter)) => (tag.trim(), Some(parameter.trim())),
        None => (member.trim(), None),
    };
    let weight = match parameter {
        Some(parameter) => {
            let (name, value) = parameter.split_once('=')?;
            name.eq_ignore_ascii_case("q").then(|| thousandths(value)).flatten()?
        }
        None => 1000,
    };
    (!tag.is_empty()).then_some((tag, weight))
}

/// A weight: RFC 9110 12.4.2.
fn thousandths(value: &str) -> Option<u16> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" if is_number => Some(fraction),
        "1" if is_number && fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_that_is_wanted_most() {
        use Language::{English, Korean};
        for (field, wanted) in [
            ("", English),
            ("ko", Korean),
            ("KO-kr", Korean),
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Korean),
            ("en-US,en;q=0.9,ko;q=0.8", English),
            ("en;q=0.5, ko ; q=0.6", Korean),
            ("en;q=0.5,ko;q=0.501", Korean),
            ("ko,en", Korean),
            ("en,ko", English),
            ("fr, de;q=0.9", English),
            ("fr, ko;q=0.1", Korean),
            ("*", English),
            ("*, en;q=0", Korean),
            ("*;q=0.5, ko;q=0.4", English),
            ("en;q=0, ko;q=0", English),
            ("ko;q=0", English),
            ("ko;q=2, en;q=0.1", English),
            ("ko;q=0.0001, en;q=0.1", English),
            ("ko;q=, en;q=0.1", English),
            ("ko;level=1, en;q=0.1", English),
            ("kok, en;q=0.1", English),
            (";q=1, ko;q=0.1", Korean),
        ] {
            assert_eq!(Language::wanted(field.split(',').map(str::as_bytes)), wanted, "{field}");
        }
    }
}
