-- Settings of the platform, and the upkeep that needs the schema's owner: partitions and retention.

CREATE TABLE ops.system_configs (
    id uuid PRIMARY KEY,
    key text NOT NULL CONSTRAINT system_configs_key_key UNIQUE
        CHECK (key ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$' AND length(key) <= 100),
    value jsonb NOT NULL CHECK (pg_column_size(value) <= 65536),
    -- What a value must be: a JSON Schema of type, minimum, maximum, maxLength and enum only.
    value_schema jsonb NOT NULL CHECK (jsonb_typeof(value_schema) = 'object'),
    category text NOT NULL CHECK (length(category) <= 50),
    description text NOT NULL CHECK (length(description) <= 500),
    is_public boolean NOT NULL DEFAULT false,
    updated_by uuid REFERENCES identity.users ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX system_configs_updated_by ON ops.system_configs (updated_by);
CALL app.track_updates('ops.system_configs');
CALL app.secure('ops.system_configs', 'is_public OR (SELECT app.is_admin())',
                '(SELECT app.is_admin())');
CALL app.audit('ops.system_configs', 'system_config');
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.system_configs TO lyceum_app, lyceum_maintenance;

INSERT INTO ops.system_configs (id, key, value, value_schema, category, description) VALUES
    (app.new_id(), 'audit.retention_days', '90',
     '{"type": "integer", "minimum": 1, "maximum": 3650}', 'retention',
     'Days for which the audit log is kept.'),
    (app.new_id(), 'purge.after_days', '30',
     '{"type": "integer", "minimum": 1, "maximum": 365}', 'retention',
     'Days after which deleted objects are removed for good.'),
    (app.new_id(), 'jobs.failed_retention_days', '30',
     '{"type": "integer", "minimum": 1, "maximum": 365}', 'retention',
     'Days for which jobs that were given up are kept.');

-- The listing by action or by kind of resource, newest first.
CREATE INDEX audit_logs_action ON ops.audit_logs (action, created_at DESC, id DESC);

-- The program's tables that are partitioned by time.
CREATE VIEW app.partitioned_tables AS
SELECT c.oid::regclass AS target, format('%I.%I', n.nspname, c.relname) AS name,
       (SELECT d.partdefid FROM pg_partitioned_table d WHERE d.partrelid = c.oid) AS default_oid
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'p' AND NOT c.relispartition
  AND n.nspname IN ('app', 'identity', 'gateway', 'chat', 'knowledge', 'ops');

-- Makes the partitions ahead of every partitioned table. One that fails, as where the default
-- partition holds rows of the month, is told in `problem` and stops no other.
CREATE FUNCTION app.ensure_all_partitions(months_ahead integer)
    RETURNS TABLE (name text, made integer, problem text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '10s' AS $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT * FROM app.partitioned_tables t ORDER BY t.name LOOP
        name := found.name;
        problem := NULL;
        BEGIN
            made := app.ensure_partitions(found.target, months_ahead);
        EXCEPTION WHEN OTHERS THEN
            made := 0;
            problem := SQLERRM;
        END;
        RETURN NEXT;
    END LOOP;
END
$$;

-- How far each partitioned table's partitions reach, and what lies in its default partition.
CREATE FUNCTION app.partition_figures()
    RETURNS TABLE (name text, partitions bigint, covered_until timestamptz, default_rows bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT * FROM app.partitioned_tables t ORDER BY t.name LOOP
        name := found.name;
        SELECT count(*), max(substring(pg_get_expr(c.relpartbound, c.oid)
                                       FROM $re$TO \('([^']+)'\)$re$)::timestamptz)
        INTO partitions, covered_until
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = found.target;
        default_rows := 0;
        IF found.default_oid <> 0 THEN
            -- A thousand are alarm enough; a longer count would only take time.
            EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT 1000) AS rows',
                           found.default_oid::regclass) INTO default_rows;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Drops the partitions of the audit log that end before `before`; answers how many.
CREATE FUNCTION ops.drop_audit_partitions(before timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '10s' AS $$
DECLARE
    old regclass;
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT c.oid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'ops.audit_logs'::regclass
          AND substring(pg_get_expr(c.relpartbound, c.oid)
                        FROM $re$TO \('([^']+)'\)$re$)::timestamptz <= before
    LOOP
        EXECUTE format('DROP TABLE %s', old);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

REVOKE ALL ON FUNCTION app.ensure_all_partitions, app.partition_figures,
    ops.drop_audit_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.ensure_all_partitions, app.partition_figures,
    ops.drop_audit_partitions TO lyceum_maintenance;

-- The functions of all domains have their owner by now. A later migration that gives another one to
-- lyceum_maintenance grants this for itself and takes it back.
REVOKE CREATE ON SCHEMA app, ops, knowledge FROM lyceum_maintenance;
