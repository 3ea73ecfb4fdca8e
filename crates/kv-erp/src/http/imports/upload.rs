//! One upload: what its sender waits for, and what is looked at before any of it is taken.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use futures_util::StreamExt as _;
use kv_store::imports::ImportError;
use kv_types::ImportId;
use kv_types::imports::{Import, ImportState};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::faults;
use super::intake::{Intake, RENEW_EVERY, Stopped};
use super::keep;
use crate::app::App;
use crate::http::acting::Acting;
use crate::http::ctx::Ctx;
use crate::http::prefer::wants_no_wait;
use crate::http::problem::Problem;

/// How long nothing may come.
pub(super) const IDLE: Duration = Duration::from_secs(10);

/// What became of an upload.
#[derive(Debug)]
pub(super) enum Taken {
    /// The file is done.
    Done(Import),
    /// It is kept, and a job does it.
    Kept(Import),
}

/// Takes a file in.
pub(super) async fn run(
    app: &App,
    ctx: &Ctx,
    id: ImportId,
    (headers, body): (&HeaderMap, Body),
) -> Result<Taken, Problem> {
    let _share = app.uploads_of_tenants().take(ctx.tenant).ok_or_else(faults::crowded)?;
    let record = app.store().import(ctx.tenant, id).await?.ok_or(ImportError::NotFound)?;
    faults::check_media_type(headers)?;
    if record.import.state == ImportState::Complete {
        return verify(record.import, record.prefix_hash, body).await.map(Taken::Done);
    }
    if wants_no_wait(headers) {
        return match app.store().waiting_file(ctx.tenant, id).await? {
            Some(waiting) => keep::compare(record.import, &waiting, body).await.map(Taken::Kept),
            None => keep::run(app, ctx, id, body).await.map(Taken::Kept),
        };
    }
    let upload = app.store().claim_import(ctx.tenant, ctx.user, id).await?;
    let acting = Acting::Request(app, ctx);
    let mut intake = Intake::new(app.store(), &acting, upload)?;
    let outcome = feed(&mut intake, body).await;
    intake.release().await;
    outcome?;
    Ok(Taken::Done(intake.import().clone()))
}

async fn feed(intake: &mut Intake<'_>, body: Body) -> Result<(), Stopped> {
    let mut pieces = Pieces::of(body);
    loop {
        match pieces.next().await? {
            Next::Nothing => {}
            Next::Piece(piece) => intake.take(piece).await?,
            Next::End => return intake.end().await,
        }
        intake.keep().await?;
    }
}

/// A file that is done already: the same one changes nothing.
async fn verify(import: Import, prefix_hash: Option<Vec<u8>>, body: Body) -> Result<Import, Problem> {
    let (seen, hash) = digest(body).await?;
    let is_same = seen == import.bytes_done && prefix_hash.is_some_and(|kept| kept == hash);
    if is_same { Ok(import) } else { Err(ImportError::Differs.into()) }
}

/// How many bytes a body has, and SHA-256 of them.
pub(super) async fn digest(body: Body) -> Result<(i64, [u8; 32]), Problem> {
    let (mut hash, mut seen, mut pieces) = (Sha256::new(), 0, Pieces::of(body));
    loop {
        match pieces.next().await? {
            Next::Nothing => {}
            Next::Piece(piece) => {
                seen += piece.len() as i64;
                hash.update(&piece);
            }
            Next::End => return Ok((seen, hash.finalize().into())),
        }
    }
}

/// A body as it comes.
pub(super) struct Pieces {
    body: axum::body::BodyDataStream,
    quiet_since: Instant,
}

/// What came.
pub(super) enum Next {
    /// Nothing for a while.
    Nothing,
    Piece(Bytes),
    End,
}

impl Pieces {
    pub(super) fn of(body: Body) -> Self {
        Self { body: body.into_data_stream(), quiet_since: Instant::now() }
    }

    /// What comes next, or that nothing did for a while.
    ///
    /// # Errors
    /// 408 when nothing came for [`IDLE`], 400 when the body broke off.
    pub(super) async fn next(&mut self) -> Result<Next, Problem> {
        let Ok(came) = timeout(RENEW_EVERY, self.body.next()).await else {
            return if self.quiet_since.elapsed() >= IDLE { Err(faults::idle()) } else { Ok(Next::Nothing) };
        };
        self.quiet_since = Instant::now();
        match came {
            None => Ok(Next::End),
            Some(Ok(piece)) => Ok(Next::Piece(piece)),
            Some(Err(_)) => Err(faults::incomplete()),
        }
    }
}
