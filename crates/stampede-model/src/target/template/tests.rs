use proptest::prelude::*;
use serde_json::json;

use super::*;

fn scope() -> Scope {
    Scope::default().with("id", "a/b ?").with("units", 10).with("user.name", "Åsa")
}

#[test]
fn slots_are_filled_and_braces_can_be_escaped() {
    let template = Template::parse("{{{id}}} x{units}{user.name}").unwrap();
    assert_eq!(template.slots().collect::<Vec<_>>(), ["id", "units", "user.name"]);
    assert_eq!(template.render(&scope()).unwrap(), "{a/b ?} x10Åsa");
}

#[test]
fn a_value_in_a_url_cannot_change_its_shape() {
    let template = Template::parse("/things/{id}?n={units}").unwrap();
    assert_eq!(template.render_for_url(&scope()).unwrap(), "/things/a%2Fb%20%3F?n=10");
}

#[test]
fn mistakes_are_named() {
    assert_eq!(Template::parse("a{b").unwrap_err(), BadTemplate::Open { at: 1 });
    assert_eq!(Template::parse("a}b").unwrap_err(), BadTemplate::Close { at: 1 });
    assert_eq!(Template::parse("{1a}").unwrap_err(), BadTemplate::Name { name: "1a".into() });
    let missing = Template::parse("{nobody}").unwrap().render(&scope()).unwrap_err();
    assert_eq!(missing.slot, "nobody");
}

#[test]
fn a_lone_slot_keeps_the_type_of_its_value() {
    let table: toml::Value =
        toml::from_str("units = '{units}'\nlabel = 'n{units}'\nitems = [{ id = '{id}' }, 3]").unwrap();
    let body = JsonTemplate::try_from(table).unwrap();
    assert_eq!(body.render(&scope()).unwrap(), json!({"units": 10, "label": "n10", "items": [{"id": "a/b ?"}, 3]}));
    assert_eq!(body.slots(), ["id", "units", "units"]);
}

proptest! {
    #[test]
    fn escaped_text_renders_as_itself(text in ".{0,40}") {
        let escaped = text.replace('{', "{{").replace('}', "}}");
        prop_assert_eq!(Template::parse(&escaped).unwrap().render(&Scope::default()).unwrap(), text);
    }

    #[test]
    fn any_text_parses_or_is_refused_without_a_panic(text in ".{0,40}") {
        if let Ok(template) = Template::parse(&text) {
            drop(template.render(&Scope::default()));
        }
    }
}
