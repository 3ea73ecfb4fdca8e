-- Imports of files. An import's row says how far it is, and changes in the transaction of the rows that brought it there; of goods,
-- behind the ledger's own transaction, whose idempotency key tells a repeat.
create table imports (
    tenant_id     bigint not null references tenants,
    id            uuid not null,
    kind          text not null check (kind in ('customers', 'products', 'stock-receipts')),
    name          text,
    on_conflict   text not null check (on_conflict in ('reject', 'update')),
    actor_id      uuid not null,
    state         text not null default 'open' check (state in ('open', 'complete', 'failed')),
    reason        text check ((reason is not null) = (state = 'failed')),
    -- The header's columns in their order; null until the first rows are done.
    columns       text[],
    lines_done    bigint not null default 0 check (lines_done >= 0),
    bytes_done    bigint not null default 0 check (bytes_done >= 0),
    accepted      bigint not null default 0,
    rejected      bigint not null default 0,
    -- SHA-256 of the file's first bytes_done bytes.
    prefix_hash   bytea check (length(prefix_hash) = 32),
    -- The upload under way, and until when it is believed to live.
    upload_id     uuid,
    upload_until  timestamptz,
    created_at    timestamptz not null default now(),
    -- Moves with the progress alone: it bounds the age of a key that a repeat may rest on.
    updated_at    timestamptz not null default now(),
    primary key (tenant_id, id)
);

create table import_rejections (
    tenant_id  bigint not null,
    import_id  uuid not null,
    -- Where the row begins in the file.
    line       bigint not null check (line > 0),
    code       text not null,
    detail     text not null,
    primary key (tenant_id, import_id, line),
    constraint import_rejections_import foreign key (tenant_id, import_id) references imports
);

do $$
declare t text;
begin
    foreach t in array array['imports', 'import_rejections'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant on %I using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id())', t);
    end loop;
end $$;
grant select on imports, import_rejections to kv_app;
grant insert (tenant_id, id, kind, name, on_conflict, actor_id),
      update (state, reason, columns, lines_done, bytes_done, accepted, rejected, prefix_hash, upload_id, upload_until, updated_at)
    on imports to kv_app;
grant insert on import_rejections to kv_app;
