-- Roles, schemas, and the few functions that every table uses.
--
-- lyceum_app          the program; row-level security binds it
-- lyceum_maintenance  the platform's own work (signing in, ledger writer, clean-up): sees every row
--                     through policies, not by bypassing them

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lyceum_app') THEN
        CREATE ROLE lyceum_app NOLOGIN NOINHERIT;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lyceum_maintenance') THEN
        CREATE ROLE lyceum_maintenance NOLOGIN;
    END IF;
    GRANT lyceum_maintenance TO lyceum_app;
    EXECUTE format('GRANT lyceum_app, lyceum_maintenance TO %I', current_user);
EXCEPTION
    -- Another database of the same server is being migrated at this moment.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS vector;

CREATE SCHEMA app;
CREATE SCHEMA identity;
CREATE SCHEMA gateway;
CREATE SCHEMA chat;
CREATE SCHEMA knowledge;
CREATE SCHEMA ops;

GRANT USAGE ON SCHEMA app TO lyceum_app, lyceum_maintenance;
-- To own the functions that look past a person's own rows.
GRANT CREATE ON SCHEMA app, ops TO lyceum_maintenance;

-- Who acts in this transaction; NULL where nobody was stated. In a policy write
-- (SELECT app.current_user_id()), so that it is asked once a query and not once a row.
CREATE FUNCTION app.current_user_id() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.current_user_id', true), '')::uuid;

CREATE FUNCTION app.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;

-- Keeps updated_at true on a table.
CREATE PROCEDURE app.track_updates(target regclass)
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER touch_updated_at BEFORE UPDATE ON %s
                    FOR EACH ROW EXECUTE FUNCTION app.touch_updated_at()', target);
END
$$;

-- Puts a table under forced row-level security: `visible` says which rows a person sees,
-- `writable` (by default the same) which they may write. The maintenance role sees all.
CREATE PROCEDURE app.secure(target regclass, visible text, writable text DEFAULT NULL)
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY maintenance ON %s TO lyceum_maintenance
                    USING (true) WITH CHECK (true)', target);
    IF writable IS NULL OR writable = visible THEN
        EXECUTE format('CREATE POLICY person ON %s TO lyceum_app USING (%s) WITH CHECK (%s)',
                       target, visible, visible);
    ELSE
        EXECUTE format('CREATE POLICY person_reads ON %s FOR SELECT TO lyceum_app USING (%s)',
                       target, visible);
        EXECUTE format('CREATE POLICY person_inserts ON %s FOR INSERT TO lyceum_app
                        WITH CHECK (%s)', target, writable);
        EXECUTE format('CREATE POLICY person_updates ON %s FOR UPDATE TO lyceum_app
                        USING (%s) WITH CHECK (%s)', target, writable, writable);
        EXECUTE format('CREATE POLICY person_deletes ON %s FOR DELETE TO lyceum_app
                        USING (%s)', target, writable);
    END IF;
END
$$;

-- The most common case: a row belongs to the user in `owner_column`.
CREATE PROCEDURE app.secure_owned(target regclass, owner_column name)
    LANGUAGE plpgsql AS $$
BEGIN
    CALL app.secure(target, format('%I = (SELECT app.current_user_id())', owner_column));
END
$$;

-- Lets both roles use the tables of a schema; called at the end of each migration. Partitions are
-- left out: row-level security stands on their parents, so they are reached through those alone.
CREATE PROCEDURE app.grant_tables(target regnamespace)
    LANGUAGE plpgsql AS $$
DECLARE
    target_table regclass;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO lyceum_app, lyceum_maintenance', target);
    FOR target_table IN
        SELECT oid FROM pg_class
        WHERE relnamespace = target AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO lyceum_app, lyceum_maintenance',
                       target_table);
    END LOOP;
END
$$;

-- Makes the monthly partitions of one partitioned table from this month to `months_ahead` months
-- ahead, and its default partition, which stays empty as long as this runs in time.
CREATE FUNCTION app.ensure_partitions(target regclass, months_ahead integer) RETURNS integer
    LANGUAGE plpgsql AS $$
DECLARE
    schema_name name;
    table_name name;
    first_day date;
    made integer := 0;
BEGIN
    SELECT n.nspname, c.relname INTO schema_name, table_name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target;
    IF to_regclass(format('%I.%I', schema_name, table_name || '_default')) IS NULL THEN
        EXECUTE format('CREATE TABLE %I.%I PARTITION OF %s DEFAULT',
                       schema_name, table_name || '_default', target);
    END IF;
    FOR offset_months IN 0..months_ahead LOOP
        first_day := (date_trunc('month', now() AT TIME ZONE 'UTC')
                      + make_interval(months => offset_months))::date;
        IF to_regclass(format('%I.%I', schema_name,
                              table_name || to_char(first_day, '"_y"YYYY"m"MM'))) IS NULL THEN
            EXECUTE format('CREATE TABLE %I.%I PARTITION OF %s
                            FOR VALUES FROM (%L) TO (%L)',
                           schema_name, table_name || to_char(first_day, '"_y"YYYY"m"MM'), target,
                           first_day::timestamp AT TIME ZONE 'UTC',
                           (first_day + interval '1 month') AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;

-- The audit log. Rows are only ever appended: nobody has the right to change one, and only the
-- maintenance role may delete, because retention forgets by age.
CREATE TABLE ops.audit_logs (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    user_id uuid,
    action text NOT NULL CHECK (length(action) <= 50),
    resource_type text NOT NULL CHECK (length(resource_type) <= 50),
    resource_id uuid,
    old_values jsonb,
    new_values jsonb,
    ip_address inet,
    user_agent text CHECK (length(user_agent) <= 400),
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX audit_logs_created_at ON ops.audit_logs (created_at DESC, id DESC);
CREATE INDEX audit_logs_user_id ON ops.audit_logs (user_id, created_at DESC);
CREATE INDEX audit_logs_resource ON ops.audit_logs (resource_type, resource_id, created_at DESC);
SELECT app.ensure_partitions('ops.audit_logs', 3);

-- Version 7 of RFC 9562, for rows that triggers write.
CREATE FUNCTION app.new_id() RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;

-- Writes each change of a row to the audit log. Arguments of the trigger: the resource's name, then
-- the columns to leave out (secrets, and values that change at every use).
CREATE FUNCTION ops.audit_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    hidden text[] := TG_ARGV[1:];
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - hidden - 'updated_at' END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - hidden - 'updated_at' END;
BEGIN
    IF before IS NOT DISTINCT FROM after THEN
        RETURN NULL;
    END IF;
    INSERT INTO ops.audit_logs (id, user_id, action, resource_type, resource_id,
                                old_values, new_values, ip_address)
    VALUES (app.new_id(), app.current_user_id(),
            CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'DELETE' THEN 'delete' ELSE 'update' END,
            TG_ARGV[0], (coalesce(after, before) ->> 'id')::uuid, before, after,
            nullif(current_setting('app.client_ip', true), '')::inet);
    RETURN NULL;
END
$$;
ALTER FUNCTION ops.audit_row() OWNER TO lyceum_maintenance;

-- Audits every change of a table.
CREATE PROCEDURE app.audit(target regclass, resource text, VARIADIC hidden text[] DEFAULT '{}')
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %s
                    FOR EACH ROW EXECUTE FUNCTION ops.audit_row(%s)', target,
                   (SELECT string_agg(quote_literal(argument), ', ')
                    FROM unnest(array[resource] || hidden) AS argument));
END
$$;

-- Whether the acting user is an administrator. Reads the tables of the identity domain.
CREATE FUNCTION app.is_admin() RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM identity.user_roles ur JOIN identity.roles r ON r.id = ur.role_id
        WHERE ur.user_id = app.current_user_id() AND r.permissions @> '["*:*"]'
    );
END
$$;
ALTER FUNCTION app.is_admin() OWNER TO lyceum_maintenance;

-- An entry may be written by whoever acts; only administrators read, nobody changes. Retention
-- deletes by age, in the maintenance role.
CALL app.secure('ops.audit_logs', '(SELECT app.is_admin())', 'true');
GRANT USAGE ON SCHEMA ops TO lyceum_app, lyceum_maintenance;
GRANT SELECT, INSERT ON ops.audit_logs TO lyceum_app;
GRANT SELECT, INSERT, DELETE ON ops.audit_logs TO lyceum_maintenance;
