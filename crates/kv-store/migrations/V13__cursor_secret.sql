-- What the cursors of lists are signed with: the same for all processes of the service, and after a restart. Whoever wants it changed
-- deletes the row as kv_owner and starts the processes anew; cursors that are under way are refused then.
create table app.cursor_secrets (
    is_the_one  boolean primary key default true check (is_the_one),
    secret      bytea not null check (length(secret) = 32)
);

-- The secret, made when there is none. Two ids of 122 random bits each.
create function app.cursor_secret() returns bytea
    language sql volatile security definer set search_path = public, pg_temp
    as $$ insert into app.cursor_secrets (secret)
              select decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
               where not exists (select from app.cursor_secrets)
              on conflict do nothing;
          select secret from app.cursor_secrets $$;
revoke execute on function app.cursor_secret() from public;
grant execute on function app.cursor_secret() to kv_app;
select app.cursor_secret();
