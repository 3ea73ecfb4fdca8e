//! The table of docs/access.md is printed from the table that is enforced.

use std::fmt::Write as _;

use kv_erp::http::access::rules::{Needs, RULES, Who};
use kv_store::access::{Role, Scope};

const BEGIN: &str = "<!-- printed from the table of rules -->\n";
const END: &str = "<!-- end of what is printed -->\n";

fn table() -> String {
    let mut text = "\n| operation | least role | scope of a token |\n|---|---|---|\n".to_owned();
    for rule in RULES {
        let (role, scope) = match rule.who {
            Who::Anybody => ("anybody".to_owned(), "-".to_owned()),
            Who::Platform => ("the platform".to_owned(), "-".to_owned()),
            Who::Known { least, needs } => {
                let scope = match needs {
                    Needs::Nothing => "any".to_owned(),
                    Needs::Scope(scope) => format!("`{scope}`"),
                    Needs::WholeAccount => "only without scopes".to_owned(),
                };
                (format!("`{}`", least.as_str()), scope)
            }
        };
        writeln!(text, "| `{}` | {role} | {scope} |", rule.operation).unwrap();
    }
    text.push('\n');
    text
}

#[test]
fn the_table_that_is_printed_is_the_one_that_is_enforced() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/access.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has the mark where the table begins");
    let (kept, after) = rest.split_once(END).expect("and the one where it ends");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert_eq!(kept, table(), "write it anew with INSTA_UPDATE=always");
}

#[test]
fn every_role_and_every_scope_is_on_the_page() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/access.md")).unwrap();
    let words = Role::ALL.iter().map(|role| role.as_str()).chain(Scope::ALL.iter().map(|scope| scope.as_str()));
    for word in words {
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
}
