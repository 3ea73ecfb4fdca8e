//! The commands of a shell script, well enough to see which program is called with which arguments. It knows quotes, continued lines,
//! what separates commands, assignments before a command and the words of loops; it evaluates nothing.

use super::CommandLine;

/// Words before a command that are not the command.
const BEFORE: [&str; 12] = ["do", "then", "else", "if", "while", "until", "!", "exec", "sudo", "time", "nice", "env"];

/// All simple commands of a script, in order.
pub(super) fn commands(script: &str) -> Vec<CommandLine> {
    let mut lines = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut end = |words: &mut Vec<String>| {
        let rest = std::mem::take(words).into_iter();
        let is_assignment = |word: &String| {
            word.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
            })
        };
        let command: Vec<String> =
            rest.skip_while(|word| BEFORE.contains(&word.as_str()) || is_assignment(word)).collect();
        if !command.is_empty() {
            lines.push(CommandLine { words: command });
        }
    };
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut signs = script.chars().peekable();
    while let Some(sign) = signs.next() {
        match (quote, sign) {
            (Some(open), sign) if sign == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(sign);
                word.get_or_insert_default();
            }
            (None, '\\') if signs.peek() == Some(&'\n') => {
                signs.next();
                words.extend(word.take());
            }
            (None, '#') if word.is_none() => while signs.next_if(|sign| *sign != '\n').is_some() {},
            (None, '\n' | ';' | '&' | '|' | '(' | ')') => {
                words.extend(word.take());
                end(&mut words);
            }
            (None, sign) if sign.is_whitespace() => words.extend(word.take()),
            (_, sign) => word.get_or_insert_default().push(sign),
        }
    }
    words.extend(word);
    end(&mut words);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(script: &str) -> Vec<String> {
        commands(script).iter().map(|line| line.words.join(" ")).collect()
    }

    #[test]
    fn commands_are_found_wherever_they_begin() {
        assert_eq!(
            lines(
                "X=1 sudo a --b 'c d' \\\n    --e; f && (g | h) # i --j\nfor v in base head; do\n  \"$v/kv-erp\" up &\ndone\n"
            ),
            ["a --b c d --e", "f", "g", "h", "for v in base head", "$v/kv-erp up", "done"]
        );
        assert_eq!(
            lines("target/release/stampede run x.toml --var email=\"$EMAIL\""),
            ["target/release/stampede run x.toml --var email=$EMAIL"]
        );
        assert_eq!(lines("\n# nothing\n"), Vec::<String>::new());
    }
}
