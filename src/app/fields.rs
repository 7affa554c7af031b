//! The fields of a body, whichever of JSON, XML and forms it is: texts by their names, and all that is wrong with them
//! told at once.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::http::{Content, Invalid, Place, Problem, Response};

/// Fields that stand there twice, of which so many are named.
const MOST_TWICE: usize = 8;

/// The fields of a body.
pub(super) struct Fields {
    given: Vec<(String, Value)>,
    /// An element is a text, if there is nothing but text in it.
    is_xml: bool,
    wrong: Vec<Invalid>,
}

impl Fields {
    /// Reads a body.
    ///
    /// # Errors
    /// The refusal: 415, 400 or 422.
    pub(super) fn read(content: &Content) -> Result<Self, Response> {
        let Pairs(given) = content.read()?;
        let is_xml = content.media_type().is_some_and(|media_type| media_type.ends_with("/xml"));
        let mut fields = Self { given, is_xml, wrong: Vec::new() };
        let mut names: Vec<String> = fields.given.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        let mut twice: Vec<String> =
            names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
        twice.dedup();
        // Who sends thousands knows what he does.
        twice.truncate(MOST_TWICE);
        twice.into_iter().for_each(|name| fields.refuse(name, "is given twice"));
        Ok(fields)
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, name: &'static str) -> String {
        let given = self.optional_text(name);
        if given.is_none() && !self.is_wrong(name) {
            self.refuse(name, "is missing");
        }
        given.unwrap_or_default()
    }

    /// A text that may be there.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Option<String> {
        let at = self.given.iter().position(|(given, _)| given == name)?;
        match self.given.swap_remove(at).1 {
            Value::String(text) => Some(text),
            Value::Null => None,
            Value::Object(element) if self.is_xml && element.is_empty() => Some(String::new()),
            Value::Object(element) if self.is_xml && element.len() == 1 && element.contains_key("$text") => {
                element["$text"].as_str().map(str::to_owned)
            }
            _ => {
                self.refuse(name, "is not a text");
                None
            }
        }
    }

    /// Yes or no; no, if it is not there.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        if let Some((_, Value::Bool(flag))) = self.given.iter().find(|(given, _)| given == name) {
            return *flag;
        }
        match self.optional_text(name).as_deref() {
            None | Some("false" | "0" | "") => false,
            // As a form has a box that is ticked.
            Some("true" | "1" | "on") => true,
            Some(_) => {
                self.refuse(name, "is neither true nor false");
                false
            }
        }
    }

    /// Notes what is wrong with a field.
    pub(super) fn refuse(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.wrong.push(Invalid { place: Place::Body, name: name.into(), detail: detail.into() });
    }

    /// Something is wrong with this field.
    pub(super) fn is_wrong(&self, name: &str) -> bool {
        self.wrong.iter().any(|wrong| wrong.name == name)
    }

    /// Nothing is wrong.
    ///
    /// # Errors
    /// 422, with all that is.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Problem::invalid(self.wrong)) }
    }
}

/// What a map holds, in its order, also what stands there twice.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a text for each name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Body;

    fn read(content_type: &str, body: &str) -> Result<Fields, Response> {
        Fields::read(&Content::new(Some(content_type.to_owned()), body.to_owned()))
    }

    fn said(response: Response) -> String {
        match response.body {
            Body::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => String::new(),
        }
    }

    #[test]
    fn one_user_comes_in_three_ways() {
        for (content_type, body) in [
            ("application/json", r#"{"email":"ada@example.com","nickname":"Ada & \"Co\"","ok":true}"#),
            ("application/x-www-form-urlencoded", "email=ada%40example.com&nickname=Ada+%26+%22Co%22&ok=on"),
            (
                "application/xml",
                "<user><email>ada@example.com</email><nickname>Ada &amp; \"Co\"</nickname><ok>true</ok></user>",
            ),
            (
                "text/xml",
                "<a><email><![CDATA[ada@example.com]]></email><nickname>Ada &#38; \"Co\"</nickname><ok>1</ok></a>",
            ),
        ] {
            let mut fields = read(content_type, body).unwrap_or_else(|r| panic!("{}", said(r)));
            assert_eq!(fields.text("email"), "ada@example.com", "{content_type}");
            assert_eq!(fields.text("nickname"), "Ada & \"Co\"", "{content_type}");
            assert!(fields.flag("ok") && !fields.flag("missing"), "{content_type}");
            assert!(fields.finish().is_ok());
        }
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        for (content_type, body, wrong) in [
            (
                "application/json",
                r#"{"a":1,"b":null,"c":[],"c":"x","f":"maybe"}"#,
                "c is given twice; a is not a text; b is missing",
            ),
            (
                "application/json",
                r#"{"a":{},"b":{"$text":"x"},"c":"x","f":"maybe"}"#,
                "a is not a text; b is not a text",
            ),
            (
                "application/x-www-form-urlencoded",
                "c=x&c=y&f=maybe",
                "a is missing; b is missing; c is not a text",
            ),
            (
                "application/xml",
                "<x><a><deep>1</deep></a><c>1</c><c>2</c><f>maybe</f></x>",
                "c is given twice; a is not a text; b is missing",
            ),
        ] {
            let mut fields =
                read(content_type, body).unwrap_or_else(|r| panic!("{content_type} {}", said(r)));
            let _ = ["a", "b", "c"].map(|name| fields.text(name));
            fields.flag("f");
            let problem = fields.finish().unwrap_err().to_string();
            assert!(problem.contains(wrong), "{content_type}: {problem}");
            assert!(problem.contains("f is neither true nor false"), "{content_type}: {problem}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (content_type, body, status) in [
            ("application/json", "[]", 422),
            ("application/json", "3", 422),
            ("application/json", "{", 400),
            ("application/xml", "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>", 400),
            ("application/xml", "<a><email>&e;</email></a>", 422),
            ("text/plain", "email=a", 415),
        ] {
            let status_of = read(content_type, body).err().map(|response| response.status.0);
            assert_eq!(status_of, Some(status), "{content_type} {body}");
        }
    }
}
