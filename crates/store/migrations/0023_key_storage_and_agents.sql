-- Quotas limit what is stored with an API key, too, and what triggers write into the audit log says
-- with which program somebody called.

-- The API key with which a document was uploaded; of those uploaded before this nobody knows.
ALTER TABLE knowledge.documents
    ADD COLUMN api_key_id uuid REFERENCES identity.api_keys ON DELETE SET NULL;
CREATE INDEX documents_api_key_id ON knowledge.documents (api_key_id)
    WHERE api_key_id IS NOT NULL;
ALTER TABLE identity.user_quotas DROP CONSTRAINT user_quotas_key_storage;

GRANT CREATE ON SCHEMA gateway, ops TO lyceum_maintenance;

-- Bytes of the living documents that a person, or the members of a group, uploaded, or that were
-- uploaded with a key.
DROP FUNCTION gateway.storage_used(uuid, uuid);
CREATE FUNCTION gateway.storage_used(member uuid, member_group uuid, key uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(sum(d.file_size), 0)::bigint
    FROM knowledge.documents d JOIN knowledge.knowledge_bases b ON b.id = d.knowledge_base_id
    WHERE d.deleted_at IS NULL AND b.deleted_at IS NULL
      -- An array, so that the indexes answer.
      AND (d.uploaded_by = ANY (member || ARRAY(SELECT m.user_id FROM identity.group_members m
                                                WHERE m.group_id = member_group))
           OR d.api_key_id = key)
$$;
ALTER FUNCTION gateway.storage_used(uuid, uuid, uuid) OWNER TO lyceum_maintenance;

-- As before; a document that was uploaded with a key counts for the key's quota, too.
CREATE OR REPLACE FUNCTION gateway.check_storage() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    quota identity.user_quotas;
    used bigint;
BEGIN
    FOR quota IN
        SELECT q.* FROM identity.user_quotas q
        WHERE q.max_storage_bytes IS NOT NULL
          AND (q.user_id = NEW.uploaded_by OR q.api_key_id = NEW.api_key_id
               OR q.group_id IN (SELECT m.group_id FROM identity.group_members m
                                 JOIN identity.groups g ON g.id = m.group_id
                                 WHERE m.user_id = NEW.uploaded_by AND g.deleted_at IS NULL))
        ORDER BY q.id FOR UPDATE
    LOOP
        used := gateway.storage_used(quota.user_id, quota.group_id, quota.api_key_id);
        IF used > quota.max_storage_bytes THEN
            RAISE EXCEPTION 'the storage quota is exceeded'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'storage_quota',
                      DETAIL = json_build_object(
                          'scope', CASE WHEN quota.user_id IS NOT NULL THEN 'user'
                                        WHEN quota.group_id IS NOT NULL THEN 'group'
                                        ELSE 'api_key' END,
                          'limit', quota.max_storage_bytes, 'used', used - NEW.file_size,
                          'wanted', NEW.file_size);
        END IF;
        IF used >= 0.8 * quota.max_storage_bytes THEN
            INSERT INTO gateway.quota_warnings (id, quota_id, resource, period_start)
            VALUES (app.new_id(), quota.id, 'storage_bytes',
                    gateway.quota_month(quota, clock_timestamp()))
            ON CONFLICT DO NOTHING;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

-- As before, with the program that called. Cut here as well, so that no entry is refused for it.
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
                                old_values, new_values, ip_address, user_agent)
    VALUES (app.new_id(), app.current_user_id(),
            CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'DELETE' THEN 'delete' ELSE 'update' END,
            TG_ARGV[0], named::uuid, before, after,
            nullif(current_setting('app.client_ip', true), '')::inet,
            left(nullif(current_setting('app.user_agent', true), ''), 400));
    RETURN NULL;
END
$$;

REVOKE CREATE ON SCHEMA gateway, ops FROM lyceum_maintenance;
