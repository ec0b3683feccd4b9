-- Who people are, what they may do, and what they prove it with.

-- Tells every node that a credential or a user changed, so that it drops what it remembers.
-- Payload: `user:<id>`, `session:<id>`, `key:<id>` or `all`.
CREATE FUNCTION app.announce_identity() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    changed jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
BEGIN
    PERFORM pg_notify('lyceum_identity', CASE TG_ARGV[0]
        WHEN 'all' THEN 'all'
        ELSE TG_ARGV[0] || ':' || (changed ->> TG_ARGV[1]) END);
    RETURN NULL;
END
$$;

CREATE TABLE identity.users (
    id uuid PRIMARY KEY,
    username citext NOT NULL
        CHECK (length(username) BETWEEN 2 AND 64)
        CONSTRAINT users_username_normalized CHECK (username::text IS NFKC NORMALIZED)
        CONSTRAINT users_username_without_at CHECK (position('@' IN username::text) = 0),
    email citext NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    password_hash text CHECK (length(password_hash) <= 255),
    display_name text CHECK (length(display_name) <= 100),
    first_name text CHECK (length(first_name) <= 100),
    last_name text CHECK (length(last_name) <= 100),
    avatar_url text CHECK (length(avatar_url) <= 500),
    organization text CHECK (length(organization) <= 100),
    department text CHECK (length(department) <= 100),
    position text CHECK (length(position) <= 100),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'suspended')),
    email_verified boolean NOT NULL DEFAULT false,
    settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    last_login_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at timestamptz
);
CREATE UNIQUE INDEX users_username_key ON identity.users (username) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX users_email_key ON identity.users (email) WHERE deleted_at IS NULL;
CREATE INDEX users_created_at ON identity.users (created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE identity.roles (
    id uuid PRIMARY KEY,
    name text NOT NULL CONSTRAINT roles_name_key UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,49}$'),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    -- Patterns "resource:action"; either side may be "*".
    permissions jsonb NOT NULL CHECK (jsonb_typeof(permissions) = 'array'),
    is_preset boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A person's provider rights are listed one by one, since provider:manage is an administrator's.
INSERT INTO identity.roles (id, name, description, permissions, is_preset)
SELECT id, name, description,
       CASE name WHEN 'admin' THEN '["*:*"]' ELSE '[
           "profile:*", "session:*", "api_key:*", "conversation:*", "knowledge_base:*",
           "document:*", "provider:read", "provider:write", "model:read", "model:write",
           "inference:create", "usage:read"]' END::jsonb,
       true
FROM (VALUES
    ('00000000-0000-7000-8000-000000000001'::uuid, 'admin', 'Administers the platform'),
    ('00000000-0000-7000-8000-000000000002'::uuid, 'developer', 'Develops software and models'),
    ('00000000-0000-7000-8000-000000000003'::uuid, 'tester', 'Tests software'),
    ('00000000-0000-7000-8000-000000000004'::uuid, 'user', 'Uses the platform')
) AS preset (id, name, description);

CREATE TABLE identity.user_roles (
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    role_id uuid NOT NULL REFERENCES identity.roles ON DELETE CASCADE,
    granted_by uuid REFERENCES identity.users ON DELETE SET NULL,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_roles_role_id ON identity.user_roles (role_id);
CREATE INDEX user_roles_granted_by ON identity.user_roles (granted_by);

CREATE TABLE identity.groups (
    id uuid PRIMARY KEY,
    name citext NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 1000),
    created_by uuid REFERENCES identity.users ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at timestamptz
);
CREATE UNIQUE INDEX groups_name_key ON identity.groups (name) WHERE deleted_at IS NULL;
CREATE INDEX groups_created_by ON identity.groups (created_by);

CREATE TABLE identity.group_members (
    group_id uuid NOT NULL REFERENCES identity.groups ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    added_by uuid REFERENCES identity.users ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_user_id ON identity.group_members (user_id);
CREATE INDEX group_members_added_by ON identity.group_members (added_by);

-- One row is one sign-in: the family of all refresh tokens that follow from it. Each token carries
-- its generation and a MAC, so an old one is recognised as genuine without keeping its hash.
CREATE TABLE identity.user_sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    refresh_hash bytea NOT NULL CHECK (length(refresh_hash) = 32),
    generation integer NOT NULL DEFAULT 0 CHECK (generation >= 0),
    rotated_at timestamptz NOT NULL,
    device_info text CHECK (length(device_info) <= 400),
    ip_address inet,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text CHECK (revoked_reason IN
        ('signed_out', 'revoked', 'token_reused', 'password_changed', 'user_blocked')),
    last_used_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
CREATE INDEX user_sessions_user_id ON identity.user_sessions (user_id, last_used_at DESC);
CREATE INDEX user_sessions_expires_at ON identity.user_sessions (expires_at);

CREATE TABLE identity.api_keys (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    key_hash bytea NOT NULL CONSTRAINT api_keys_key_hash_key UNIQUE CHECK (length(key_hash) = 32),
    hint text NOT NULL CHECK (length(hint) <= 16),
    permissions jsonb NOT NULL CHECK (jsonb_typeof(permissions) = 'array'),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'revoked')),
    expires_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at timestamptz
);
CREATE INDEX api_keys_user_id ON identity.api_keys (user_id, created_at DESC, id DESC);

-- A limit per calendar month for a user, a group or a key; NULL means unlimited.
CREATE TABLE identity.user_quotas (
    id uuid PRIMARY KEY,
    user_id uuid REFERENCES identity.users ON DELETE CASCADE,
    group_id uuid REFERENCES identity.groups ON DELETE CASCADE,
    api_key_id uuid REFERENCES identity.api_keys ON DELETE CASCADE,
    max_api_calls bigint CHECK (max_api_calls >= 0),
    max_tokens bigint CHECK (max_tokens >= 0),
    max_cost numeric(18, 9) CHECK (max_cost >= 0),
    max_storage_bytes bigint CHECK (max_storage_bytes >= 0),
    max_compute_seconds bigint CHECK (max_compute_seconds >= 0),
    used_api_calls bigint NOT NULL DEFAULT 0 CHECK (used_api_calls >= 0),
    used_tokens bigint NOT NULL DEFAULT 0 CHECK (used_tokens >= 0),
    used_cost numeric(18, 9) NOT NULL DEFAULT 0 CHECK (used_cost >= 0),
    used_storage_bytes bigint NOT NULL DEFAULT 0 CHECK (used_storage_bytes >= 0),
    used_compute_seconds bigint NOT NULL DEFAULT 0 CHECK (used_compute_seconds >= 0),
    period_start date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (num_nonnulls(user_id, group_id, api_key_id) = 1)
);
CREATE UNIQUE INDEX user_quotas_user_id ON identity.user_quotas (user_id);
CREATE UNIQUE INDEX user_quotas_group_id ON identity.user_quotas (group_id);
CREATE UNIQUE INDEX user_quotas_api_key_id ON identity.user_quotas (api_key_id);

CREATE TABLE identity.user_preferences (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    key text NOT NULL CHECK (key ~ '^[a-z][a-z0-9_.-]{0,99}$'),
    value jsonb NOT NULL CHECK (pg_column_size(value) <= 65536),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT user_preferences_user_id_key UNIQUE (user_id, key)
);

-- The one-time token that makes the first administrator.
CREATE TABLE identity.setup_tokens (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Failed sign-ins, counted by SHA-256 of what is counted (account, address, or both together).
CREATE TABLE identity.login_attempts (
    subject_hash bytea PRIMARY KEY CHECK (length(subject_hash) = 32),
    failures integer NOT NULL CHECK (failures >= 0),
    last_failed_at timestamptz NOT NULL,
    locked_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX login_attempts_last_failed_at ON identity.login_attempts (last_failed_at);

-- Refuses the change that would leave the platform without an active administrator. The lock makes
-- two administrators who demote each other at the same moment take turns.
CREATE FUNCTION app.keep_an_administrator() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    changed uuid := (to_jsonb(OLD) ->> TG_ARGV[0])::uuid;
    was_admin boolean;
BEGIN
    IF TG_TABLE_NAME = 'user_roles' THEN
        was_admin := EXISTS (SELECT FROM identity.roles
                             WHERE id = OLD.role_id AND permissions @> '["*:*"]');
    ELSE
        was_admin := EXISTS (SELECT FROM identity.user_roles ur
                             JOIN identity.roles r ON r.id = ur.role_id
                             WHERE ur.user_id = changed AND r.permissions @> '["*:*"]');
    END IF;
    IF was_admin THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('identity.administrators', 0));
        IF NOT EXISTS (SELECT FROM identity.users u
                       JOIN identity.user_roles ur ON ur.user_id = u.id
                       JOIN identity.roles r ON r.id = ur.role_id
                       WHERE r.permissions @> '["*:*"]' AND u.status = 'active'
                         AND u.deleted_at IS NULL) THEN
            RAISE EXCEPTION 'an active administrator must remain'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'last_administrator';
        END IF;
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION app.keep_an_administrator() OWNER TO lyceum_maintenance;

-- Deferred, so that the roles of a user can be replaced within one transaction.
CREATE CONSTRAINT TRIGGER last_administrator AFTER UPDATE OF status, deleted_at ON identity.users
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status = 'active' AND OLD.deleted_at IS NULL
                       AND (NEW.status <> 'active' OR NEW.deleted_at IS NOT NULL))
    EXECUTE FUNCTION app.keep_an_administrator('id');
CREATE CONSTRAINT TRIGGER last_administrator AFTER UPDATE OR DELETE ON identity.user_roles
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION app.keep_an_administrator('user_id');

CREATE TRIGGER announce AFTER UPDATE ON identity.users
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status
                       OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at)
    EXECUTE FUNCTION app.announce_identity('user', 'id');
CREATE TRIGGER announce_delete AFTER DELETE ON identity.users
    FOR EACH ROW EXECUTE FUNCTION app.announce_identity('user', 'id');
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON identity.user_roles
    FOR EACH ROW EXECUTE FUNCTION app.announce_identity('user', 'user_id');
CREATE TRIGGER announce AFTER UPDATE OF permissions ON identity.roles
    FOR EACH ROW EXECUTE FUNCTION app.announce_identity('all');
CREATE TRIGGER announce AFTER UPDATE ON identity.user_sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at)
    EXECUTE FUNCTION app.announce_identity('session', 'id');
CREATE TRIGGER announce AFTER UPDATE ON identity.api_keys
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status
                       OR OLD.permissions IS DISTINCT FROM NEW.permissions
                       OR OLD.expires_at IS DISTINCT FROM NEW.expires_at
                       OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at)
    EXECUTE FUNCTION app.announce_identity('key', 'id');

CALL app.track_updates('identity.users');
CALL app.track_updates('identity.roles');
CALL app.track_updates('identity.user_roles');
CALL app.track_updates('identity.groups');
CALL app.track_updates('identity.group_members');
CALL app.track_updates('identity.user_sessions');
CALL app.track_updates('identity.api_keys');
CALL app.track_updates('identity.user_quotas');
CALL app.track_updates('identity.user_preferences');
CALL app.track_updates('identity.setup_tokens');
CALL app.track_updates('identity.login_attempts');

CALL app.secure('identity.users',
    'id = (SELECT app.current_user_id()) OR (SELECT app.is_admin())');
CALL app.secure('identity.roles', 'true', '(SELECT app.is_admin())');
CALL app.secure('identity.user_roles',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.is_admin())',
    '(SELECT app.is_admin())');
CALL app.secure('identity.group_members',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.is_admin())',
    '(SELECT app.is_admin())');
CALL app.secure('identity.groups',
    '(SELECT app.is_admin()) OR EXISTS (SELECT FROM identity.group_members m
      WHERE m.group_id = id AND m.user_id = (SELECT app.current_user_id()))',
    '(SELECT app.is_admin())');
-- An administrator who suspends somebody ends their sessions.
CALL app.secure('identity.user_sessions',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.is_admin())');
CALL app.secure_owned('identity.api_keys', 'user_id');
CALL app.secure('identity.user_quotas',
    '(SELECT app.is_admin()) OR user_id = (SELECT app.current_user_id())
      OR EXISTS (SELECT FROM identity.group_members m WHERE m.group_id = user_quotas.group_id)
      OR EXISTS (SELECT FROM identity.api_keys k WHERE k.id = user_quotas.api_key_id)',
    '(SELECT app.is_admin())');
CALL app.secure_owned('identity.user_preferences', 'user_id');
CALL app.secure('identity.setup_tokens', 'false');
CALL app.secure('identity.login_attempts', 'false');

CALL app.audit('identity.users', 'user', 'password_hash', 'last_login_at');
CALL app.audit('identity.roles', 'role');
CALL app.audit('identity.user_roles', 'user_role');
CALL app.audit('identity.groups', 'group');
CALL app.audit('identity.group_members', 'group_member');
CALL app.audit('identity.user_sessions', 'session',
    'refresh_hash', 'generation', 'rotated_at', 'expires_at', 'last_used_at');
CALL app.audit('identity.api_keys', 'api_key', 'key_hash', 'last_used_at');
CALL app.audit('identity.user_quotas', 'user_quota',
    'used_api_calls', 'used_tokens', 'used_cost', 'used_storage_bytes', 'used_compute_seconds');

CALL app.grant_tables('identity');
