-- Row-level security and the handlers ask for the same rights; an issuer gives nothing that whoever
-- configures it lacks; nobody writes to the audit log in another's name.

GRANT CREATE ON SCHEMA app TO lyceum_maintenance;

-- Issuers --------------------------------------------------------------------------------------

-- Whether the acting user has everything that the word of an issuer gives: the mapped roles, the one
-- of new accounts, membership of groups, and passing for the second factor of anybody.
CREATE FUNCTION app.may_give_by_issuer(roles_map jsonb, groups_map jsonb, allow_sign_up boolean,
                                       trust_second_factor boolean) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN (groups_map = '{}' OR app.may('group', 'manage'))
       AND (NOT trust_second_factor OR app.is_admin())
       AND NOT EXISTS (
           SELECT FROM identity.roles r
           WHERE (r.name = 'user' AND allow_sign_up
                  OR r.name IN (SELECT m.value FROM jsonb_each_text(roles_map) AS m))
             AND NOT app.may_give(r.permissions));
END
$$;
ALTER FUNCTION app.may_give_by_issuer(jsonb, jsonb, boolean, boolean) OWNER TO lyceum_maintenance;

CALL app.change_policies('identity.oidc_providers', 'true',
    '(SELECT app.may(''oidc_provider'', ''write''))
     AND app.may_give_by_issuer(roles_map, groups_map, allow_sign_up, trust_second_factor)');

-- As before, and the links to issuers: else nobody could be linked anew with the account there.
CREATE OR REPLACE FUNCTION app.end_credentials() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE identity.user_sessions SET revoked_at = NEW.deleted_at, revoked_reason = 'user_blocked'
    WHERE user_id = NEW.id AND revoked_at IS NULL;
    UPDATE identity.api_keys SET status = 'revoked', deleted_at = NEW.deleted_at
    WHERE user_id = NEW.id AND deleted_at IS NULL;
    DELETE FROM identity.account_links WHERE user_id = NEW.id;
    DELETE FROM identity.oidc_accounts WHERE user_id = NEW.id;
    UPDATE identity.invitations SET revoked_at = NEW.deleted_at
    WHERE created_by = NEW.id AND revoked_at IS NULL AND accepted_at IS NULL;
    RETURN NULL;
END
$$;

SET LOCAL ROLE lyceum_maintenance;
DELETE FROM identity.oidc_accounts a USING identity.users u
WHERE u.id = a.user_id AND u.deleted_at IS NOT NULL;
RESET ROLE;

-- Accounts and roles ---------------------------------------------------------------------------

-- Whoever changes or deletes accounts, or gives roles, has to see whose they are.
CALL app.change_policies('identity.users',
    'id = (SELECT app.current_user_id()) OR (SELECT app.may(''user'', ''read''))
     OR (SELECT app.may(''user'', ''write'')) OR (SELECT app.may(''user'', ''delete''))',
    'id = (SELECT app.current_user_id())
     OR (SELECT app.may(''user'', ''write'')) AND app.may_give_person(id)');
CREATE POLICY person_marks_deleted ON identity.users FOR UPDATE TO lyceum_app
    USING ((SELECT app.may('user', 'delete')) AND app.may_give_person(id))
    WITH CHECK ((SELECT app.may('user', 'delete')) AND app.may_give_person(id));
CALL app.change_policies('identity.user_roles',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.may(''role'', ''read''))
     OR (SELECT app.may(''role'', ''assign'')) OR (SELECT app.may(''role'', ''manage''))
     OR (SELECT app.may(''user'', ''read'')) OR (SELECT app.may(''user'', ''write''))
     OR (SELECT app.may(''user'', ''delete''))',
    '((SELECT app.may(''role'', ''assign'')) OR (SELECT app.may(''user'', ''write'')))
     AND app.may_give_role(role_id)');

-- Policies say whose account one touches; this says what of it: the mark of deletion takes the right
-- to delete, everything else the right to write.
CREATE FUNCTION app.guard_account() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    apart CONSTANT text[] := ARRAY['deleted_at', 'updated_at'];
BEGIN
    IF current_user = 'lyceum_app' AND OLD.id IS DISTINCT FROM app.current_user_id()
       AND (NEW.deleted_at IS DISTINCT FROM OLD.deleted_at AND NOT app.may('user', 'delete')
            OR to_jsonb(NEW) - apart <> to_jsonb(OLD) - apart AND NOT app.may('user', 'write')) THEN
        RAISE EXCEPTION 'the right to change this of an account is missing'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_account BEFORE UPDATE ON identity.users
    FOR EACH ROW EXECUTE FUNCTION app.guard_account();

-- The audit log --------------------------------------------------------------------------------

CALL app.change_policies('ops.audit_logs',
    '(SELECT app.may(''audit'', ''read'')) OR (SELECT app.may(''audit'', ''export''))',
    'user_id = (SELECT app.current_user_id())');

REVOKE CREATE ON SCHEMA app FROM lyceum_maintenance;
