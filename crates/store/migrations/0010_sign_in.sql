-- Second factors, passkeys and sign-in through OpenID Connect.

-- How the person of a session proved who they are. Without a second factor a session has only the
-- rights to set one up, where one is required.
ALTER TABLE identity.user_sessions
    ADD COLUMN method text NOT NULL DEFAULT 'password'
        CHECK (method IN ('password', 'passkey', 'oidc')),
    ADD COLUMN second_factor text
        CHECK (second_factor IN ('totp', 'passkey', 'recovery_code', 'issuer')),
    -- When they last proved it.
    ADD COLUMN authenticated_at timestamptz;
UPDATE identity.user_sessions SET authenticated_at = created_at;
ALTER TABLE identity.user_sessions ALTER COLUMN authenticated_at SET NOT NULL;
ALTER TABLE identity.user_sessions ALTER COLUMN authenticated_at SET DEFAULT clock_timestamp();

INSERT INTO ops.system_configs
    (id, key, value, value_schema, category, description, is_public) VALUES
    (app.new_id(), 'identity.require_second_factor', '"none"',
     '{"type": "string", "enum": ["none", "administrators", "everyone"]}', 'sign-in',
     'Who must have a second factor: none, administrators or everyone.', true);

CREATE FUNCTION identity.requires_second_factor(person uuid) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT CASE (SELECT value #>> '{}' FROM ops.system_configs
                 WHERE key = 'identity.require_second_factor')
        WHEN 'everyone' THEN true
        WHEN 'administrators' THEN EXISTS (
            SELECT FROM identity.user_roles ur JOIN identity.roles r ON r.id = ur.role_id
            WHERE ur.user_id = person AND r.permissions @> '["*:*"]')
        ELSE false END
$$;

-- The secret of an authenticator app; in force once a code has confirmed it.
CREATE TABLE identity.totp_secrets (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    encrypted_secret bytea NOT NULL CHECK (length(encrypted_secret) <= 256),
    key_id text NOT NULL CHECK (length(key_id) <= 64),
    confirmed_at timestamptz,
    -- The last 30-second step whose code was taken; none is taken twice.
    last_step bigint NOT NULL DEFAULT 0 CHECK (last_step >= 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT totp_secrets_user_id_key UNIQUE (user_id)
);

CREATE TABLE identity.recovery_codes (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
    used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT recovery_codes_code_hash_key UNIQUE (user_id, code_hash)
);

CREATE TABLE identity.passkeys (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    credential_id bytea NOT NULL CONSTRAINT passkeys_credential_id_key UNIQUE
        CHECK (length(credential_id) BETWEEN 1 AND 1023),
    -- As the authenticator gave it: a COSE_Key.
    public_key bytea NOT NULL CHECK (length(public_key) <= 2048),
    sign_count bigint NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),
    -- Whether it can be, and is, copied to other devices of the person.
    backup_eligible boolean NOT NULL,
    backed_up boolean NOT NULL,
    -- The kind of authenticator.
    aaguid uuid NOT NULL,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX passkeys_user_id ON identity.passkeys (user_id, created_at, id);

-- An OpenID Connect issuer. The issuer never changes: accounts are linked by issuer and subject.
CREATE TABLE identity.oidc_providers (
    id uuid PRIMARY KEY,
    name text NOT NULL CONSTRAINT oidc_providers_name_key UNIQUE
        CHECK (length(name) BETWEEN 1 AND 100),
    issuer text NOT NULL CHECK (length(issuer) BETWEEN 8 AND 500),
    client_id text NOT NULL CHECK (length(client_id) BETWEEN 1 AND 255),
    encrypted_secret bytea CHECK (length(encrypted_secret) <= 4096),
    key_id text CHECK (length(key_id) <= 64),
    scopes text NOT NULL CHECK (length(scopes) BETWEEN 6 AND 500),
    -- The claim that lists what the two maps below turn into roles and groups of ours, by name.
    groups_claim text NOT NULL CHECK (length(groups_claim) BETWEEN 1 AND 200),
    roles_map jsonb NOT NULL CHECK (jsonb_typeof(roles_map) = 'object'),
    groups_map jsonb NOT NULL CHECK (jsonb_typeof(groups_map) = 'object'),
    allow_sign_up boolean NOT NULL,
    -- Whether the issuer sees to a second factor, so that none is asked here.
    trust_second_factor boolean NOT NULL,
    is_active boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((encrypted_secret IS NULL) = (key_id IS NULL))
);

CREATE TABLE identity.oidc_accounts (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    provider_id uuid NOT NULL REFERENCES identity.oidc_providers ON DELETE CASCADE,
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    -- What the issuer last said, for people to tell accounts apart; nothing is decided by it.
    email text CHECK (length(email) <= 254),
    last_used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT oidc_accounts_subject_key UNIQUE (provider_id, subject)
);
CREATE INDEX oidc_accounts_user_id ON identity.oidc_accounts (user_id, created_at, id);

ALTER TABLE identity.user_sessions
    ADD COLUMN oidc_provider_id uuid REFERENCES identity.oidc_providers ON DELETE SET NULL;
CREATE INDEX user_sessions_oidc_provider_id ON identity.user_sessions (oidc_provider_id)
    WHERE oidc_provider_id IS NOT NULL;

-- A step of signing in that has begun and not ended. The token is shown once, kept as its hash,
-- good for one purpose, for some minutes, once.
CREATE TABLE identity.challenges (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL CONSTRAINT challenges_token_hash_key UNIQUE
        CHECK (length(token_hash) = 32),
    purpose text NOT NULL CHECK (purpose IN
        ('second_factor', 'passkey_registration', 'passkey_sign_in', 'oidc', 'oidc_link')),
    user_id uuid REFERENCES identity.users ON DELETE CASCADE,
    provider_id uuid REFERENCES identity.oidc_providers ON DELETE CASCADE,
    data jsonb NOT NULL CHECK (pg_column_size(data) <= 8192),
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX challenges_expires_at ON identity.challenges (expires_at);
CREATE INDEX challenges_user_id ON identity.challenges (user_id);
CREATE INDEX challenges_provider_id ON identity.challenges (provider_id);

CALL app.track_updates('identity.totp_secrets');
CALL app.track_updates('identity.recovery_codes');
CALL app.track_updates('identity.passkeys');
CALL app.track_updates('identity.oidc_providers');
CALL app.track_updates('identity.oidc_accounts');
CALL app.track_updates('identity.challenges');

-- An administrator removes the second factors of somebody who lost them.
CALL app.secure('identity.totp_secrets',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.is_admin())');
CALL app.secure('identity.recovery_codes',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.is_admin())');
CALL app.secure('identity.passkeys',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.is_admin())');
-- Everybody may know where one signs in; the client's secret is sealed.
CALL app.secure('identity.oidc_providers', 'true', '(SELECT app.is_admin())');
CALL app.secure_owned('identity.oidc_accounts', 'user_id');
CALL app.secure('identity.challenges', 'false');

CALL app.audit('identity.totp_secrets', 'totp', 'encrypted_secret', 'key_id', 'last_step');
CALL app.audit('identity.passkeys', 'passkey',
    'credential_id', 'public_key', 'sign_count', 'last_used_at');
CALL app.audit('identity.oidc_providers', 'oidc_provider', 'encrypted_secret', 'key_id');
CALL app.audit('identity.oidc_accounts', 'oidc_account', 'last_used_at');

GRANT SELECT, INSERT, UPDATE, DELETE ON identity.totp_secrets, identity.recovery_codes,
    identity.passkeys, identity.oidc_providers, identity.oidc_accounts, identity.challenges
    TO lyceum_app, lyceum_maintenance;
