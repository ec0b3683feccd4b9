-- Provisioning by a directory (SCIM 2.0), the program's own log, and policies that still asked for an
-- administrator where a right is meant.

-- What a directory, such as Entra ID or Okta, proves itself with. It makes, changes and deletes
-- accounts and groups, administrators' too, so only who has all rights makes one.
CREATE TABLE identity.scim_tokens (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    token_hash bytea NOT NULL CONSTRAINT scim_tokens_token_hash_key UNIQUE
        CHECK (length(token_hash) = 32),
    hint text NOT NULL CHECK (length(hint) <= 16),
    -- The issuer at which the directory's people sign in.
    oidc_provider_id uuid REFERENCES identity.oidc_providers ON DELETE SET NULL,
    created_by uuid REFERENCES identity.users ON DELETE SET NULL,
    -- The secret that a rotation replaced, which works for a while beside the new one.
    previous_hash bytea CONSTRAINT scim_tokens_previous_hash_key UNIQUE
        CHECK (length(previous_hash) = 32),
    previous_hint text CHECK (length(previous_hint) <= 16),
    previous_expires_at timestamptz,
    rotated_at timestamptz,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT scim_tokens_previous
        CHECK (num_nonnulls(previous_hash, previous_hint, previous_expires_at) IN (0, 3))
);
CREATE INDEX scim_tokens_oidc_provider_id ON identity.scim_tokens (oidc_provider_id);
CREATE INDEX scim_tokens_created_by ON identity.scim_tokens (created_by);
CALL app.track_updates('identity.scim_tokens');
-- Whoever reads the audit log sees the names of those who acted.
CALL app.secure('identity.scim_tokens',
    '(SELECT app.may(''scim_token'', ''manage'')) OR (SELECT app.may(''audit'', ''read''))
     OR (SELECT app.may(''audit'', ''export''))',
    '(SELECT app.may(''scim_token'', ''manage''))');
CREATE POLICY made_by_administrators ON identity.scim_tokens AS RESTRICTIVE
    FOR INSERT TO lyceum_app WITH CHECK ((SELECT app.is_admin()));
CALL app.audit('identity.scim_tokens', 'scim_token', 'token_hash', 'previous_hash', 'last_used_at');
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.scim_tokens TO lyceum_app, lyceum_maintenance;

-- What the directory calls a person and a group. Its name for a person may be no username of ours,
-- such as an address; then the username is made from it.
ALTER TABLE identity.users
    ADD COLUMN external_id text CHECK (length(external_id) BETWEEN 1 AND 255),
    ADD COLUMN provisioned_name citext CHECK (length(provisioned_name) BETWEEN 1 AND 254),
    ADD COLUMN provisioned_by uuid REFERENCES identity.scim_tokens ON DELETE SET NULL;
CREATE INDEX users_external_id ON identity.users (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_provisioned_by ON identity.users (provisioned_by)
    WHERE provisioned_by IS NOT NULL;
CREATE UNIQUE INDEX users_provisioned_name_key ON identity.users (provisioned_name)
    WHERE deleted_at IS NULL;
ALTER TABLE identity.groups
    ADD COLUMN external_id text CHECK (length(external_id) BETWEEN 1 AND 255);
CREATE INDEX groups_external_id ON identity.groups (external_id) WHERE external_id IS NOT NULL;

-- Whether what a session says of its second factor still counts: the person has one, or the issuer
-- that saw to it is still trusted with it.
CREATE FUNCTION identity.second_factor_counts(person uuid, mark text, provider uuid)
    RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN mark IS NULL THEN false
        WHEN mark = 'issuer' THEN EXISTS (
            SELECT FROM identity.oidc_providers p
            WHERE p.id = provider AND p.is_active AND p.trust_second_factor)
        ELSE EXISTS (SELECT FROM identity.totp_secrets t
                     WHERE t.user_id = person AND t.confirmed_at IS NOT NULL)
          OR EXISTS (SELECT FROM identity.passkeys k WHERE k.user_id = person)
    END
$$;

-- What the program warns of and what fails, beside its log on standard error. Written in batches by
-- each node, bounded; forgotten by age.
CREATE TABLE ops.system_logs (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    level text NOT NULL CHECK (level IN ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')),
    message text NOT NULL CHECK (length(message) <= 4000),
    -- The part of the program, and the spans in which it was, outermost first.
    module text NOT NULL CHECK (length(module) <= 200),
    function_name text CHECK (length(function_name) <= 200),
    node text NOT NULL CHECK (length(node) <= 100),
    user_id uuid,
    ip_address inet,
    extra_data jsonb NOT NULL CHECK (jsonb_typeof(extra_data) = 'object'),
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX system_logs_created_at ON ops.system_logs (created_at DESC, id DESC);
CREATE INDEX system_logs_level ON ops.system_logs (level, created_at DESC, id DESC);
SELECT app.ensure_partitions('ops.system_logs', 3);
CALL app.secure('ops.system_logs', '(SELECT app.may(''system'', ''read''))', 'false');
GRANT SELECT ON ops.system_logs TO lyceum_app;
GRANT SELECT, INSERT, DELETE ON ops.system_logs TO lyceum_maintenance;

INSERT INTO ops.system_configs (id, key, value, value_schema, category, description) VALUES
    (app.new_id(), 'system_logs.retention_days', '30',
     '{"type": "integer", "minimum": 1, "maximum": 365}', 'retention',
     'Days for which the warnings and errors of the program are kept.');

-- Drops the partitions of the program's log that end before `before`; answers how many.
CREATE FUNCTION ops.drop_system_log_partitions(before timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '10s' AS $$
DECLARE
    old regclass;
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT c.oid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'ops.system_logs'::regclass
          AND substring(pg_get_expr(c.relpartbound, c.oid)
                        FROM $re$TO \('([^']+)'\)$re$)::timestamptz <= before
    LOOP
        EXECUTE format('DROP TABLE %s', old);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
REVOKE ALL ON FUNCTION ops.drop_system_log_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.drop_system_log_partitions TO lyceum_maintenance;

-- Whoever has the right reads and changes settings, and says which kinds of providers there are.
CALL app.change_policies('ops.system_configs',
    'is_public OR (SELECT app.may(''system'', ''read'')) OR (SELECT app.may(''system'', ''write''))',
    '(SELECT app.may(''system'', ''write''))');
CALL app.change_policies('gateway.ai_providers', 'true',
    '(SELECT app.may(''organization_provider'', ''manage''))');
