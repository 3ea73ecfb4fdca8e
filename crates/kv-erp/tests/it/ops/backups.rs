//! A backup is one when it was restored: docs/operations.md, carried out.

use std::path::Path;
use std::process::{Command, Output};

use kv_store::StoreConfig;
use sandbox::Postgres;
use serde_json::json;

use super::{PASSWORD, Service, login, primary};
use crate::process::run;
use crate::world::Caller;

/// Runs one of PostgreSQL's own programs against a server.
async fn tool(name: &str, args: &[&str], server: &Postgres) -> Output {
    let mut command = Command::new(name);
    command.args(args).arg("--dbname").arg(server.url());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What is sold, what was returned, and what is still held.
async fn trade(caller: &Caller) -> (String, String) {
    let (product, warehouse) = caller.stocked("SKU", 100).await;
    for quantity in 1..6 {
        let held = json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": quantity}]});
        let id = caller.post("/reservations", &held).await.made();
        if quantity % 2 == 0 {
            caller.ask(&format!("POST /reservations/{id}/release")).await;
        }
    }
    (product, warehouse)
}

/// The service goes on where the backup ends, and the chains of movements are whole.
async fn goes_on(server: &Postgres, caller: &Caller, level: &str, before: &serde_json::Value) {
    let verified = run(&["admin", "verify", "--database-url", &server.url()]).await;
    let said = done(&verified);
    assert!(said.contains("1 levels") && said.trim_end().ends_with("0 broken"), "{said}");
    let service = Service::on(&StoreConfig::new(login(server))).await;
    let caller = caller.through(&service.router);
    assert_eq!(caller.get(level).await.expect(200), *before);
    let held =
        json!({"items": [{"product_id": before["product_id"], "warehouse_id": before["warehouse_id"], "quantity": 1}]});
    caller.post("/reservations", &held).await.expect(201);
    assert_eq!(service.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

async fn restore_dump(old: &Postgres, folder: &Path) -> Postgres {
    let (globals, dump) = (folder.join("globals.sql"), folder.join("kv.dump"));
    let (globals, dump) = (globals.to_str().unwrap(), dump.to_str().unwrap());
    done(&tool("pg_dumpall", &["--globals-only", "--no-role-passwords", "--file", globals], old).await);
    done(&tool("pg_dump", &["--format", "custom", "--file", dump], old).await);
    let new = Postgres::start(sandbox::PostgresOptions::ephemeral().listen(sandbox::Listen::AnyPort)).await.unwrap();
    // The new server has a superuser of that name already; psql goes on behind that one complaint.
    done(&tool("psql", &["--quiet", "--file", globals], &new).await);
    done(&tool("pg_restore", &["--exit-on-error", dump], &new).await);
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    done(&run(&["migrate", "--database-url", &new.url(), "--app-password-file", password.to_str().unwrap()]).await);
    new
}

#[tokio::test]
async fn a_dump_and_a_base_backup_are_restored_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let old = primary().await;
    let service = Service::on(&StoreConfig::new(login(&old))).await;
    let caller = service.caller(&old).await;
    let (product, warehouse) = trade(&caller).await;
    let level = format!("/stock-levels/{product}/{warehouse}");
    let before = caller.get(&level).await.expect(200);

    let restored = restore_dump(&old, folder.path()).await;
    goes_on(&restored, &caller, &level, &before).await;

    let copy = old.standby().await.unwrap();
    copy.promote().await.unwrap();
    goes_on(&copy, &caller, &level, &before).await;
}
