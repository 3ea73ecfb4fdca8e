-- The sweeper looks page by page: what cannot be ended stays due, and must not hide what comes behind it. The function without a
-- place to begin stays for the replicas that still run.
create function app.due_reservations(after_due timestamptz, after_id uuid, most integer)
    returns table (tenant_id bigint, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = public, pg_temp
    as $$ select r.tenant_id, r.id, r.due_at from reservations r
           where r.due_at <= now()
             and (after_due is null or (r.due_at >= after_due and (r.due_at, r.id) > (after_due, after_id)))
           group by r.tenant_id, r.id, r.due_at order by r.due_at, r.id limit most $$;
revoke execute on function app.due_reservations(timestamptz, uuid, integer) from public;
grant execute on function app.due_reservations(timestamptz, uuid, integer) to kv_app;
