//! ab's command line: single letters that may be joined (`-kc 10`, `-n1000`), and the URL.
//!
//! Invariant: what [`parse`] returns can be carried out; everything wrong is one line that names the flag.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use stampede_engine::load::Reuse;

use super::options::{Flag, meaning};

/// ab's number of requests when only a time limit is given.
const REQUESTS_OF_A_TIME_LIMIT: u64 = 50_000;
/// Each request is kept for the table, 56 bytes: more than this would need a gigabyte.
const REQUESTS_MAX: u64 = 10_000_000;

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Parsed {
    Help,
    Version,
    Run(Box<AbOrder>),
}

/// A checked command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AbOrder {
    pub(super) url: String,
    pub(super) requests: u64,
    pub(super) concurrency: u32,
    pub(super) time_limit: Option<Duration>,
    pub(super) timeout: Duration,
    pub(super) method: Option<String>,
    pub(super) upload: Option<Upload>,
    pub(super) content_type: String,
    pub(super) headers: Vec<String>,
    pub(super) cookies: Vec<String>,
    pub(super) credentials: Option<String>,
    pub(super) reuse: Reuse,
    pub(super) length: Length,
    pub(super) percentiles: Percentiles,
    pub(super) confidence: Confidence,
    pub(super) progress: Progress,
    pub(super) verbosity: u32,
    pub(super) gnuplot: Option<String>,
    pub(super) csv: Option<String>,
}

/// A file to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Upload {
    pub(super) method: &'static str,
    pub(super) file: String,
}

/// Whether answers of another length than the first are failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Fixed,
    Variable,
}

/// Whether the table of percentages is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Percentiles {
    Shown,
    Hidden,
}

/// Whether deviation, median and warnings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confidence {
    Shown,
    Hidden,
}

/// Whether progress is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Shown,
    Hidden,
}

impl AbOrder {
    fn new() -> Self {
        Self {
            url: String::new(),
            requests: 1,
            concurrency: 1,
            time_limit: None,
            timeout: Duration::from_secs(30),
            method: None,
            upload: None,
            content_type: "text/plain".to_owned(),
            headers: Vec::new(),
            cookies: Vec::new(),
            credentials: None,
            reuse: Reuse::PerRequest,
            length: Length::Fixed,
            percentiles: Percentiles::Shown,
            confidence: Confidence::Shown,
            progress: Progress::Shown,
            verbosity: 0,
            gnuplot: None,
            csv: None,
        }
    }

    /// After how many requests each a line of progress is due.
    pub(super) fn progress_every(&self) -> Option<u64> {
        match self.progress {
            Progress::Shown => Some((self.requests / 10).max(100)),
            Progress::Hidden => None,
        }
    }

    fn set_plain(&mut self, flag: char) -> anyhow::Result<()> {
        match flag {
            'k' => self.reuse = Reuse::KeepAlive,
            'i' => self.set_method("HEAD")?,
            'd' => self.percentiles = Percentiles::Hidden,
            'S' => self.confidence = Confidence::Hidden,
            'q' => self.progress = Progress::Hidden,
            'l' => self.length = Length::Variable,
            _ => {}
        }
        Ok(())
    }

    fn set_valued(&mut self, flag: char, value: &str) -> anyhow::Result<()> {
        match flag {
            'n' => self.requests = number(flag, value)?,
            'c' => self.concurrency = number(flag, value)?,
            't' => {
                self.time_limit = Some(Duration::from_secs(number(flag, value)?));
                self.requests = REQUESTS_OF_A_TIME_LIMIT;
            }
            's' => self.timeout = Duration::from_secs(number(flag, value)?),
            'p' => self.set_upload("POST", value)?,
            'u' => self.set_upload("PUT", value)?,
            'T' => value.clone_into(&mut self.content_type),
            'H' => self.headers.push(value.to_owned()),
            'C' => self.cookies.push(value.to_owned()),
            'A' => self.credentials = Some(value.to_owned()),
            'm' => self.set_method(value)?,
            'g' => self.gnuplot = Some(value.to_owned()),
            'e' => self.csv = Some(value.to_owned()),
            'v' => self.verbosity = number(flag, value)?,
            _ => {}
        }
        Ok(())
    }

    fn set_method(&mut self, method: &str) -> anyhow::Result<()> {
        if self.upload.is_some() || self.method.is_some() {
            bail!("{method} contradicts another method: use only one of -i, -m, -p and -u");
        }
        self.method = Some(method.to_owned());
        Ok(())
    }

    fn set_upload(&mut self, method: &'static str, file: &str) -> anyhow::Result<()> {
        if self.upload.is_some() || self.method.as_deref() == Some("HEAD") {
            bail!("{method} contradicts another method: use only one of -i, -p and -u");
        }
        self.upload = Some(Upload { method, file: file.to_owned() });
        Ok(())
    }

    fn check(self) -> anyhow::Result<Self> {
        if self.requests == 0 {
            bail!("-n: at least one request is needed");
        }
        if self.requests > REQUESTS_MAX {
            bail!(
                "-n {}: every request is kept for the table, use at most {REQUESTS_MAX}; `stampede load` has no such limit",
                self.requests
            );
        }
        if u64::from(self.concurrency) > self.requests {
            bail!(
                "-c {} is more than -n {}: use no more requests at a time than in all",
                self.concurrency,
                self.requests
            );
        }
        if self.time_limit.is_some_and(|limit| limit.is_zero()) || self.timeout.is_zero() {
            bail!("-t and -s: use at least one second");
        }
        Ok(self)
    }
}

/// Reads ab's arguments.
pub(super) fn parse(words: &[String]) -> anyhow::Result<Parsed> {
    let mut order = AbOrder::new();
    let mut urls = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            urls.push(word.clone());
            continue;
        };
        let mut rest = letters.chars();
        while let Some(flag) = rest.next() {
            match meaning(flag) {
                None => bail!("ab has no flag -{flag}: `stampede ab -h` lists those it has"),
                Some(Flag::Refused(reason)) => bail!("-{flag} cannot be honoured: {reason}"),
                Some(Flag::Plain) if flag == 'h' => return Ok(Parsed::Help),
                Some(Flag::Plain) if flag == 'V' => return Ok(Parsed::Version),
                Some(Flag::Plain) => order.set_plain(flag)?,
                Some(Flag::Valued) => {
                    let joined = rest.as_str();
                    let value = if joined.is_empty() { words.next().map(String::as_str) } else { Some(joined) };
                    order.set_valued(flag, value.with_context(|| format!("-{flag} needs a value"))?)?;
                    break;
                }
            }
        }
    }
    order.url = one_url(urls)?;
    Ok(Parsed::Run(Box::new(order.check()?)))
}

fn one_url(mut urls: Vec<String>) -> anyhow::Result<String> {
    let url = match (urls.pop(), urls.first()) {
        (Some(url), None) => url,
        (None, _) => bail!("nothing to load: give a URL, such as http://127.0.0.1:8080/path"),
        (Some(last), Some(first)) => bail!("only one URL can be loaded: {first} and {last} were given"),
    };
    // ab takes a URL without its scheme.
    Ok(if url.contains("://") { url } else { format!("http://{url}") })
}

fn number<T: FromStr>(flag: char, value: &str) -> anyhow::Result<T> {
    value.parse().map_err(|_| anyhow!("-{flag} {value}: a whole number is needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(line: &str) -> AbOrder {
        let words: Vec<String> = line.split_whitespace().map(ToOwned::to_owned).collect();
        match parse(&words).unwrap() {
            Parsed::Run(order) => *order,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refusal(line: &str) -> String {
        let words: Vec<String> = line.split_whitespace().map(ToOwned::to_owned).collect();
        format!("{:#}", parse(&words).unwrap_err())
    }

    #[test]
    fn letters_may_be_joined_in_every_way_getopt_allows() {
        let expected = order("-n 1000 -c 10 -k http://x/");
        for line in
            ["-n1000 -c10 -k http://x/", "-kn1000 -c 10 http://x/", "-kc10 -n 1000 x/", "http://x/ -n 1000 -kc 10"]
        {
            assert_eq!(order(line), expected, "{line}");
        }
    }

    #[test]
    fn a_time_limit_implies_ab_s_number_of_requests() {
        assert_eq!(order("-t 5 x/").requests, 50_000);
        assert_eq!(order("-t 5 -n 70 x/").requests, 70);
        assert_eq!(order("-n 70 -t 5 x/").requests, 50_000, "as in ab, -n counts after -t");
    }

    #[test]
    fn what_cannot_be_done_names_its_flag() {
        for (line, word) in [
            ("-c 10 -n 5 x/", "-c 10"),
            ("-n many x/", "-n many"),
            ("-n 0 x/", "-n"),
            ("-n", "-n needs a value"),
            ("-X proxy:80 x/", "-X"),
            ("-w x/", "HTML"),
            ("-Q x/", "no flag -Q"),
            ("-i -p file x/", "contradicts"),
            ("-n 1", "nothing to load"),
            ("-n 1 x/ y/", "only one URL"),
            ("-n 99999999 x/", "at most"),
        ] {
            let text = refusal(line);
            assert!(text.contains(word), "{line}: {text}");
        }
    }

    #[test]
    fn progress_comes_in_tenths_but_not_too_often() {
        assert_eq!(order("-n 1000 x/").progress_every(), Some(100));
        assert_eq!(order("-n 50000 x/").progress_every(), Some(5_000));
        assert_eq!(order("-q -n 1000 x/").progress_every(), None);
    }
}
