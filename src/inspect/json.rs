//! A dissection as one line of JSON.
//!
//! ```json
//! {"number":1,"time":"…","length":74,"captured":74,"layers":[{"protocol":"eth","offset":0,"fields":{"eth.dst":"…"}}]}
//! ```
//!
//! Numbers are numbers; what people write in hexadecimal is a string, as in `"0x0800"`. A checksum `k` has beside it
//! `k.status` (`good`, `bad`, `partial`, `not_judged`, `unused`, `computed`, `absent`) and, where it is not what it
//! should be, `k_calculated`. A key that comes several times holds an array.

use serde_json::{Map, Value as Json, json};

use super::value::{hex, steers};
use super::{Dissection, Field, Language, Layer, Remark, Value};

/// The object of a dissection, to which a caller adds what it knows of the frame.
pub fn object(dissection: &Dissection) -> Map<String, Json> {
    let mut out = Map::new();
    out.insert("cut".into(), json!(dissection.cut));
    out.insert("layers".into(), dissection.layers.iter().map(layer).collect());
    out
}

/// JSON on one line, with what would steer a terminal in the escapes of JSON: still the same JSON.
pub fn line(json: &Json) -> String {
    let mut out = String::new();
    for c in json.to_string().chars() {
        if steers(c) {
            let units =
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            out.push_str(&units);
        } else {
            out.push(c);
        }
    }
    out
}

fn layer(layer: &Layer) -> Json {
    let mut fields = Map::new();
    let mut remarks: Vec<Json> = layer.remarks.iter().map(|r| remark(None, *r)).collect();
    for field in layer.fields.iter().chain(&layer.trailer) {
        add(&mut fields, field);
        remarks.extend(field.remark.map(|r| remark(Some(field), r)));
    }
    let mut out = Map::new();
    out.insert("protocol".into(), json!(layer.protocol.name()));
    out.insert("offset".into(), json!(layer.offset));
    if layer.is_quoted {
        out.insert("quoted".into(), json!(true));
    }
    out.insert("fields".into(), Json::Object(fields));
    if !remarks.is_empty() {
        out.insert("remarks".into(), Json::Array(remarks));
    }
    Json::Object(out)
}

fn remark(field: Option<&Field>, remark: Remark) -> Json {
    json!({
        "field": field.map(|f| f.key.name()),
        "name": remark.name(),
        "fault": remark.is_fault(),
        "text": remark.text(Language::English),
    })
}

fn add(fields: &mut Map<String, Json>, field: &Field) {
    let name = field.key.name();
    if let Value::Check { value, digits, verdict } = &field.value {
        insert(fields, name, value.map_or(Json::Null, |v| json!(format!("0x{v:0digits$x}"))));
        insert(fields, &format!("{name}.status"), json!(verdict.name()));
        if let Some(right) = verdict.calculated() {
            insert(fields, &format!("{name}_calculated"), json!(format!("0x{right:0digits$x}")));
        }
    } else {
        insert(fields, name, plain(&field.value));
    }
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Number(n, _) => json!(n),
        Value::Hex { value, digits, .. } => json!(format!("0x{value:0digits$x}")),
        Value::Flags { bits, digits, .. } => json!(format!("0x{bits:0digits$x}")),
        Value::Check { value, .. } => json!(value),
        Value::Mac(mac) => json!(mac.to_string()),
        Value::Ip(ip) => json!(ip.to_string()),
        Value::Text(text) => json!(text),
        Value::Pair(name, value) => json!([name, plain(value)]),
        Value::Bytes(bytes) => json!(hex(bytes)),
        Value::Hidden(n) => json!({ "hidden": n }),
    }
}

fn insert(fields: &mut Map<String, Json>, name: &str, value: Json) {
    match fields.get_mut(name) {
        None => {
            // A list of header fields is a list though it has one.
            let is_list = name == "http.field";
            fields.insert(name.to_owned(), if is_list { Json::Array(vec![value]) } else { value });
        }
        Some(Json::Array(list)) if name == "http.field" || !matches!(value, Json::Array(_)) => {
            list.push(value)
        }
        Some(first) => *first = Json::Array(vec![first.take(), value]),
    }
}
