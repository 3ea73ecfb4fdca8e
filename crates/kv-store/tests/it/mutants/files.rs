//! Files that are kept, done as the first twin: sent for imports, and written as exports.

use kv_store::exports::{ExportText, NewExport, creation};
use kv_store::imports::{Received, Sender};
use kv_store::jobs::{NewJob, Work};
use kv_types::ExportFileId;
use kv_types::exports::ExportKind;
use serde_json::json;

use super::repertoire::Told;
use crate::isolation::Goods;
use crate::support::Account;

impl Told<'_> {
    pub(super) async fn keep_files(&mut self, goods: &Goods) {
        self.keep_import_files(goods).await;
        self.write_exports(goods).await;
    }

    async fn keep_import_files(&mut self, goods: &Goods) {
        let (store, Account { tenant, user }) = (self.store.clone(), self.me);
        let files = &goods.files;
        self.note("waiting", store.waiting_file(tenant, files.waiting).await);
        self.note("file", store.stored_file(tenant, files.file).await);
        self.note("piece", store.piece((tenant, files.file), 0).await);
        self.note("too late a piece", store.add_piece((tenant, files.part), 0, b"late").await);
        self.note("piece of a part", store.add_piece((tenant, files.part), 1, b"in time").await);
        let claimed = store.claim_import(tenant, user, files.broken).await;
        if let Ok(upload) = &claimed {
            let begun = store.begin_import_file(upload).await;
            let file = begun.as_ref().ok().copied();
            self.note("begun", begun);
            if let Some(file) = file {
                self.note("first piece", store.add_piece((tenant, file), 0, b"code,name\n").await);
                let received = Received { file, pieces: 1, sha256: [9; 32] };
                let sender = Sender { user, token: None, request: "request" };
                self.note("queued", store.queue_import(upload, &received, &sender).await);
                self.note("drop of what was handed over", store.drop_unfinished(tenant, file).await);
            }
        }
        self.note("claim of a broken one", claimed.map(drop));
        self.note("end of an import's job", self.end(Work::Imported(files.file)).await);
        self.note("drop", store.drop_unfinished(tenant, files.part).await);
    }

    async fn write_exports(&mut self, goods: &Goods) {
        let (store, Account { tenant, user }) = (self.store.clone(), self.me);
        let new = NewExport { kind: ExportKind::Products, spreadsheet: true };
        self.note("new export", store.apply(creation(tenant, user, new), None).await);
        for id in goods.files.exports {
            self.note("export", store.export_file(tenant, id).await);
            self.note("progress", store.export_progress(tenant, id).await);
            let after = ["key".to_owned()];
            let page = ExportText { text: b"a row\n", rows: 1, after: Some(&after) };
            self.note("page", store.add_export_page((tenant, id), 1, &page).await);
            self.note("the same page", store.add_export_page((tenant, id), 1, &page).await);
        }
        let [first, second]: [ExportFileId; 2] = goods.files.exports;
        self.note("complete", self.end(Work::Exported(first)).await);
        self.note("give up", self.end(Work::ExportFailed(second, "too_large")).await);
        for id in [first, second] {
            self.note("export", store.export_file(tenant, id).await);
        }
    }

    /// Ends a job of its own with this effect.
    async fn end(&self, work: Work) -> Result<kv_store::jobs::Ended, kv_store::StoreError> {
        let job = NewJob::new("some", json!({}));
        let tenant = self.me.tenant;
        self.store.enqueue_jobs(tenant, std::slice::from_ref(&job)).await?;
        self.store.end_job(tenant, job.id, &work).await
    }
}
