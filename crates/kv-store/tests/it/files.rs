//! Files that are kept: they grow piece by piece, by one writer, up to a bound.

use kv_store::exports::{ExportText, MAX_EXPORT_FILES, NewExport, creation};
use kv_store::files::{FILE_BYTES, FileError, PIECE_BYTES, TENANT_BYTES};
use kv_store::idempotency::Done;
use kv_types::exports::{ExportFile, ExportKind};

use crate::support::House;

async fn export(house: &House) -> Option<ExportFile> {
    let new = NewExport { kind: ExportKind::Customers, spreadsheet: false };
    let made = house.store.apply(creation(house.one.tenant, house.one.user, new), None).await.unwrap()?;
    let Done::Now(export) = made else { panic!("{made:?}") };
    Some(export)
}

#[tokio::test]
async fn a_page_is_added_once_and_by_one_writer() {
    let house = House::new().await;
    let (store, tenant) = (&house.store, house.one.tenant);
    let id = export(&house).await.unwrap().id;
    let text = vec![b'x'; 2 * PIECE_BYTES + 1];
    let after = ["a".to_owned()];
    let page = ExportText { text: &text, rows: 7, after: Some(&after) };
    assert_eq!(store.add_export_page((tenant, id), 0, &page).await.unwrap(), 3);
    // Whoever knows of fewer pieces has been overtaken.
    for place in [0, 2, 4] {
        assert!(matches!(store.add_export_page((tenant, id), place, &page).await, Err(FileError::Lost)), "{place}");
    }
    let other = house.two.tenant;
    assert!(matches!(store.add_export_page((other, id), 3, &page).await, Err(FileError::Lost)));
    let progress = store.export_progress(tenant, id).await.unwrap().unwrap();
    assert_eq!((progress.pieces, progress.after.as_deref()), (3, Some(&after[..])));
    let mut read = Vec::new();
    for place in 0..3 {
        read.extend(store.piece((tenant, id.uuid()), place).await.unwrap().unwrap());
    }
    assert!(read == text, "the pieces are the page");
    assert_eq!(store.piece((tenant, id.uuid()), 3).await.unwrap(), None);
    assert_eq!(store.stored_file(tenant, id.uuid()).await.unwrap(), None, "it is not whole");
    let shown = store.export_file(tenant, id).await.unwrap().unwrap();
    assert_eq!((shown.rows, shown.bytes), (7, text.len() as i64));
}

#[tokio::test]
async fn a_file_and_a_tenant_have_their_bounds() {
    let house = House::new().await;
    let (store, tenant) = (&house.store, house.one.tenant);
    let (first, second) = (export(&house).await.unwrap().id, export(&house).await.unwrap().id);
    let superuser = house.database.connect().await.unwrap();
    let set = async |bytes: i64| {
        let sql = format!("update stored_files set bytes = {bytes} where id = '{first}'");
        superuser.batch_execute(&sql).await.unwrap();
    };
    let page = ExportText { text: b"0123456789", rows: 1, after: None };
    set(FILE_BYTES - 9).await;
    assert!(matches!(store.add_export_page((tenant, first), 0, &page).await, Err(FileError::TooLarge)));
    assert!(matches!(store.add_piece((tenant, first.uuid()), 0, page.text).await, Err(FileError::TooLarge)));
    set(TENANT_BYTES - 9).await;
    assert!(matches!(store.add_export_page((tenant, second), 0, &page).await, Err(FileError::Full)));
    assert!(matches!(store.add_piece((tenant, second.uuid()), 0, page.text).await, Err(FileError::Full)));
    set(TENANT_BYTES - 10).await;
    assert_eq!(store.add_export_page((tenant, second), 0, &page).await.unwrap(), 1);
    set(0).await;
    for _ in 2..MAX_EXPORT_FILES {
        export(&house).await.unwrap();
    }
    assert!(export(&house).await.is_none(), "there are as many as there may be");
}
