-- Files that are kept for a while: what was sent for an import that a job does, and what a job exported. In pieces, so that nobody
-- ever holds a whole one.
create table stored_files (
    tenant_id   bigint not null references tenants,
    id          uuid not null,
    -- The import that it was sent for; null for an export.
    import_id   uuid,
    -- Whether the last piece is there.
    is_whole    boolean not null default false,
    pieces      integer not null default 0 check (pieces >= 0),
    bytes       bigint not null default 0 check (bytes >= 0),
    -- SHA-256, of a whole one that was sent.
    sha256      bytea check (length(sha256) = 32),
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    primary key (tenant_id, id),
    constraint stored_files_import foreign key (tenant_id, import_id) references imports on delete cascade
) with (fillfactor = 80);
-- Of an import at most one is waiting to be done.
create unique index stored_files_waiting on stored_files (tenant_id, import_id) where is_whole and import_id is not null;
create index stored_files_by_expiry on stored_files (expires_at);

create table stored_file_pieces (
    tenant_id  bigint not null,
    file_id    uuid not null,
    place      integer not null check (place >= 0),
    content    bytea not null check (length(content) between 1 and 262144),
    primary key (tenant_id, file_id, place),
    constraint stored_file_pieces_file foreign key (tenant_id, file_id) references stored_files on delete cascade
);

-- Exports that a job writes, each into the file with its id.
create table export_files (
    tenant_id    bigint not null,
    id           uuid not null,
    kind         text not null check (kind in ('customers', 'products', 'warehouses', 'stock-levels', 'stock-movements', 'orders')),
    spreadsheet  boolean not null,
    actor_id     uuid not null,
    job_id       uuid not null,
    state        text not null default 'open' check (state in ('open', 'complete', 'failed')),
    reason       text,
    -- The key of the last row that is in the file; null before the first.
    after_key    text[],
    rows         bigint not null default 0 check (rows >= 0),
    created_at   timestamptz not null default now(),
    finished_at  timestamptz,
    primary key (tenant_id, id),
    constraint export_files_file foreign key (tenant_id, id) references stored_files on delete cascade,
    constraint export_files_reason check ((reason is not null) = (state = 'failed')),
    constraint export_files_finished check ((finished_at is null) = (state = 'open'))
) with (fillfactor = 80);

do $$
declare t text;
begin
    foreach t in array array['stored_files', 'stored_file_pieces', 'export_files'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant on %I using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id())', t);
    end loop;
end $$;
grant select, delete on stored_files, stored_file_pieces to kv_app;
grant select on export_files to kv_app;
grant insert (tenant_id, id, import_id, expires_at), update (is_whole, pieces, bytes, sha256, expires_at) on stored_files to kv_app;
grant insert on stored_file_pieces to kv_app;
grant insert (tenant_id, id, kind, spreadsheet, actor_id, job_id), update (state, reason, after_key, rows, finished_at)
    on export_files to kv_app;

-- The job that does, or did, a file that was sent for it to wait.
alter table imports add column job_id uuid;
grant update (job_id) on imports to kv_app;

-- The clean-up of all tenants. What hangs on a file goes with it.
create policy expiry on stored_files to kv_owner using (expires_at < now()) with check (false);
create function app.forget_files(most integer) returns bigint
    language sql volatile security definer set search_path = public, pg_temp
    as $$ with old as materialized (
              select f.tenant_id, f.id from stored_files f where f.expires_at < now()
               order by f.expires_at limit most for update skip locked),
          gone as (delete from stored_files f using old where f.tenant_id = old.tenant_id and f.id = old.id returning 1)
          select count(*) from gone $$;
revoke execute on function app.forget_files(integer) from public;
grant execute on function app.forget_files(integer) to kv_app;
