//! Rows put together.

/// How cells are written that a spreadsheet would take for a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formulas {
    /// As they are.
    Raw,
    /// With an apostrophe in front, which spreadsheets take for "text".
    Disarmed,
}

/// Appends one row and its line end.
pub fn push_row<'a>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = (Option<&'a str>, Formulas)>) {
    for (place, (cell, formulas)) in cells.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        push_cell(out, cell.unwrap_or_default(), formulas);
    }
    out.extend_from_slice(b"\r\n");
}

fn push_cell(out: &mut Vec<u8>, cell: &str, formulas: Formulas) {
    let is_armed = formulas == Formulas::Disarmed && cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if is_armed { "'" } else { "" };
    if !cell.contains([',', '"', '\r', '\n']) {
        out.extend_from_slice(mark.as_bytes());
        out.extend_from_slice(cell.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(mark.as_bytes());
    for byte in cell.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_when_they_must_and_disarmed_when_asked() {
        let cells = ["plain", "a,b", "say \"hi\"", "two\r\nlines", "=1+1", "-5", "@x,y", ""];
        let row = |formulas| {
            let mut out = Vec::new();
            push_row(&mut out, cells.map(|cell| (Some(cell), formulas)));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(row(Formulas::Raw), "plain,\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\",=1+1,-5,\"@x,y\",\r\n");
        let disarmed = "plain,\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\",'=1+1,'-5,\"'@x,y\",\r\n";
        assert_eq!(row(Formulas::Disarmed), disarmed);
    }
}
