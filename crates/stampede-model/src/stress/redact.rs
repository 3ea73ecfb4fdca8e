//! Addresses and statements without their secrets, and texts kept short.

/// Longest statement that is kept, in characters.
pub const STATEMENT_MAX: usize = 300;

/// A URL with its password replaced, wherever a URL may hold one: before the host, or as `password=` or `pass=` among its
/// parameters.
pub fn url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
    // The last `@` before the path ends the user's part: an unencoded password may hold one itself.
    let before = match before.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            Some((user, _password)) => format!("{user}:***@{host}"),
            None => before.to_owned(),
        },
        None => before.to_owned(),
    };
    let query = query.map(|query| {
        let parts: Vec<String> = query
            .split('&')
            .map(|part| match part.split_once('=') {
                Some((name, _)) if is_secret(name) => format!("{name}=***"),
                _ => part.to_owned(),
            })
            .collect();
        format!("?{}", parts.join("&"))
    });
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    format!("{scheme}{before}{}", query.unwrap_or_default())
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("pass") || name == "sslkey" || name == "pwd"
}

/// A statement on one line, shortened; one that sets a password is not shown at all.
pub fn statement(text: &str) -> String {
    if text.to_ascii_lowercase().contains("password") {
        return "(a statement with a password)".to_owned();
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(STATEMENT_MAX) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// A statement without its numbers: what tells one kind of statement from another.
pub fn shape(statement: &str) -> String {
    let mut shape = String::with_capacity(statement.len());
    let mut before = ' ';
    for c in statement.chars() {
        // A digit in a name belongs to the name.
        let number = c.is_ascii_digit() && (before == '?' || !(before.is_ascii_alphanumeric() || before == '_'));
        if !number {
            shape.push(c);
            before = c;
        } else if before != '?' {
            shape.push('?');
            before = '?';
        }
    }
    shape
}

/// `text` with every occurrence of `secret` replaced.
pub fn hide(text: &str, secret: Option<&str>) -> String {
    match secret {
        Some(secret) if !secret.is_empty() => text.replace(secret, "***"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_leave_a_url() {
        for (given, shown) in [
            ("postgres://me:se@cret@h:1/d?sslmode=disable", "postgres://me:***@h:1/d?sslmode=disable"),
            ("postgresql://me:secret@/d?host=/run&password=secret", "postgresql://me:***@/d?host=/run&password=***"),
            ("redis://:secret@h/0", "redis://:***@h/0"),
            ("redis+unix:///run/r.sock?db=0&pass=secret", "redis+unix:///run/r.sock?db=0&pass=***"),
            ("redis://h:6379", "redis://h:6379"),
        ] {
            assert_eq!(url(given), shown);
        }
    }

    #[test]
    fn statements_are_short_and_hold_no_password() {
        assert_eq!(statement("select  1\n from t"), "select 1 from t");
        assert!(!statement("ALTER ROLE x PASSWORD 'geheim'").contains("geheim"));
        assert_eq!(statement(&"é".repeat(1_000)).chars().count(), STATEMENT_MAX + 3);
    }

    #[test]
    fn statements_that_differ_in_numbers_have_one_shape() {
        assert_eq!(shape("update t1 set a = a + -3267 where b = 29;"), "update t1 set a = a + -? where b = ?;");
        assert_eq!(shape("values (1,22)"), shape("values (333,4)"));
        assert_ne!(shape("select 1 from t1"), shape("select 1 from t2"));
    }

    #[test]
    fn a_secret_in_a_tools_words_is_hidden() {
        assert_eq!(hide("login s3 failed for s3", Some("s3")), "login *** failed for ***");
        assert_eq!(hide("nothing", Some("")), "nothing");
    }
}
