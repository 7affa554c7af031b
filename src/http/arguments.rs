//! Parameters of a request's path and query, typed: what is missing or of another type is 422, and all of it is named.
//!
//! They are decoded here, once: RFC 3986 2.1 for a segment of the path, the form encoding of the URL standard for the
//! query. A parameter that stands twice in a query is refused, since two programs may each believe another one.

use std::borrow::Cow;

use super::head::Request;
use super::problem::{Invalid, Place, Problem};
use super::urlencoded::{pairs, percent_decode};

/// A type that a parameter can have.
pub trait Argument: Sized {
    /// Reads a parameter, `None` if it is not there.
    ///
    /// # Errors
    /// It is not as it must be: what is wrong, to be read behind its name.
    fn read(value: Option<&str>) -> Result<Self, Cow<'static, str>>;
}

/// One parameter, or several that are read together.
pub trait Arguments<Names>: Sized {
    /// Reads them.
    ///
    /// # Errors
    /// The problem names all that are not as they must be.
    fn read_all(request: &Request<'_>, place: Place, names: Names) -> Result<Self, Problem>;
}

const MISSING: Cow<'static, str> = Cow::Borrowed("is missing");

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Argument for $integer {
            /// `-?[0-9]+` within the type's range; leading zeros are allowed.
            fn read(value: Option<&str>) -> Result<Self, Cow<'static, str>> {
                let value = value.ok_or(MISSING)?;
                let digits = value.strip_prefix('-').unwrap_or(value);
                let is_integer = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let number = is_integer.then(|| value.parse().ok()).flatten();
                number.ok_or_else(|| format!("is not an integer from {} to {}", Self::MIN, Self::MAX).into())
            }
        }
    )*};
}

integers!(i64, u64, i32, u32, u16, u8);

impl Argument for bool {
    fn read(value: Option<&str>) -> Result<Self, Cow<'static, str>> {
        match value.ok_or(MISSING)? {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err("is neither true nor false".into()),
        }
    }
}

impl Argument for String {
    fn read(value: Option<&str>) -> Result<Self, Cow<'static, str>> {
        value.map(str::to_owned).ok_or(MISSING)
    }
}

impl<T: Argument> Argument for Option<T> {
    fn read(value: Option<&str>) -> Result<Self, Cow<'static, str>> {
        value.map(|value| T::read(Some(value))).transpose()
    }
}

impl<T: Argument> Arguments<&str> for T {
    fn read_all(request: &Request<'_>, place: Place, name: &str) -> Result<Self, Problem> {
        read_one(request, place, name).map_err(|invalid| Problem::invalid(vec![invalid]))
    }
}

macro_rules! tuples {
    ($($count:literal: $($argument:ident $at:tt),*;)*) => {$(
        impl<$($argument: Argument),*> Arguments<[&str; $count]> for ($($argument,)*) {
            fn read_all(request: &Request<'_>, place: Place, names: [&str; $count]) -> Result<Self, Problem> {
                let read = ($(read_one::<$argument>(request, place, names[$at]),)*);
                match read {
                    ($(Ok($argument),)*) => Ok(($($argument,)*)),
                    read => Err(Problem::invalid([$(read.$at.err()),*].into_iter().flatten().collect())),
                }
            }
        }
    )*};
}

#[expect(non_snake_case, reason = "the macro names a value as its type")]
mod tuples {
    use super::{Argument, Arguments, Place, Problem, Request, read_one};

    tuples! {
        2: A 0, B 1;
        3: A 0, B 1, C 2;
        4: A 0, B 1, C 2, D 3;
    }
}

fn read_one<T: Argument>(request: &Request<'_>, place: Place, name: &str) -> Result<T, Invalid> {
    let value = match place {
        Place::Query => of_query(request.query.unwrap_or_default(), name),
        _ => of_path(request, name),
    };
    let read = value.and_then(|value| T::read(value.as_deref()));
    read.map_err(|detail| Invalid { place, name: name.to_owned().into(), detail })
}

type Value<'a> = Result<Option<Cow<'a, str>>, Cow<'static, str>>;

/// # Panics
/// The route has no such parameter.
fn of_path<'a>(request: &Request<'a>, name: &str) -> Value<'a> {
    let named = request.captured.iter().find(|(captured, _)| *captured == name);
    let (_, raw) = named.unwrap_or_else(|| panic!("the route of {request:?} has no parameter {name:?}"));
    let text = match percent_decode(raw) {
        Ok(Cow::Borrowed(_)) => Some(Cow::Borrowed(*raw)),
        Ok(Cow::Owned(bytes)) => String::from_utf8(bytes).ok().map(Cow::Owned),
        Err(_) => None,
    };
    text.map(Some).ok_or(Cow::Borrowed("is not UTF-8"))
}

fn of_query<'a>(query: &'a str, name: &str) -> Value<'a> {
    let mut found = None;
    for pair in pairs(query.as_bytes()) {
        // One that cannot be read may have been ours.
        let (read, value) = pair.map_err(|bad| Cow::Owned(format!("cannot be told: {bad}")))?;
        if read == name && found.replace(value).is_some() {
            return Err("is given twice".into());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_digits_within_their_range() {
        for (text, number) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("007", Some(7)),
            ("-12", Some(-12)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("000000000000000000000000000000001", Some(1)),
            ("", None),
            ("-", None),
            ("+1", None),
            ("--1", None),
            ("1.0", None),
            ("1e3", None),
            (" 1", None),
            ("１", None),
            ("0x1", None),
        ] {
            assert_eq!(i64::read(Some(text)).ok(), number, "{text:?}");
        }
        assert_eq!(u8::read(Some("256")), Err("is not an integer from 0 to 255".into()));
        assert_eq!(u8::read(Some("-1")), Err("is not an integer from 0 to 255".into()));
    }

    #[test]
    fn parameters_of_a_query_are_decoded_once() {
        let value = |query, name| of_query(query, name).map(|v| v.map(Cow::into_owned));
        assert_eq!(value("a=1&b=%2525+x", "b"), Ok(Some("%25 x".to_owned())));
        assert_eq!(value("%61=1", "a"), Ok(Some("1".to_owned())));
        assert_eq!(value("a", "a"), Ok(Some(String::new())));
        assert_eq!(value("a=1", "b"), Ok(None));
        assert_eq!(value("a=1&a=1", "a"), Err("is given twice".into()));
        assert!(value("b=%ff", "a").is_err());
    }
}
