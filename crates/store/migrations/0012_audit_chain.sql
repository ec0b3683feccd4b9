-- The audit log becomes a chain of hashes, and secrets get data keys that the master key wraps.

-- What a transaction wrote to the audit log waits here until it is committed and linked. So nobody
-- waits for the chain: its one writer links what it finds, in batches of its own.
CREATE TABLE ops.audit_queue (
    created_at timestamptz NOT NULL,
    id uuid NOT NULL,
    PRIMARY KEY (created_at, id)
);

-- One link for each entry of the log, numbered without a gap. The program computes all hashes and
-- writes down how: crates/store/src/audit/canonical.rs. An entry that retention forgot leaves its
-- link until all links before it are forgotten, too.
CREATE TABLE ops.audit_chain (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    audit_id uuid NOT NULL,
    audit_created_at timestamptz NOT NULL,
    row_hash bytea NOT NULL CHECK (octet_length(row_hash) = 32),
    prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    created_at timestamptz NOT NULL,
    CONSTRAINT audit_chain_entry UNIQUE (audit_id, audit_created_at)
);

-- What retention forgot: all links up to `seq`, the last of which had `hash`, and all entries of the
-- log that are dated before `forgotten_before`.
CREATE TABLE ops.audit_checkpoints (
    id uuid PRIMARY KEY,
    seq bigint NOT NULL CHECK (seq >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    forgotten_before timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);

-- Nobody changes a link, a checkpoint or what waits; only retention and the chain's writer delete.
GRANT SELECT, INSERT, DELETE ON ops.audit_queue, ops.audit_chain TO lyceum_maintenance;
GRANT SELECT, INSERT ON ops.audit_checkpoints TO lyceum_maintenance;

GRANT CREATE ON SCHEMA ops TO lyceum_maintenance;

CREATE FUNCTION ops.queue_audit_rows() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO ops.audit_queue (created_at, id) SELECT created_at, id FROM added
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
ALTER FUNCTION ops.queue_audit_rows() OWNER TO lyceum_maintenance;

CREATE TRIGGER queue AFTER INSERT ON ops.audit_logs
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ops.queue_audit_rows();

-- What was written before there was a chain.
INSERT INTO ops.audit_queue (created_at, id) SELECT created_at, id FROM ops.audit_logs;

-- As before, but a row without an id of its own is named by the first part of its key: a role that
-- is given to a person by the person, a member of a group by the group.
CREATE OR REPLACE FUNCTION ops.audit_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    hidden text[] := TG_ARGV[1:];
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - hidden - 'updated_at' END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - hidden - 'updated_at' END;
    named text := coalesce(after, before) ->> 'id';
BEGIN
    IF before IS NOT DISTINCT FROM after THEN
        RETURN NULL;
    END IF;
    IF named IS NULL THEN
        SELECT coalesce(after, before) ->> a.attname::text INTO named
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = TG_RELID AND i.indisprimary AND a.atttypid = 'uuid'::regtype;
    END IF;
    INSERT INTO ops.audit_logs (id, user_id, action, resource_type, resource_id,
                                old_values, new_values, ip_address)
    VALUES (app.new_id(), app.current_user_id(),
            CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'DELETE' THEN 'delete' ELSE 'update' END,
            TG_ARGV[0], named::uuid, before, after,
            nullif(current_setting('app.client_ip', true), '')::inet);
    RETURN NULL;
END
$$;

REVOKE CREATE ON SCHEMA ops FROM lyceum_maintenance;

-- The listing by address.
CREATE INDEX audit_logs_ip_address ON ops.audit_logs (ip_address, created_at DESC, id DESC)
    WHERE ip_address IS NOT NULL;

-- The keys that secrets are sealed with, each wrapped by the master key, which is never in the
-- database. The one in use is the latest whose `active_from` has passed; the older ones open what
-- is not sealed anew yet.
CREATE TABLE ops.data_keys (
    id uuid PRIMARY KEY,
    wrapped_key bytea NOT NULL CHECK (octet_length(wrapped_key) = 60),
    master_key_id text NOT NULL CHECK (length(master_key_id) BETWEEN 1 AND 100),
    active_from timestamptz NOT NULL,
    -- When everything was sealed anew with it; the rotation goes on where it is missing.
    rotated_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX data_keys_unfinished ON ops.data_keys ((rotated_at IS NULL))
    WHERE rotated_at IS NULL;
CALL app.track_updates('ops.data_keys');
CALL app.audit('ops.data_keys', 'data_key', 'wrapped_key');
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.data_keys TO lyceum_maintenance;

-- Which model answers by default is a choice worth knowing; its key is the person and the kind.
CALL app.audit('gateway.user_default_models', 'default_model');
