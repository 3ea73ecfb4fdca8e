use proptest::prelude::*;
use serde_json::json;

use super::write::write_uuid;
use super::*;

/// Loaded dice.
pub(in crate::scenario) struct Loaded;

impl Dice for Loaded {
    fn between(&mut self, from: i64, _to: i64) -> i64 {
        from
    }
    fn bits(&mut self) -> u128 {
        0
    }
    fn now_ms(&mut self) -> u64 {
        1_700_000_000_000
    }
}

fn frame(value: Value) -> Frame {
    Frame { user: 7, iteration: 3, variables: vec![value], rows: Vec::new() }
}

fn render(slot: Slot, form: Form, value: Value) -> String {
    let mut template = Template::default();
    template.slot(slot, form);
    let mut out = String::new();
    template.render(&mut out, &[], &frame(value), &mut Loaded);
    out
}

#[test]
fn each_form_writes_a_value_so_that_it_stays_one() {
    let nasty = json!("a/b \"c\"\n?");
    assert_eq!(render(Slot::Variable(0), Form::Bare, nasty.clone()), "a/b \"c\"\n?");
    assert_eq!(render(Slot::Variable(0), Form::Url, nasty.clone()), "a%2Fb%20%22c%22%0A%3F");
    assert_eq!(render(Slot::Variable(0), Form::JsonText, nasty.clone()), "a/b \\\"c\\\"\\n?");
    assert_eq!(render(Slot::Variable(0), Form::JsonValue, nasty), "\"a/b \\\"c\\\"\\n?\"");
    assert_eq!(render(Slot::Variable(0), Form::JsonValue, json!(5)), "5");
    assert_eq!(render(Slot::Variable(0), Form::JsonText, json!({"a": 1})), "{\\\"a\\\":1}");
}

#[test]
fn a_history_has_numbers_where_answers_have_digits() {
    for (value, written) in [
        (json!("42"), "42"),
        (json!("-3"), "-3"),
        (json!("007"), "\"007\""),
        (json!("+5"), "\"+5\""),
        (json!("p1"), "\"p1\""),
        (json!("99999999999999999999"), "\"99999999999999999999\""),
        (json!(7), "7"),
    ] {
        assert_eq!(render(Slot::Variable(0), Form::Recorded, value), written);
    }
}

#[test]
fn built_in_slots() {
    assert_eq!(render(Slot::User, Form::Bare, Value::Null), "7");
    assert_eq!(render(Slot::Iteration, Form::JsonValue, Value::Null), "3");
    assert_eq!(render(Slot::NowMs, Form::Url, Value::Null), "1700000000000");
    assert_eq!(render(Slot::Random { from: -2, to: 5 }, Form::Bare, Value::Null), "-2");
    assert_eq!(render(Slot::Uuid, Form::Bare, Value::Null), "00000000-0000-4000-8000-000000000000");
    assert_eq!(render(Slot::Uuid, Form::JsonValue, Value::Null), "\"00000000-0000-4000-8000-000000000000\"");
}

#[test]
fn neighbouring_literals_are_one() {
    let mut template = Template::default();
    template.literal("a");
    template.literal("");
    template.literal("b");
    assert_eq!(template.fixed(), Some("ab"));
    template.slot(Slot::User, Form::Bare);
    assert_eq!(template.fixed(), None);
}

proptest! {
    #[test]
    fn a_text_in_json_reads_back(text in any::<String>()) {
        let mut template = Template::default();
        template.literal("{\"x\":\"<");
        template.slot(Slot::Variable(0), Form::JsonText);
        template.literal(">\",\"y\":");
        template.slot(Slot::Variable(0), Form::JsonValue);
        template.literal("}");
        let mut out = String::new();
        template.render(&mut out, &[], &frame(Value::String(text.clone())), &mut Loaded);
        let back: Value = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(&back["x"], &Value::String(format!("<{text}>")));
        prop_assert_eq!(&back["y"], &Value::String(text));
    }

    #[test]
    fn a_value_in_a_url_has_harmless_bytes_only(text in any::<String>()) {
        let shown = render(Slot::Variable(0), Form::Url, Value::String(text));
        prop_assert!(shown.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
    }

    #[test]
    fn every_uuid_is_of_version_4(bits in any::<u128>()) {
        let mut out = String::new();
        write_uuid(&mut out, bits);
        prop_assert_eq!(out.len(), 36);
        prop_assert_eq!(&out[14..15], "4");
        prop_assert!("89ab".contains(&out[19..20]));
    }
}
