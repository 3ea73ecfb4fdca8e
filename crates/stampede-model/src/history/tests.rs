use std::io::Cursor;

use super::*;

fn operation(id: u64, process: u64, call_ns: u64, return_ns: Option<u64>) -> Operation {
    Operation {
        id,
        process,
        key: "p/w".into(),
        op: "reserve".into(),
        input: Fields::new().with("units", 1),
        call_ns,
        return_ns,
        outcome: if return_ns.is_some() { Outcome::Ok } else { Outcome::Info },
        refused: None,
        output: Fields::new().with("version", 3),
        note: String::new(),
        idempotency_key: None,
    }
}

fn written(operations: &[Operation]) -> String {
    let mut writer = HistoryWriter::begin(Vec::new(), &Heading::of(Model::Stock)).unwrap();
    for operation in operations {
        writer.add(operation).unwrap();
    }
    String::from_utf8(writer.end().unwrap()).unwrap()
}

fn why(text: &str) -> String {
    read(Cursor::new(text), "h.jsonl").unwrap_err().to_string()
}

#[test]
fn what_is_written_reads_back_in_the_order_of_the_calls() {
    let [first, second, lost] = [operation(0, 1, 5, Some(9)), operation(1, 2, 6, Some(7)), operation(2, 3, 6, None)];
    let history = read(Cursor::new(written(&[second.clone(), lost.clone(), first.clone()])), "h.jsonl").unwrap();
    assert_eq!(history.operations, [first, second, lost]);
    assert!(history.is_whole);
    assert_eq!(history.heading.model, Model::Stock);
}

#[test]
fn a_cut_off_history_is_told_from_a_whole_one() {
    let text = written(&[operation(0, 1, 5, Some(9)), operation(1, 2, 6, Some(7))]);
    let without_end: String = text.split_inclusive('\n').take(3).collect();
    assert!(!read(Cursor::new(&without_end), "h").unwrap().is_whole);
    let in_a_line = &text[..text.len() / 2];
    assert!(why(in_a_line).contains("ends in the middle of a line"), "{}", why(in_a_line));
    let one_less: String = text.split_inclusive('\n').enumerate().filter(|(at, _)| *at != 1).map(|(_, l)| l).collect();
    assert!(why(&one_less).starts_with("h.jsonl:3: the closing line counts"), "{}", why(&one_less));
}

#[test]
fn foreign_and_broken_lines_are_named() {
    assert!(why("").contains("h.jsonl:1: the file is empty"));
    assert!(why("{\"format\":\"stampede.load\"}\n").contains("h.jsonl:1: this is not the first line"));
    assert!(why("{\"history\":\"stampede\",\"version\":9}\n").contains("version 9 is not known"));
    let heading = "{\"history\":\"stampede\",\"version\":1,\"model\":\"stock\"}\n";
    assert!(why(&format!("{heading}{{}}\n")).contains("h.jsonl:2: this is no operation: missing field"));
    assert!(why(&format!("{heading}nonsense\n")).contains("h.jsonl:2: this is no JSON"));
    assert!(why(&heading.replace("stock", "stick")).contains("unknown variant `stick`"));
}

#[test]
fn clocks_that_run_backwards_and_doubled_processes_are_named() {
    assert!(why(&written(&[operation(0, 1, 5, Some(4))])).contains("returned before it was called"));
    let both = written(&[operation(0, 1, 5, Some(9)), operation(1, 1, 6, Some(12))]);
    assert!(why(&both).contains("process 1 begins operation 1 during operation 0"), "{}", why(&both));
    let twice = written(&[operation(0, 1, 5, Some(9)), operation(0, 2, 6, Some(12))]);
    assert!(why(&twice).contains("operation 0 is there twice"));
}

#[test]
fn edn_has_an_invocation_and_a_completion() {
    let mut edn = Vec::new();
    write_edn(&mut edn, &[operation(0, 1, 5, Some(9)), operation(1, 2, 6, None)]).unwrap();
    insta::assert_snapshot!(String::from_utf8(edn).unwrap(), @r#"
    {:index 0, :time 5, :type :invoke, :process 1, :f :reserve, :value ["p/w" {:units 1}]}
    {:index 1, :time 6, :type :invoke, :process 2, :f :reserve, :value ["p/w" {:units 1}]}
    {:index 2, :time 9, :type :ok, :process 1, :f :reserve, :value ["p/w" {:version 3}]}
    "#);
}
