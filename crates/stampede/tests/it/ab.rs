//! `stampede ab`: the table stands as ApacheBench 2.3 prints it.

use crate::server::Server;
use crate::{remarked, said, stampede};

/// Numbers and the spaces before them vary from run to run; all else is layout.
fn layout(text: &str) -> String {
    let mut shape = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' => {
                while shape.ends_with(' ') || shape.ends_with('#') {
                    shape.pop();
                }
                shape.push('#');
            }
            other => shape.push(other),
        }
    }
    shape
}

/// What ApacheBench 2.3 prints from its first row on.
const TABLE: &str = "\
Server Software:        toy/1
Server Hostname:        127.0.0.1
Server Port:            PORT

Document Path:          /a
Document Length:        10 bytes

Concurrency Level:      4
Time taken for tests:   0.012 seconds
Complete requests:      40
Failed requests:        0
Total transferred:      3960 bytes
HTML transferred:       400 bytes
Requests per second:    3300.01 [#/sec] (mean)
Time per request:       1.212 [ms] (mean)
Time per request:       0.303 [ms] (mean, across all concurrent requests)
Transfer rate:          319.04 [Kbytes/sec] received

Connection Times (ms)
              min  mean[+/-sd] median   max
Connect:        0    0   0.1      0       0
Processing:     0    1   0.2      1       2
Waiting:        0    1   0.2      1       2
Total:          0    1   0.2      1       2

Percentage of the requests served within a certain time (ms)
  50%      1
  66%      1
  75%      1
  80%      1
  90%      1
  95%      1
  98%      2
  99%      2
 100%      2 (longest request)
";

#[test]
fn the_table_stands_as_ab_prints_it() {
    let server = Server::answering(200);
    let output = stampede(&["ab", "-n40", "-c", "4", &server.url()]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text} {}", remarked(&output));
    let table = &text[text.find("Server Software").unwrap()..text.find("\nstampede: latency in µs p50 ").unwrap()];
    assert_eq!(layout(table), layout(&TABLE.replace("PORT", &server.port().to_string())));
    assert!(table.contains("Complete requests:      40\n") && table.contains("HTML transferred:       400 bytes\n"));
    assert_eq!(server.requests(), 40);
}

#[test]
fn keep_alive_and_bad_statuses_have_their_rows() {
    let server = Server::answering(503);
    let output = stampede(&["ab", "-k", "-n", "200", "-c", "2", "-l", "-d", "-S", &server.url()]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "as ab: {text}");
    for row in [
        "Document Length:        Variable\n",
        "Failed requests:        0\n",
        "Non-2xx responses:      200\n",
        "Keep-Alive requests:    200\n",
        "              min   avg   max\n",
    ] {
        assert!(text.contains(row), "no {row:?} in {text}");
    }
    assert!(!text.contains("Percentage of the requests"), "{text}");
    let progress = remarked(&output);
    assert!(progress.contains("Completed 100 requests\nCompleted 200 requests\nFinished 200 requests"), "{progress}");
}

#[test]
fn both_files_are_written() {
    let server = Server::answering(200);
    let folder = tempfile::tempdir().unwrap();
    let (gnuplot, csv) = (folder.path().join("g.tsv"), folder.path().join("e.csv"));
    let words = ["ab", "-q", "-n", "30", "-g", gnuplot.to_str().unwrap(), "-e", csv.to_str().unwrap(), &server.url()];
    assert_eq!(stampede(&words).status.code(), Some(0));
    let gnuplot = std::fs::read_to_string(gnuplot).unwrap();
    let mut lines = gnuplot.lines();
    assert_eq!(lines.next(), Some("starttime\tseconds\tctime\tdtime\tttime\twait"));
    let totals: Vec<u64> = lines.map(|line| line.split('\t').nth(4).unwrap().parse().unwrap()).collect();
    assert_eq!(totals.len(), 30);
    assert!(totals.is_sorted());
    let csv = std::fs::read_to_string(csv).unwrap();
    assert!(csv.starts_with("Percentage served,Time in ms\n0,"), "{csv}");
    assert_eq!(csv.lines().count(), 102);
}
