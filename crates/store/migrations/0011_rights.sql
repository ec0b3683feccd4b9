-- Rights, groups, grants and distributions: one place that says who may do what, which row-level
-- security, the program and `lyceum access explain` all read.
--
--   app.person_rights   who has which right, through which role
--   app.access_paths    who reaches which shared object at which level, and by what
--
-- Each row tells in `blocked_by` what it does not count for, so that the decision is "is there a row
-- without it" and the explanation is the same rows with it.

GRANT CREATE ON SCHEMA app, knowledge, gateway TO lyceum_maintenance;

-- Replaces what people may see and write of a table.
CREATE PROCEDURE app.change_policies(target regclass, visible text, writable text DEFAULT NULL)
    LANGUAGE plpgsql AS $$
DECLARE
    policy name;
BEGIN
    FOR policy IN SELECT polname FROM pg_policy
        WHERE polrelid = target AND polname IN ('maintenance', 'person', 'person_reads',
                                                'person_inserts', 'person_updates', 'person_deletes')
    LOOP
        EXECUTE format('DROP POLICY %I ON %s', policy, target);
    END LOOP;
    CALL app.secure(target, visible, writable);
END
$$;

-- What keeps a person from everything; NULL where nothing does.
CREATE FUNCTION app.person_block(status text, deleted_at timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN deleted_at IS NOT NULL THEN 'person_deleted'
                WHEN status <> 'active' THEN 'person_' || status END;

-- The living people, for naming them to each other. Lies in a schema whose tables nobody is given
-- by the dozen: it is for reading only.
CREATE VIEW app.directory AS
SELECT id, username, display_name, status FROM identity.users WHERE deleted_at IS NULL;
ALTER VIEW app.directory OWNER TO lyceum_maintenance;
GRANT SELECT ON app.directory TO lyceum_app;

-- Who has which right: one row for each pattern of each role of a person.
CREATE VIEW app.person_rights AS
SELECT ur.user_id AS person_id, r.id AS role_id, r.name AS role, p.pattern, ur.granted_by,
       ur.granted_at, app.person_block(u.status, u.deleted_at) AS blocked_by
FROM identity.user_roles ur
JOIN identity.users u ON u.id = ur.user_id
JOIN identity.roles r ON r.id = ur.role_id
CROSS JOIN LATERAL jsonb_array_elements_text(r.permissions) AS p (pattern);
ALTER VIEW app.person_rights OWNER TO lyceum_maintenance;

-- Whether a person has the right resource:action.
CREATE FUNCTION app.person_may(person uuid, resource text, action text) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN EXISTS (SELECT FROM app.person_rights pr
                   WHERE pr.person_id = person AND pr.blocked_by IS NULL
                     AND pr.pattern IN (resource || ':' || action, resource || ':*',
                                        '*:' || action, '*:*'));
END
$$;
ALTER FUNCTION app.person_may(uuid, text, text) OWNER TO lyceum_maintenance;

-- Whether the acting user has the right.
CREATE FUNCTION app.may(resource text, action text) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN app.person_may(app.current_user_id(), resource, action);

-- The acting user, unless blocked.
CREATE FUNCTION app.active_user_id() RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN (SELECT u.id FROM identity.users u
            WHERE u.id = app.current_user_id() AND app.person_block(u.status, u.deleted_at) IS NULL);
END
$$;
ALTER FUNCTION app.active_user_id() OWNER TO lyceum_maintenance;

CREATE OR REPLACE FUNCTION app.is_admin() RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN EXISTS (SELECT FROM app.person_rights pr
                   WHERE pr.person_id = app.current_user_id() AND pr.blocked_by IS NULL
                     AND pr.pattern = '*:*');
END
$$;

-- Whether the acting user has everything that the patterns cover: nobody gives what they lack.
CREATE FUNCTION app.may_give(patterns jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN NOT EXISTS (
        SELECT FROM jsonb_array_elements_text(patterns) AS w (pattern)
        WHERE NOT EXISTS (
            SELECT FROM app.person_rights pr
            WHERE pr.person_id = app.current_user_id() AND pr.blocked_by IS NULL
              AND split_part(pr.pattern, ':', 1) IN ('*', split_part(w.pattern, ':', 1))
              AND split_part(pr.pattern, ':', 2) IN ('*', split_part(w.pattern, ':', 2))));
END
$$;
ALTER FUNCTION app.may_give(jsonb) OWNER TO lyceum_maintenance;

-- Whether the acting user has everything that the role gives.
CREATE FUNCTION app.may_give_role(role uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN coalesce((SELECT app.may_give(r.permissions) FROM identity.roles r WHERE r.id = role),
                    false);
END
$$;
ALTER FUNCTION app.may_give_role(uuid) OWNER TO lyceum_maintenance;

-- Whether the acting user has every right of a person: nobody touches who has more than they have.
CREATE FUNCTION app.may_give_person(person uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN NOT EXISTS (SELECT FROM identity.user_roles ur JOIN identity.roles r ON r.id = ur.role_id
                       WHERE ur.user_id = person AND NOT app.may_give(r.permissions));
END
$$;
ALTER FUNCTION app.may_give_person(uuid) OWNER TO lyceum_maintenance;

-- Whoever may read or write accounts need not be an administrator.
CALL app.change_policies('identity.users',
    'id = (SELECT app.current_user_id()) OR (SELECT app.may(''user'', ''read''))',
    'id = (SELECT app.current_user_id())
     OR (SELECT app.may(''user'', ''write'')) AND app.may_give_person(id)');
CALL app.change_policies('identity.user_sessions',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.is_admin())
     OR (SELECT app.may(''user'', ''write'')) AND app.may_give_person(user_id)');
CALL app.change_policies('identity.totp_secrets',
    'user_id = (SELECT app.current_user_id())
     OR (SELECT app.may(''user'', ''write'')) AND app.may_give_person(user_id)');
CALL app.change_policies('identity.recovery_codes',
    'user_id = (SELECT app.current_user_id())
     OR (SELECT app.may(''user'', ''write'')) AND app.may_give_person(user_id)');
CALL app.change_policies('identity.passkeys',
    'user_id = (SELECT app.current_user_id())
     OR (SELECT app.may(''user'', ''write'')) AND app.may_give_person(user_id)');
CALL app.change_policies('identity.oidc_providers', 'true',
    '(SELECT app.may(''oidc_provider'', ''write''))');
CALL app.change_policies('gateway.usage_statistics',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.may(''usage'', ''read_all''))', 'false');
CALL app.change_policies('ops.audit_logs',
    '(SELECT app.may(''audit'', ''read'')) OR (SELECT app.may(''audit'', ''export''))', 'true');

-- Whoever's sessions are ended is not let in by a step of signing in, or of linking an account, that
-- was begun before.
CREATE FUNCTION app.end_challenges() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    DELETE FROM identity.challenges WHERE user_id = NEW.user_id;
    RETURN NULL;
END
$$;
ALTER FUNCTION app.end_challenges() OWNER TO lyceum_maintenance;
CREATE TRIGGER end_challenges AFTER UPDATE OF revoked_at ON identity.user_sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL
                       AND NEW.revoked_reason <> 'signed_out')
    EXECUTE FUNCTION app.end_challenges();

-- Roles ----------------------------------------------------------------------------------------

-- The preset roles as designed: everybody has their own conversations, knowledge bases, providers
-- and applications; who develops also trains models. Where a resource does not exist yet, its right
-- waits for it.
SET LOCAL ROLE lyceum_maintenance;
UPDATE identity.roles SET permissions = permissions || '["application:*"]'
WHERE is_preset AND name IN ('user', 'tester');
UPDATE identity.roles
SET permissions = (permissions - 'inference:create')
                  || '["application:*", "inference:*", "finetune:*"]'
WHERE is_preset AND name = 'developer';
RESET ROLE;

CALL app.change_policies('identity.roles', 'true',
    '(SELECT app.may(''role'', ''manage'')) AND NOT is_preset AND app.may_give(permissions)');
CALL app.change_policies('identity.user_roles',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.may(''role'', ''read''))
     OR (SELECT app.may(''user'', ''read''))',
    '((SELECT app.may(''role'', ''assign'')) OR (SELECT app.may(''user'', ''write'')))
     AND app.may_give_role(role_id)');

-- A role that was somebody's administration must not take the last one with it.
CREATE FUNCTION app.keep_an_administrators_role() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('identity.administrators', 0));
    IF NOT EXISTS (SELECT FROM app.person_rights pr
                   WHERE pr.pattern = '*:*' AND pr.blocked_by IS NULL) THEN
        RAISE EXCEPTION 'an active administrator must remain'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'last_administrator';
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION app.keep_an_administrators_role() OWNER TO lyceum_maintenance;
CREATE CONSTRAINT TRIGGER last_administrator AFTER UPDATE OF permissions ON identity.roles
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.permissions @> '["*:*"]' AND NOT NEW.permissions @> '["*:*"]')
    EXECUTE FUNCTION app.keep_an_administrators_role();
CREATE CONSTRAINT TRIGGER last_administrator_deletion AFTER DELETE ON identity.roles
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.permissions @> '["*:*"]')
    EXECUTE FUNCTION app.keep_an_administrators_role();

-- Groups ---------------------------------------------------------------------------------------

CREATE INDEX groups_created_at ON identity.groups (created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX group_members_created_at ON identity.group_members
    (group_id, created_at DESC, user_id DESC);

-- The living groups of the acting user.
CREATE FUNCTION app.my_groups() RETURNS uuid[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN ARRAY(SELECT m.group_id FROM identity.group_members m
                 JOIN identity.groups g ON g.id = m.group_id
                 WHERE m.user_id = app.active_user_id() AND g.deleted_at IS NULL);
END
$$;
ALTER FUNCTION app.my_groups() OWNER TO lyceum_maintenance;

CALL app.change_policies('identity.groups',
    '(SELECT app.may(''group'', ''read'')) OR (SELECT app.may(''group'', ''manage''))
     OR id = ANY ((SELECT app.my_groups())::uuid[])',
    '(SELECT app.may(''group'', ''manage''))');
CALL app.change_policies('identity.group_members',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.may(''group'', ''read''))
     OR (SELECT app.may(''group'', ''manage''))',
    '(SELECT app.may(''group'', ''manage''))');

-- Objects --------------------------------------------------------------------------------------

ALTER TABLE gateway.provider_distributions ADD COLUMN is_active boolean NOT NULL DEFAULT true;
ALTER TABLE gateway.provider_configs ADD CONSTRAINT provider_configs_audience
    CHECK (scope = 'organization' OR audience = 'everyone');
CREATE INDEX provider_distributions_created_at ON gateway.provider_distributions
    (provider_config_id, created_at DESC, id DESC);
CREATE INDEX knowledge_bases_organization ON knowledge.knowledge_bases (id)
    WHERE visibility = 'organization';

-- The levels in order; each includes those before it.
--   view  list and read        use  also search and ask; call a model
--   edit  also upload and delete documents; share          own  also change and delete the object
CREATE FUNCTION app.level_rank(level text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE level WHEN 'view' THEN 1 WHEN 'use' THEN 2 WHEN 'edit' THEN 3 WHEN 'own' THEN 4 END;

CREATE VIEW knowledge.base_access AS
WITH bases AS NOT MATERIALIZED (
    SELECT id, owner_id, visibility, created_at,
           CASE WHEN deleted_at IS NOT NULL THEN 'object_deleted' END AS blocked_by
    FROM knowledge.knowledge_bases
), people AS NOT MATERIALIZED (
    SELECT id, app.person_block(status, deleted_at) AS blocked_by FROM identity.users
)
SELECT p.id AS person_id, b.id AS object_id, 'own' AS level, 'owner' AS via,
       NULL::uuid AS group_id, NULL::uuid AS granted_by, b.created_at AS granted_at,
       coalesce(p.blocked_by, b.blocked_by) AS blocked_by
FROM bases b JOIN people p ON p.id = b.owner_id
UNION ALL
SELECT p.id, b.id, 'use', 'everyone', NULL, NULL, b.created_at,
       coalesce(p.blocked_by, b.blocked_by)
FROM bases b CROSS JOIN people p WHERE b.visibility = 'organization'
UNION ALL
SELECT p.id, b.id, g.permission, 'person', NULL, g.granted_by, g.created_at,
       coalesce(p.blocked_by, b.blocked_by)
FROM knowledge.knowledge_base_grants g
JOIN bases b ON b.id = g.knowledge_base_id JOIN people p ON p.id = g.user_id
UNION ALL
SELECT p.id, b.id, g.permission, 'group', g.group_id, g.granted_by, g.created_at,
       coalesce(p.blocked_by, CASE WHEN o.deleted_at IS NOT NULL THEN 'group_deleted' END,
                b.blocked_by)
FROM identity.group_members m
JOIN people p ON p.id = m.user_id JOIN identity.groups o ON o.id = m.group_id
JOIN knowledge.knowledge_base_grants g ON g.group_id = m.group_id
JOIN bases b ON b.id = g.knowledge_base_id;

CREATE VIEW gateway.provider_access AS
WITH configs AS NOT MATERIALIZED (
    SELECT pc.id, pc.owner_id, pc.scope, pc.audience, pc.created_by, pc.created_at,
           CASE WHEN pc.deleted_at IS NOT NULL THEN 'object_deleted'
                WHEN NOT pc.is_active THEN 'object_deactivated'
                WHEN NOT t.is_active THEN 'provider_type_deactivated' END AS blocked_by
    FROM gateway.provider_configs pc JOIN gateway.ai_providers t ON t.name = pc.provider
), people AS NOT MATERIALIZED (
    SELECT id, app.person_block(status, deleted_at) AS blocked_by FROM identity.users
), distributions AS NOT MATERIALIZED (
    SELECT provider_config_id, user_id, group_id, granted_by, created_at,
           CASE WHEN NOT is_active THEN 'distribution_deactivated' END AS blocked_by
    FROM gateway.provider_distributions
)
SELECT p.id AS person_id, c.id AS object_id, 'own' AS level, 'owner' AS via,
       NULL::uuid AS group_id, NULL::uuid AS granted_by, c.created_at AS granted_at,
       coalesce(p.blocked_by, c.blocked_by) AS blocked_by
FROM configs c JOIN people p ON p.id = c.owner_id
UNION ALL
SELECT p.id, c.id, 'use', 'everyone', NULL, c.created_by, c.created_at,
       coalesce(p.blocked_by, c.blocked_by)
FROM configs c CROSS JOIN people p WHERE c.scope = 'organization' AND c.audience = 'everyone'
UNION ALL
SELECT p.id, c.id, 'use', 'person', NULL, d.granted_by, d.created_at,
       coalesce(p.blocked_by, d.blocked_by, c.blocked_by)
FROM distributions d
JOIN configs c ON c.id = d.provider_config_id JOIN people p ON p.id = d.user_id
UNION ALL
SELECT p.id, c.id, 'use', 'group', d.group_id, d.granted_by, d.created_at,
       coalesce(p.blocked_by, CASE WHEN o.deleted_at IS NOT NULL THEN 'group_deleted' END,
                d.blocked_by, c.blocked_by)
FROM identity.group_members m
JOIN people p ON p.id = m.user_id JOIN identity.groups o ON o.id = m.group_id
JOIN distributions d ON d.group_id = m.group_id
JOIN configs c ON c.id = d.provider_config_id;

-- Every way in which a person reaches a shared object. A new kind of object is one more branch.
CREATE VIEW app.access_paths AS
SELECT 'knowledge_base' AS object_type, a.* FROM knowledge.base_access a
UNION ALL
SELECT 'provider', a.* FROM gateway.provider_access a;

ALTER VIEW knowledge.base_access OWNER TO lyceum_maintenance;
ALTER VIEW gateway.provider_access OWNER TO lyceum_maintenance;
ALTER VIEW app.access_paths OWNER TO lyceum_maintenance;

-- What can be shared, by name, for telling people why.
CREATE VIEW app.shared_objects AS
SELECT 'knowledge_base' AS object_type, id AS object_id, name, owner_id,
       visibility AS audience, deleted_at IS NOT NULL AS is_deleted
FROM knowledge.knowledge_bases
UNION ALL
SELECT 'provider', id, name, owner_id,
       CASE scope WHEN 'personal' THEN 'private' ELSE audience END, deleted_at IS NOT NULL
FROM gateway.provider_configs;
ALTER VIEW app.shared_objects OWNER TO lyceum_maintenance;

-- The decision: whether a person reaches an object at this level.
CREATE FUNCTION app.can(person uuid, wanted text, kind text, target uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN EXISTS (SELECT FROM app.access_paths a
                   WHERE a.person_id = person AND a.object_type = kind AND a.object_id = target
                     AND a.blocked_by IS NULL
                     AND app.level_rank(a.level) >= app.level_rank(wanted));
END
$$;
ALTER FUNCTION app.can(uuid, text, text, uuid) OWNER TO lyceum_maintenance;

-- The same for all objects of a kind that the acting user reaches, with the highest level of each.
CREATE FUNCTION app.my_objects(kind text) RETURNS TABLE (object_id uuid, level text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT ON (a.object_id) a.object_id, a.level FROM app.access_paths a
    WHERE a.person_id = app.current_user_id() AND a.object_type = kind AND a.blocked_by IS NULL
    ORDER BY a.object_id, app.level_rank(a.level) DESC;
END
$$;
ALTER FUNCTION app.my_objects(text) OWNER TO lyceum_maintenance;

-- By which ways the acting user reaches them.
CREATE FUNCTION app.my_paths(kind text) RETURNS SETOF app.access_paths
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT a.* FROM app.access_paths a
    WHERE a.person_id = app.current_user_id() AND a.object_type = kind AND a.blocked_by IS NULL;
END
$$;
ALTER FUNCTION app.my_paths(text) OWNER TO lyceum_maintenance;

-- Limits are managed by the same decision.
CREATE OR REPLACE FUNCTION gateway.may_limit(action text) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN app.may('quota', action);

-- Knowledge bases ------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION knowledge.bases_for(action text) RETURNS uuid[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN ARRAY(SELECT DISTINCT a.object_id FROM app.access_paths a
                 WHERE a.person_id = app.current_user_id() AND a.object_type = 'knowledge_base'
                   AND a.blocked_by IS NULL
                   AND app.level_rank(a.level) >= app.level_rank(action));
END
$$;

-- An owner also sees the rows of a deleted base, or deleting it would be refused.
CALL app.change_policies('knowledge.knowledge_bases',
    'owner_id = (SELECT app.active_user_id())
     OR id = ANY ((SELECT knowledge.bases_for(''view''))::uuid[])',
    'owner_id = (SELECT app.active_user_id())');
-- Who may edit a base may share it, up to their own level, which no grant exceeds.
CALL app.change_policies('knowledge.knowledge_base_grants',
    'user_id = (SELECT app.active_user_id()) OR group_id = ANY ((SELECT app.my_groups())::uuid[])
     OR knowledge_base_id = ANY ((SELECT knowledge.bases_for(''edit''))::uuid[])',
    'knowledge_base_id = ANY ((SELECT knowledge.bases_for(''edit''))::uuid[])');

-- Providers ------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION gateway.can_user_access_provider(member uuid, target uuid)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN app.can(member, 'use', 'provider', target);
END
$$;

CREATE OR REPLACE FUNCTION gateway.can_change_provider(target uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM gateway.provider_configs pc
        WHERE pc.id = target
          AND (pc.owner_id = app.active_user_id()
               OR pc.scope = 'organization' AND app.may('organization_provider', 'manage'))
    );
END
$$;

-- The configs that the acting user reaches. One call a query, as with knowledge.bases_for.
CREATE FUNCTION gateway.my_providers() RETURNS uuid[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN ARRAY(SELECT DISTINCT a.object_id FROM app.access_paths a
                 WHERE a.person_id = app.current_user_id() AND a.object_type = 'provider'
                   AND a.blocked_by IS NULL);
END
$$;
ALTER FUNCTION gateway.my_providers() OWNER TO lyceum_maintenance;

-- Their owners and those who manage the organisation's see deactivated and deleted ones, too.
CALL app.change_policies('gateway.provider_configs',
    'owner_id = (SELECT app.active_user_id())
     OR scope = ''organization'' AND (SELECT app.may(''organization_provider'', ''manage''))
     OR id = ANY ((SELECT gateway.my_providers())::uuid[])',
    'owner_id = (SELECT app.active_user_id())
     OR scope = ''organization'' AND (SELECT app.may(''organization_provider'', ''manage''))');
CALL app.change_policies('gateway.provider_distributions',
    'user_id = (SELECT app.active_user_id()) OR group_id = ANY ((SELECT app.my_groups())::uuid[])
     OR (SELECT app.may(''organization_provider'', ''manage''))',
    '(SELECT app.may(''organization_provider'', ''manage''))');
CALL app.change_policies('gateway.ai_model_configs',
    'owner_id = (SELECT app.active_user_id()) OR provider_config_id IS NULL
     OR owner_id IS NULL AND (SELECT app.may(''organization_provider'', ''manage''))
     OR provider_config_id = ANY ((SELECT gateway.my_providers())::uuid[])',
    'provider_config_id IS NULL AND (SELECT app.may(''organization_provider'', ''manage''))
     OR owner_id = (SELECT app.active_user_id())
        AND gateway.can_change_provider(provider_config_id)
     OR owner_id IS NULL AND gateway.can_change_provider(provider_config_id)');
CALL app.change_policies('gateway.model_prices',
    'provider_config_id IS NULL
     OR provider_config_id = ANY ((SELECT gateway.my_providers())::uuid[])
     OR gateway.can_change_provider(provider_config_id)',
    'provider_config_id IS NULL AND (SELECT app.may(''organization_provider'', ''manage''))
     OR gateway.can_change_provider(provider_config_id)');

-- What the acting user may call and by which way, without any secret; one row for each way.
DROP VIEW gateway.user_available_providers;
CREATE VIEW gateway.user_available_providers WITH (security_invoker = true) AS
SELECT a.person_id AS available_to_user, pc.id, pc.name, pc.provider AS provider_type, pc.scope,
       pc.created_by, pc.base_url AS api_base_url, pc.config, pc.key_hint, pc.is_active,
       pc.created_at, pc.updated_at, a.level, a.via, a.group_id, a.granted_by, a.granted_at
FROM app.my_paths('provider') a JOIN gateway.provider_configs pc ON pc.id = a.object_id;
GRANT SELECT ON gateway.user_available_providers TO lyceum_app, lyceum_maintenance;

-- Tells every node that what people reach has changed, so that it drops what it remembers.
CREATE FUNCTION app.announce_access() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('lyceum_identity', 'access:');
    RETURN NULL;
END
$$;
CREATE TRIGGER announce_access AFTER UPDATE ON identity.groups
    FOR EACH STATEMENT EXECUTE FUNCTION app.announce_access();
CREATE TRIGGER announce_access AFTER INSERT OR UPDATE OR DELETE ON identity.group_members
    FOR EACH STATEMENT EXECUTE FUNCTION app.announce_access();
CREATE TRIGGER announce_access AFTER INSERT OR UPDATE OR DELETE ON gateway.provider_configs
    FOR EACH STATEMENT EXECUTE FUNCTION app.announce_access();
CREATE TRIGGER announce_access AFTER INSERT OR UPDATE OR DELETE ON gateway.provider_distributions
    FOR EACH STATEMENT EXECUTE FUNCTION app.announce_access();
CREATE TRIGGER announce_access AFTER INSERT OR UPDATE OR DELETE ON gateway.ai_model_configs
    FOR EACH STATEMENT EXECUTE FUNCTION app.announce_access();
CREATE TRIGGER announce_access AFTER INSERT OR UPDATE OR DELETE ON gateway.model_prices
    FOR EACH STATEMENT EXECUTE FUNCTION app.announce_access();
CREATE TRIGGER announce_access AFTER INSERT OR UPDATE OR DELETE ON gateway.user_default_models
    FOR EACH STATEMENT EXECUTE FUNCTION app.announce_access();
CREATE TRIGGER announce_access AFTER UPDATE ON gateway.ai_providers
    FOR EACH STATEMENT EXECUTE FUNCTION app.announce_access();

-- API keys -------------------------------------------------------------------------------------

-- From where a key may be used (empty: from everywhere), and the secret that a rotation replaced,
-- which works for a while beside the new one.
ALTER TABLE identity.api_keys
    ADD COLUMN allowed_addresses cidr[] NOT NULL DEFAULT '{}'
        CHECK (cardinality(allowed_addresses) <= 50),
    ADD COLUMN previous_hash bytea CONSTRAINT api_keys_previous_hash_key UNIQUE
        CHECK (length(previous_hash) = 32),
    ADD COLUMN previous_hint text CHECK (length(previous_hint) <= 16),
    ADD COLUMN previous_expires_at timestamptz,
    ADD COLUMN rotated_at timestamptz,
    ADD CONSTRAINT api_keys_previous
        CHECK (num_nonnulls(previous_hash, previous_hint, previous_expires_at) IN (0, 3));
DROP TRIGGER audit ON identity.api_keys;
CALL app.audit('identity.api_keys', 'api_key', 'key_hash', 'previous_hash', 'last_used_at');
CREATE TRIGGER announce_secret AFTER UPDATE ON identity.api_keys
    FOR EACH ROW WHEN (OLD.key_hash IS DISTINCT FROM NEW.key_hash
                       OR OLD.previous_hash IS DISTINCT FROM NEW.previous_hash
                       OR OLD.allowed_addresses IS DISTINCT FROM NEW.allowed_addresses)
    EXECUTE FUNCTION app.announce_identity('key', 'id');

REVOKE CREATE ON SCHEMA app, knowledge, gateway FROM lyceum_maintenance;
