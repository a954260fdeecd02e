use super::*;
use crate::{Bandwidth, PinOptions, Version};

fn line<T: Serialize>(value: &T) -> String {
    let mut out = Vec::new();
    to_line(value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn strings_are_escaped_as_go_does() {
    let version = Version { version: "<a>&\u{2028}\u{2029}\u{2027}é\"\\\n\u{8}\u{c}\u{1}\u{7f}".into() };
    assert_eq!(
        line(&version),
        "{\"version\":\"\\u003ca\\u003e\\u0026\\u2028\\u2029\u{2027}é\\\"\\\\\\n\\b\\f\\u0001\u{7f}\"}\n"
    );
    let options =
        PinOptions { metadata: Some([("a<b".to_owned(), "&".to_owned())].into()), ..PinOptions::default() };
    assert!(line(&options).contains(r#""metadata":{"a\u003cb":"\u0026"}"#));
}

#[test]
fn floats_have_gos_form() {
    let rates = |rate_in, rate_out| line(&Bandwidth { rate_in, rate_out, ..Bandwidth::default() });
    assert_eq!(rates(0.0, 1.5), "{\"total_in\":0,\"total_out\":0,\"rate_in\":0,\"rate_out\":1.5}\n");
    assert!(rates(1e21, 1e20).ends_with("\"rate_in\":1e+21,\"rate_out\":100000000000000000000}\n"));
    assert!(rates(1.5e-7, 0.000001).ends_with("\"rate_in\":1.5e-7,\"rate_out\":0.000001}\n"));
}

#[test]
fn indentation_is_four_spaces_and_empty_lists_stay_on_their_line() {
    let mut out = Vec::new();
    to_indented(&crate::Id::default(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("{\n    \"id\": \"\",\n    \"addresses\": null,\n"), "{text}");
    assert!(text.ends_with("    \"peername\": \"\"\n}\n"), "{text}");
    let mut out = Vec::new();
    to_indented(&PinOptions { origins: Some(vec![]), ..PinOptions::default() }, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("\"origins\": []\n"));
}
