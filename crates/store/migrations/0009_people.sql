-- How people come, prove their address, take their data with them, and go.

-- Settings of who may come.
INSERT INTO ops.system_configs (id, key, value, value_schema, category, description) VALUES
    (app.new_id(), 'registration.mode', '"invitation"',
     '{"type": "string", "enum": ["closed", "invitation", "open"]}', 'people',
     'Who may make an account: nobody but administrators, whoever is invited, or everybody.'),
    (app.new_id(), 'registration.email_domains', '[]', '{"type": "array"}', 'people',
     'Domains of the e-mail addresses that may register by themselves, such as "example.org"; all where the list is empty.');

-- A role or group that is deleted before the invitation is accepted is simply not given.
CREATE TABLE identity.invitations (
    id uuid PRIMARY KEY,
    created_by uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    email citext CHECK (length(email) BETWEEN 3 AND 254),
    role_ids uuid[] NOT NULL CHECK (cardinality(role_ids) <= 50),
    group_ids uuid[] NOT NULL CHECK (cardinality(group_ids) <= 50),
    -- Whether the link went to the address alone, so that accepting it proves the address.
    is_mailed boolean NOT NULL DEFAULT false,
    language text NOT NULL CHECK (language IN ('en', 'zh')),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    accepted_at timestamptz,
    accepted_by uuid REFERENCES identity.users ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX invitations_created_by ON identity.invitations (created_by);
CREATE INDEX invitations_accepted_by ON identity.invitations (accepted_by);
CREATE INDEX invitations_created_at ON identity.invitations (created_at DESC, id DESC);

-- Invitations with who invites and the names of what is still there to be given.
CREATE VIEW identity.invitation_details WITH (security_invoker = true) AS
SELECT i.id, i.created_by, i.token_hash, i.email::text AS email, i.is_mailed, i.language,
       i.created_at, i.expires_at, i.revoked_at, i.accepted_at,
       coalesce(u.display_name, u.username::text, '') AS inviter,
       ARRAY(SELECT r.id FROM identity.roles r
             WHERE r.id = ANY (i.role_ids) ORDER BY r.name) AS role_ids,
       ARRAY(SELECT r.name FROM identity.roles r
             WHERE r.id = ANY (i.role_ids) ORDER BY r.name) AS roles,
       ARRAY(SELECT g.id FROM identity.groups g
             WHERE g.id = ANY (i.group_ids) AND g.deleted_at IS NULL ORDER BY g.name) AS group_ids,
       ARRAY(SELECT g.name::text FROM identity.groups g
             WHERE g.id = ANY (i.group_ids) AND g.deleted_at IS NULL ORDER BY g.name) AS groups
FROM identity.invitations i LEFT JOIN identity.users u ON u.id = i.created_by;
GRANT SELECT ON identity.invitation_details TO lyceum_app, lyceum_maintenance;

-- Accounts that become real when their address is proved. Until then they hold no name and no
-- address, so that nobody learns from registering whether an address has an account.
CREATE TABLE identity.registrations (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    username citext NOT NULL CHECK (length(username) BETWEEN 2 AND 64),
    email citext NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    password_hash text NOT NULL CHECK (length(password_hash) <= 255),
    display_name text CHECK (length(display_name) <= 100),
    language text NOT NULL CHECK (language IN ('en', 'zh')),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One-time links to an account. The token itself is never kept: it is a MAC over the id, made anew
-- where it is needed.
CREATE TABLE identity.account_links (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('verify_email', 'change_email', 'reset_password')),
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    -- The address to be proved, and the one that it replaces.
    email citext CHECK (length(email) BETWEEN 3 AND 254),
    previous_email citext CHECK (length(previous_email) BETWEEN 3 AND 254),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((purpose = 'reset_password') = (email IS NULL)),
    CHECK ((purpose = 'change_email') = (previous_email IS NOT NULL))
);
CREATE INDEX account_links_user_id ON identity.account_links (user_id, purpose);

-- A person's own data as one file. It is made by a job, kept for some days and then deleted.
CREATE TABLE identity.data_exports (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'running', 'ready', 'failed')),
    size_bytes bigint CHECK (size_bytes >= 0),
    finished_at timestamptz,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((status = 'ready') = (size_bytes IS NOT NULL AND expires_at IS NOT NULL))
);
CREATE INDEX data_exports_user_id ON identity.data_exports (user_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX data_exports_one_at_a_time ON identity.data_exports (user_id)
    WHERE status IN ('pending', 'running');

CALL app.track_updates('identity.invitations');
CALL app.track_updates('identity.registrations');
CALL app.track_updates('identity.account_links');
CALL app.track_updates('identity.data_exports');
CALL app.secure('identity.invitations',
    'created_by = (SELECT app.current_user_id()) OR (SELECT app.is_admin())');
CALL app.secure('identity.registrations', 'false');
CALL app.secure('identity.account_links', 'user_id = (SELECT app.current_user_id())', 'false');
CALL app.secure_owned('identity.data_exports', 'user_id');
CALL app.audit('identity.invitations', 'invitation', 'token_hash');
CALL app.audit('identity.data_exports', 'data_export');
GRANT SELECT, INSERT, UPDATE, DELETE
    ON identity.invitations, identity.registrations, identity.account_links, identity.data_exports
    TO lyceum_app, lyceum_maintenance;

-- Deleted accounts, newest first, for the list of those that can still be brought back.
CREATE INDEX users_deleted_at ON identity.users (deleted_at DESC, id DESC)
    WHERE deleted_at IS NOT NULL;

-- Nothing that opened an account outlives its deletion, whoever deletes it: bringing the account
-- back brings back no session, key or link.
CREATE FUNCTION app.end_credentials() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE identity.user_sessions SET revoked_at = NEW.deleted_at, revoked_reason = 'user_blocked'
    WHERE user_id = NEW.id AND revoked_at IS NULL;
    UPDATE identity.api_keys SET status = 'revoked', deleted_at = NEW.deleted_at
    WHERE user_id = NEW.id AND deleted_at IS NULL;
    DELETE FROM identity.account_links WHERE user_id = NEW.id;
    UPDATE identity.invitations SET revoked_at = NEW.deleted_at
    WHERE created_by = NEW.id AND revoked_at IS NULL AND accepted_at IS NULL;
    RETURN NULL;
END
$$;

-- Whoever set a new password in one way needs no link to set it in another, and a link that went to
-- an address that is no longer the account's is good for nothing.
CREATE FUNCTION app.end_password_links() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    DELETE FROM identity.account_links
    WHERE user_id = NEW.id AND purpose = 'reset_password' AND used_at IS NULL;
    RETURN NULL;
END
$$;

GRANT CREATE ON SCHEMA app TO lyceum_maintenance;
ALTER FUNCTION app.end_credentials() OWNER TO lyceum_maintenance;
ALTER FUNCTION app.end_password_links() OWNER TO lyceum_maintenance;
REVOKE CREATE ON SCHEMA app FROM lyceum_maintenance;
CREATE TRIGGER end_credentials AFTER UPDATE OF deleted_at ON identity.users
    FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
    EXECUTE FUNCTION app.end_credentials();
CREATE TRIGGER end_password_links AFTER UPDATE OF password_hash, email ON identity.users
    FOR EACH ROW WHEN (OLD.password_hash IS DISTINCT FROM NEW.password_hash
                       OR OLD.email IS DISTINCT FROM NEW.email)
    EXECUTE FUNCTION app.end_password_links();

-- Which tables hold a person's data, for the export: every table under forced row-level security
-- that names its owner, and those that belong to a row of such a table. Columns of kinds that hold
-- hashes, ciphertext or derived indexes are left out, as are those whose name tells of a secret.
-- A table whose comment begins with "derived:" is made from the others and is not exported.
CREATE VIEW app.personal_tables AS
WITH secured AS (
    SELECT c.oid, n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relrowsecurity AND c.relforcerowsecurity
      AND n.nspname !~ '^(pg_|information_schema$|graphile)'
      AND coalesce(obj_description(c.oid, 'pg_class'), '') NOT LIKE 'derived:%'
), owned AS (
    SELECT s.*, array_agg(a.attname::text ORDER BY a.attnum) AS owner_columns
    FROM secured s JOIN pg_attribute a ON a.attrelid = s.oid AND NOT a.attisdropped
    WHERE a.attname IN ('user_id', 'owner_id', 'created_by')
       OR s.oid = 'identity.users'::regclass AND a.attname = 'id'
    GROUP BY s.oid, s.nspname, s.relname
), belonging AS (
    -- By one foreign key that goes with its parent; the first one where there are several.
    SELECT DISTINCT ON (s.oid) s.*, o.nspname AS parent_schema, o.relname AS parent_name,
           o.owner_columns, (SELECT attname::text FROM pg_attribute
                             WHERE attrelid = s.oid AND attnum = k.conkey[1]) AS parent_column
    FROM secured s
    JOIN pg_constraint k ON k.conrelid = s.oid AND k.contype = 'f' AND k.confdeltype = 'c'
                        AND cardinality(k.conkey) = 1
    JOIN owned o ON o.oid = k.confrelid
    WHERE s.oid NOT IN (SELECT oid FROM owned) AND o.oid <> 'identity.users'::regclass
    ORDER BY s.oid, k.conname
)
SELECT format('%s/%s', t.nspname, t.relname) AS name,
       format('%I.%I', t.nspname, t.relname) AS target,
       t.owner_columns, t.parent, t.parent_column,
       (SELECT coalesce(array_agg(a.attname::text), '{}') FROM pg_attribute a
        JOIN pg_type y ON y.oid = a.atttypid
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND (y.typname IN ('bytea', 'tsvector', 'vector', 'halfvec', 'sparsevec')
               OR a.attname ~ '(hash|password|secret|encrypted|sealed|credential|recovery|(^|_)token$)')
       ) AS hidden_columns,
       EXISTS (SELECT FROM pg_attribute a
               WHERE a.attrelid = t.oid AND a.attname = 'file_path' AND NOT a.attisdropped
       ) AS has_files
FROM (
    SELECT oid, nspname, relname, owner_columns, NULL::text AS parent, NULL::text AS parent_column
    FROM owned
    UNION ALL
    SELECT oid, nspname, relname, owner_columns, format('%I.%I', parent_schema, parent_name),
           parent_column
    FROM belonging
) AS t;
GRANT SELECT ON app.personal_tables TO lyceum_app, lyceum_maintenance;

COMMENT ON TABLE knowledge.document_texts IS 'derived: the text of a document''s file';
COMMENT ON TABLE knowledge.document_chunks IS 'derived: pieces of a document''s text';
COMMENT ON TABLE knowledge.word_counts IS 'derived: words of the chunks';
