//! One counterexample: what happened, the picture, the operations, the script.

use maud::{Markup, html};
use stampede_model::check::counterexample::{Counterexample, Part, Shown};
use stampede_model::units::thousands;

use super::lanes;
use crate::check::{script, text, timeline, words};
use crate::words::{plain, plain_lines};

/// Everything of one; `id` is unique in the page.
pub(super) fn show(id: &str, example: &Counterexample, url: &str) -> Markup {
    html! {
        article.example id=(id) {
            h3.part { (words::of_key(&example.rule, &example.key)) }
            dl.told {
                div { dt { "What happened" } dd { (plain(&example.what)) } }
                @if !example.allowed.is_empty() {
                    div { dt { "What would have been allowed" } dd { (plain(&example.allowed)) } }
                }
            }
            (lanes::figure(id, example))
            (operations(example))
            p.note {
                @if example.unshown > 0 {
                    "And " (thousands(example.unshown)) " more operations that are part of it. "
                }
                (text::origin(example))
            }
            details {
                summary { "As a script of curl calls" }
                pre.script tabindex="0" { (plain_lines(&script::render(example, url))) }
            }
        }
    }
}

fn operations(example: &Counterexample) -> Markup {
    html! {
        div.scroll {
            table.operations {
                thead {
                    tr {
                        th scope="col" { "Operation" } th scope="col" { "Who" } th.figure scope="col" { "Called" }
                        th.figure scope="col" { "Took" } th scope="col" { "What was asked" } th scope="col" { "What was answered" }
                    }
                }
                tbody { @for one in &example.operations { (row(one, example)) } }
            }
        }
    }
}

fn row(one: &Shown, example: &Counterexample) -> Markup {
    let is_impossible = one.part == Part::Impossible;
    html! {
        tr.impossible[is_impossible].context[one.part == Part::Context] {
            th scope="row" {
                "#" (one.id)
                @if is_impossible { " " span.tag.fail { "✗ impossible" } }
                @if one.part == Part::Context { " " span.sub { "for context" } }
            }
            td { (plain(&one.who)) }
            td.figure { (words::since(one, example)) }
            td.figure { (timeline::took(one).unwrap_or_else(|| "–".to_owned())) }
            td { (plain(&one.asked)) }
            td {
                (plain(&one.answered))
                @if let Some(request) = one.request() { br; code.sub { (request.method) " " (plain(request.path)) } }
            }
        }
    }
}
