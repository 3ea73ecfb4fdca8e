//! The reference for reservations: the guide's own transaction, by pgbench.
//!
//! BEGIN; SELECT .. FOR UPDATE; UPDATE; INSERT; COMMIT on one hot row, prepared statements, as many clients as the load has
//! connections, on the same PostgreSQL with fsync on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sandbox::{Login, Postgres};

use super::{Bench, Figure};

const DATABASE: &str = "guide";

const TABLES: &str = "
    create table stock_levels (tenant_id bigint, product_id bigint, warehouse_id bigint, quantity bigint not null,
        reserved_quantity bigint not null, primary key (tenant_id, product_id, warehouse_id)) with (fillfactor = 50);
    create table stock_movements (id bigint generated always as identity primary key, tenant_id bigint, product_id bigint,
        warehouse_id bigint, d_quantity bigint, created_at timestamptz default now());
    insert into stock_levels values (1, 1, 1, 1000000000, 0)";

const TRANSACTION: &str = "\
BEGIN;
SELECT quantity FROM stock_levels WHERE tenant_id = 1 AND product_id = 1 AND warehouse_id = 1 FOR UPDATE;
UPDATE stock_levels SET quantity = quantity - 1, reserved_quantity = reserved_quantity + 1 \
WHERE tenant_id = 1 AND product_id = 1 AND warehouse_id = 1;
INSERT INTO stock_movements (tenant_id, product_id, warehouse_id, d_quantity) VALUES (1, 1, 1, -1);
COMMIT;
";

/// A database with one hot stock level.
pub(crate) struct Guide(Script);

impl Guide {
    pub(crate) async fn prepare(postgres: &Postgres) -> Result<Self> {
        postgres.connect("postgres").await?.batch_execute(&format!("create database {DATABASE}")).await?;
        postgres.connect(DATABASE).await?.batch_execute(TABLES).await?;
        let url = postgres.url_for(DATABASE, Login::Superuser);
        Script::write(postgres, (&find_pgbench()?, &url), ("guide.sql", TRANSACTION)).map(Self)
    }

    pub(crate) fn measure(&self, bench: &Bench) -> Result<Figure> {
        Ok(Figure { per_second: self.0.measure(bench)?, p99_ms: None })
    }
}

/// A script of pgbench's, and where it runs.
pub(super) struct Script {
    program: PathBuf,
    file: PathBuf,
    url: String,
}

impl Script {
    pub(super) fn write(
        postgres: &Postgres,
        (program, url): (&Path, &str),
        (name, text): (&str, &str),
    ) -> Result<Self> {
        let file = postgres.folder().join(name);
        std::fs::write(&file, text).context("write pgbench's script")?;
        Ok(Self { program: program.to_owned(), file, url: url.to_owned() })
    }

    /// Runs of the script a second.
    pub(super) fn measure(&self, bench: &Bench) -> Result<f64> {
        let clients = bench.connections.to_string();
        let seconds = bench.seconds.to_string();
        let output = Command::new(&self.program)
            .args(["--no-vacuum", "--protocol", "prepared", "--client", &clients, "--jobs", "2", "--time", &seconds])
            .arg("--file")
            .arg(&self.file)
            .arg(&self.url)
            .output()
            .context("run pgbench")?;
        if !output.status.success() {
            bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        tps(&text).with_context(|| format!("no tps in {text}"))
    }
}

fn tps(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok())
}

/// On PATH, else where Debian puts it.
pub(super) fn find_pgbench() -> Result<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&on_path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders.into_iter().map(|folder| folder.join("pgbench")).find(|program| program.is_file());
    found.context("pgbench is not installed; hint: apt-get install postgresql")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_pgbenchs_own_words() {
        let text = "latency average = 60.1 ms\ninitial connection time = 8.2 ms\ntps = 1064.23 (without initial connection time)\n";
        assert_eq!(tps(text), Some(1064.23));
        assert_eq!(tps("nothing"), None);
    }
}
