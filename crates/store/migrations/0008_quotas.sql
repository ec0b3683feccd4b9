-- Quotas that hold exactly, rate limits, and the storage that documents take.
--
-- A call reserves what it may take (gateway.reserve_quota) and the ledger's writer settles it in the
-- statement that writes the call's row. So what a quota counts as used is always the ledger's sum
-- over the period, and what runs at the moment stands in gateway.quota_reservations.

-- An IANA name. A month begins when it begins where the person is.
ALTER TABLE identity.users
    ADD COLUMN timezone text NOT NULL DEFAULT 'UTC' CHECK (length(timezone) BETWEEN 1 AND 64);

CREATE FUNCTION identity.check_timezone() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.timezone <> 'UTC'
       AND NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = NEW.timezone) THEN
        RAISE EXCEPTION 'no such time zone'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'timezone_known';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER check_timezone BEFORE INSERT OR UPDATE OF timezone ON identity.users
    FOR EACH ROW EXECUTE FUNCTION identity.check_timezone();

-- A person's quota and those of their keys follow the person's time zone; a group has its own.
ALTER TABLE identity.user_quotas
    ADD COLUMN timezone text NOT NULL DEFAULT 'UTC' CHECK (length(timezone) BETWEEN 1 AND 64),
    -- Summed up from the documents, so that it cannot drift from them.
    DROP COLUMN used_storage_bytes,
    -- Documents belong to people, not to keys.
    ADD CONSTRAINT user_quotas_key_storage CHECK (api_key_id IS NULL OR max_storage_bytes IS NULL);
CREATE INDEX user_quotas_created_at ON identity.user_quotas (created_at DESC, id DESC);
CREATE TRIGGER check_timezone BEFORE INSERT OR UPDATE OF timezone ON identity.user_quotas
    FOR EACH ROW EXECUTE FUNCTION identity.check_timezone();
DROP TRIGGER audit ON identity.user_quotas;
CALL app.audit('identity.user_quotas', 'user_quota', 'used_api_calls', 'used_tokens', 'used_cost',
    'used_compute_seconds', 'period_start');

-- The groups that the caller was in: their quotas count the call, whoever leaves or joins later.
ALTER TABLE gateway.usage_statistics ADD COLUMN group_ids uuid[] NOT NULL DEFAULT '{}';

-- The first day of the month in which a moment lies.
CREATE FUNCTION gateway.month_of(moment timestamptz, zone text) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN date_trunc('month', moment AT TIME ZONE zone)::date;

-- When the month after the one that begins with `month` begins.
CREATE FUNCTION gateway.month_end(month date, zone text) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (month + interval '1 month')::timestamp AT TIME ZONE zone;

-- Seconds of our own machine that a call took, each begun one counted; a provider's are its own.
CREATE FUNCTION gateway.compute_seconds(provider_config_id uuid, latency_ms integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN provider_config_id IS NULL THEN ceil(latency_ms / 1000.0)::bigint ELSE 0 END;

-- What running calls may take. `holder` is the advisory lock that the process of the call holds as
-- long as it lives. Not logged: a crash of the database ends the calls, too.
CREATE UNLOGGED TABLE gateway.quota_reservations (
    -- The id that the call's ledger row will have.
    call_id uuid NOT NULL,
    quota_id uuid NOT NULL REFERENCES identity.user_quotas ON DELETE CASCADE,
    holder bigint NOT NULL,
    tokens bigint NOT NULL CHECK (tokens >= 0),
    cost numeric(18, 9) NOT NULL CHECK (cost >= 0),
    compute_seconds bigint NOT NULL CHECK (compute_seconds >= 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (call_id, quota_id)
);
CREATE INDEX quota_reservations_quota_id ON gateway.quota_reservations (quota_id);
CALL app.track_updates('gateway.quota_reservations');
CALL app.secure('gateway.quota_reservations', 'false');

-- The first time in a period that four fifths of something are used.
CREATE TABLE gateway.quota_warnings (
    id uuid PRIMARY KEY,
    quota_id uuid NOT NULL REFERENCES identity.user_quotas ON DELETE CASCADE,
    resource text NOT NULL
        CHECK (resource IN ('api_calls', 'tokens', 'cost', 'compute_seconds', 'storage_bytes')),
    period_start date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT quota_warnings_once UNIQUE (quota_id, resource, period_start)
);
CALL app.track_updates('gateway.quota_warnings');

-- Requests and tokens per minute: of everybody together where it names nobody, else of one user,
-- group, key or model. A key's owner may set one beside the administrators'; both hold.
CREATE TABLE gateway.rate_limits (
    id uuid PRIMARY KEY,
    user_id uuid REFERENCES identity.users ON DELETE CASCADE,
    group_id uuid REFERENCES identity.groups ON DELETE CASCADE,
    api_key_id uuid REFERENCES identity.api_keys ON DELETE CASCADE,
    model_config_id uuid REFERENCES gateway.ai_model_configs ON DELETE CASCADE,
    set_by_owner boolean NOT NULL DEFAULT false,
    requests_per_minute integer CHECK (requests_per_minute > 0),
    tokens_per_minute integer CHECK (tokens_per_minute > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT rate_limits_subject
        CHECK (num_nonnulls(user_id, group_id, api_key_id, model_config_id) <= 1),
    CONSTRAINT rate_limits_owner CHECK (NOT set_by_owner OR api_key_id IS NOT NULL),
    CONSTRAINT rate_limits_some CHECK (num_nonnulls(requests_per_minute, tokens_per_minute) > 0),
    CONSTRAINT rate_limits_unique UNIQUE NULLS NOT DISTINCT
        (user_id, group_id, api_key_id, model_config_id, set_by_owner)
);
CREATE INDEX rate_limits_group_id ON gateway.rate_limits (group_id);
CREATE INDEX rate_limits_api_key_id ON gateway.rate_limits (api_key_id);
CREATE INDEX rate_limits_model_config_id ON gateway.rate_limits (model_config_id);
CREATE INDEX rate_limits_created_at ON gateway.rate_limits (created_at DESC, id DESC);
CALL app.track_updates('gateway.rate_limits');
CALL app.audit('gateway.rate_limits', 'rate_limit');

GRANT CREATE ON SCHEMA gateway TO lyceum_maintenance;
GRANT USAGE ON SCHEMA knowledge TO lyceum_maintenance;

-- Whether the roles of the acting user give a right of the limits.
CREATE FUNCTION gateway.may_limit(action text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT EXISTS (
        SELECT FROM identity.user_roles ur JOIN identity.roles r ON r.id = ur.role_id
        WHERE ur.user_id = app.current_user_id()
          AND r.permissions ?| ARRAY['*:*', 'quota:*', '*:' || action, 'quota:' || action])
$$;
ALTER FUNCTION gateway.may_limit(text) OWNER TO lyceum_maintenance;

DROP POLICY maintenance ON identity.user_quotas;
DROP POLICY person_reads ON identity.user_quotas;
DROP POLICY person_inserts ON identity.user_quotas;
DROP POLICY person_updates ON identity.user_quotas;
DROP POLICY person_deletes ON identity.user_quotas;
CALL app.secure('identity.user_quotas',
    '(SELECT gateway.may_limit(''read'')) OR (SELECT gateway.may_limit(''manage''))
      OR user_id = (SELECT app.current_user_id())
      OR EXISTS (SELECT FROM identity.group_members m WHERE m.group_id = user_quotas.group_id
                 AND m.user_id = (SELECT app.current_user_id()))
      OR EXISTS (SELECT FROM identity.api_keys k WHERE k.id = user_quotas.api_key_id)',
    '(SELECT gateway.may_limit(''manage''))');
CALL app.secure('gateway.quota_warnings',
    'EXISTS (SELECT FROM identity.user_quotas q WHERE q.id = quota_id)', 'false');
CALL app.secure('gateway.rate_limits',
    '(SELECT gateway.may_limit(''read'')) OR (SELECT gateway.may_limit(''manage''))
      OR user_id = (SELECT app.current_user_id())
      OR EXISTS (SELECT FROM identity.api_keys k WHERE k.id = api_key_id)',
    'NOT set_by_owner AND (SELECT gateway.may_limit(''manage''))
      OR set_by_owner AND EXISTS (SELECT FROM identity.api_keys k WHERE k.id = api_key_id)');

-- How four of the resources stand; a quota's own month may be over already.
CREATE FUNCTION gateway.quota_standing(targets uuid[], at timestamptz)
    RETURNS TABLE (quota_id uuid, resource text, maximum numeric, used numeric, reserved numeric,
                   period_start date)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT q.id, r.resource, r.maximum, CASE WHEN q.period_start = p.month THEN r.used ELSE 0 END,
           r.reserved, p.month
    FROM identity.user_quotas q
    CROSS JOIN LATERAL (
        SELECT greatest(q.period_start, gateway.month_of(at, q.timezone)) AS month) p
    CROSS JOIN LATERAL (
        SELECT count(*) AS calls, coalesce(sum(v.tokens), 0) AS tokens,
               coalesce(sum(v.cost), 0) AS cost, coalesce(sum(v.compute_seconds), 0) AS seconds
        FROM gateway.quota_reservations v WHERE v.quota_id = q.id) held
    CROSS JOIN LATERAL (VALUES
        ('api_calls', q.max_api_calls::numeric, q.used_api_calls::numeric, held.calls::numeric),
        ('tokens', q.max_tokens, q.used_tokens, held.tokens),
        ('cost', q.max_cost, q.used_cost, held.cost),
        ('compute_seconds', q.max_compute_seconds, q.used_compute_seconds, held.seconds)
    ) r (resource, maximum, used, reserved)
    WHERE q.id = ANY (targets)
$$;
ALTER FUNCTION gateway.quota_standing(uuid[], timestamptz) OWNER TO lyceum_maintenance;

-- Takes away what processes reserved that are no more; answers how much.
CREATE FUNCTION gateway.release_abandoned() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH dead AS MATERIALIZED (
        SELECT h.holder FROM (SELECT DISTINCT holder FROM gateway.quota_reservations) h
        WHERE pg_try_advisory_xact_lock(h.holder)
    ), released AS (
        DELETE FROM gateway.quota_reservations v USING dead
        WHERE v.holder = dead.holder RETURNING v.quota_id
    )
    SELECT count(*) FROM released
$$;
ALTER FUNCTION gateway.release_abandoned() OWNER TO lyceum_maintenance;

-- Reserves for one call at every quota that applies, or at none if one of them refuses. Answers
-- the refusals, or else what is used up to four fifths. A row without a quota means: none applies.
CREATE FUNCTION gateway.reserve_quota(
        call uuid, held_by bigint, member uuid, key uuid, groups uuid[], at timestamptz,
        wanted_tokens bigint, wanted_cost numeric, wanted_seconds bigint)
    RETURNS TABLE (scope text, resource text, maximum numeric, used numeric, reserved numeric,
                   wanted numeric, ends_at timestamptz, ends_on date, timezone text,
                   refused boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    quotas uuid[];
    short boolean;
BEGIN
    -- Locked in one order, here and where the ledger settles.
    quotas := ARRAY(SELECT q.id FROM identity.user_quotas q
                    WHERE q.user_id = member OR q.api_key_id = key OR q.group_id = ANY (groups)
                    ORDER BY q.id FOR UPDATE);
    IF quotas = '{}' THEN
        RETURN;
    END IF;
    -- Nobody misses a reservation that a crash of the database forgets.
    PERFORM set_config('synchronous_commit', 'off', true);
    FOR attempt IN 1..2 LOOP
        short := EXISTS (
            SELECT FROM gateway.quota_standing(quotas, at) s
            WHERE s.used + s.reserved + CASE s.resource WHEN 'api_calls' THEN 1
                WHEN 'tokens' THEN wanted_tokens WHEN 'cost' THEN wanted_cost
                ELSE wanted_seconds END > s.maximum
              AND (s.resource = 'api_calls' OR s.resource = 'tokens' AND wanted_tokens > 0
                   OR s.resource = 'cost' AND wanted_cost > 0
                   OR s.resource = 'compute_seconds' AND wanted_seconds > 0));
        EXIT WHEN NOT short OR gateway.release_abandoned() = 0;
    END LOOP;
    IF NOT short THEN
        INSERT INTO gateway.quota_reservations
            (call_id, quota_id, holder, tokens, cost, compute_seconds)
        SELECT call, quota, held_by, wanted_tokens, wanted_cost, wanted_seconds
        FROM unnest(quotas) AS quota;
    END IF;
    RETURN QUERY
    SELECT CASE WHEN q.user_id IS NOT NULL THEN 'user' WHEN q.group_id IS NOT NULL THEN 'group'
                ELSE 'api_key' END,
           s.resource, s.maximum, s.used, s.reserved, w.wanted,
           gateway.month_end(s.period_start, q.timezone),
           (s.period_start + interval '1 month')::date, q.timezone, short
    FROM gateway.quota_standing(quotas, at) s
    JOIN identity.user_quotas q ON q.id = s.quota_id
    CROSS JOIN LATERAL (SELECT CASE s.resource WHEN 'api_calls' THEN 1
        WHEN 'tokens' THEN wanted_tokens WHEN 'cost' THEN wanted_cost
        ELSE wanted_seconds END::numeric AS wanted) w
    WHERE CASE WHEN short THEN w.wanted > 0 AND s.used + s.reserved + w.wanted > s.maximum
               ELSE s.maximum > 0 AND s.used + s.reserved >= 0.8 * s.maximum END
    ORDER BY gateway.month_end(s.period_start, q.timezone) DESC, s.resource;
END
$$;
ALTER FUNCTION gateway.reserve_quota(uuid, bigint, uuid, uuid, uuid[], timestamptz, bigint, numeric,
    bigint) OWNER TO lyceum_maintenance;

-- Sets what a quota has used in the month of `at` to what the ledger says. The caller holds the
-- lock on the table that keeps the ledger's writer away.
CREATE FUNCTION gateway.recount_quota(target uuid, at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE identity.user_quotas q
    SET period_start = gateway.month_of(at, q.timezone), used_api_calls = sums.calls,
        used_tokens = least(sums.tokens, 9223372036854775807), used_cost = sums.cost,
        used_compute_seconds = sums.seconds
    FROM identity.user_quotas t
    CROSS JOIN LATERAL (
        SELECT count(*) AS calls, coalesce(sum(prompt_tokens + completion_tokens), 0) AS tokens,
               least(coalesce(sum(cost), 0), 999999999) AS cost,
               coalesce(sum(gateway.compute_seconds(provider_config_id, latency_ms)), 0) AS seconds
        FROM gateway.usage_statistics u
        WHERE u.created_at >= gateway.month_of(at, t.timezone)::timestamp AT TIME ZONE t.timezone
          AND u.created_at < gateway.month_end(gateway.month_of(at, t.timezone), t.timezone)
          AND (u.user_id = t.user_id OR u.api_key_id = t.api_key_id
               OR u.group_ids @> ARRAY[t.group_id])
    ) sums
    WHERE t.id = target AND q.id = t.id
$$;
ALTER FUNCTION gateway.recount_quota(uuid, timestamptz) OWNER TO lyceum_maintenance;

-- Sets the limits of one user, group or key; answers the quota's id, or NULL where the subject does
-- not exist or the acting user may not.
CREATE FUNCTION gateway.set_quota(
        new_id uuid, kind text, subject uuid, api_calls bigint, tokens bigint, cost numeric,
        storage_bytes bigint, compute_seconds bigint, zone text, at timestamptz)
    RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    target uuid;
    is_new boolean;
BEGIN
    -- A person's time zone must not change in between.
    zone := CASE kind
        WHEN 'user' THEN (SELECT u.timezone FROM identity.users u
                          WHERE u.id = subject AND u.deleted_at IS NULL FOR SHARE)
        WHEN 'api_key' THEN (SELECT u.timezone FROM identity.api_keys k
                             JOIN identity.users u ON u.id = k.user_id
                             WHERE k.id = subject AND k.deleted_at IS NULL FOR SHARE OF u)
        ELSE (SELECT zone FROM identity.groups g WHERE g.id = subject AND g.deleted_at IS NULL) END;
    IF zone IS NULL OR NOT gateway.may_limit('manage') THEN
        RETURN NULL;
    END IF;
    PERFORM FROM identity.user_quotas q WHERE subject IN (q.user_id, q.group_id, q.api_key_id)
        AND q.timezone = zone FOR UPDATE;
    is_new := NOT FOUND;
    IF is_new THEN
        -- From here on no call is settled until this commits: none is missed or counted twice.
        LOCK TABLE identity.user_quotas IN SHARE ROW EXCLUSIVE MODE;
    END IF;
    UPDATE identity.user_quotas q
    SET max_api_calls = api_calls, max_tokens = set_quota.tokens, max_cost = set_quota.cost,
        max_storage_bytes = storage_bytes, max_compute_seconds = set_quota.compute_seconds,
        timezone = zone
    WHERE subject IN (q.user_id, q.group_id, q.api_key_id) RETURNING q.id INTO target;
    IF NOT FOUND THEN
        INSERT INTO identity.user_quotas
            (id, user_id, group_id, api_key_id, max_api_calls, max_tokens, max_cost,
             max_storage_bytes, max_compute_seconds, period_start, timezone)
        VALUES (new_id, CASE kind WHEN 'user' THEN subject END, CASE kind WHEN 'group' THEN subject END,
                CASE kind WHEN 'api_key' THEN subject END, api_calls, set_quota.tokens,
                set_quota.cost, storage_bytes, set_quota.compute_seconds,
                '-infinity', zone)
        RETURNING id INTO target;
    END IF;
    IF is_new THEN
        PERFORM gateway.recount_quota(target, at);
    END IF;
    RETURN target;
END
$$;
ALTER FUNCTION gateway.set_quota(uuid, text, uuid, bigint, bigint, numeric, bigint, bigint, text,
    timestamptz) OWNER TO lyceum_maintenance;

-- A person who moves takes their month along.
CREATE FUNCTION gateway.follow_timezone() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    targets uuid[] := ARRAY(
        SELECT q.id FROM identity.user_quotas q
        WHERE q.user_id = NEW.id
           OR q.api_key_id IN (SELECT k.id FROM identity.api_keys k WHERE k.user_id = NEW.id));
BEGIN
    IF targets <> '{}' THEN
        LOCK TABLE identity.user_quotas IN SHARE ROW EXCLUSIVE MODE;
        UPDATE identity.user_quotas SET timezone = NEW.timezone WHERE id = ANY (targets);
        PERFORM gateway.recount_quota(target, clock_timestamp()) FROM unnest(targets) AS target;
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION gateway.follow_timezone() OWNER TO lyceum_maintenance;
CREATE TRIGGER follow_timezone AFTER UPDATE OF timezone ON identity.users
    FOR EACH ROW WHEN (OLD.timezone IS DISTINCT FROM NEW.timezone)
    EXECUTE FUNCTION gateway.follow_timezone();

-- What a quota is called for people.
CREATE FUNCTION gateway.limit_label(member uuid, member_group uuid, key uuid, model uuid)
    RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(
        (SELECT u.username::text FROM identity.users u WHERE u.id = member),
        (SELECT g.name::text FROM identity.groups g WHERE g.id = member_group),
        (SELECT u.username::text || ': ' || k.name FROM identity.api_keys k
         JOIN identity.users u ON u.id = k.user_id WHERE k.id = key),
        (SELECT m.name FROM gateway.ai_model_configs m WHERE m.id = limit_label.model))
$$;
ALTER FUNCTION gateway.limit_label(uuid, uuid, uuid, uuid) OWNER TO lyceum_maintenance;

-- Bytes of the living documents that a person, or the members of a group, uploaded.
CREATE FUNCTION gateway.storage_used(member uuid, member_group uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(sum(d.file_size), 0)::bigint
    FROM knowledge.documents d JOIN knowledge.knowledge_bases b ON b.id = d.knowledge_base_id
    WHERE d.deleted_at IS NULL AND b.deleted_at IS NULL
      AND (d.uploaded_by = member
           OR d.uploaded_by IN (SELECT m.user_id FROM identity.group_members m
                                WHERE m.group_id = member_group))
$$;
ALTER FUNCTION gateway.storage_used(uuid, uuid) OWNER TO lyceum_maintenance;

-- Refuses the document with which its uploader or one of their groups has more than they may. The
-- quotas are locked before the sum is taken, so that uploads at the same moment take turns.
CREATE FUNCTION gateway.check_storage() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    quota identity.user_quotas;
    used bigint;
BEGIN
    FOR quota IN
        SELECT q.* FROM identity.user_quotas q
        WHERE q.max_storage_bytes IS NOT NULL
          AND (q.user_id = NEW.uploaded_by
               OR q.group_id IN (SELECT m.group_id FROM identity.group_members m
                                 JOIN identity.groups g ON g.id = m.group_id
                                 WHERE m.user_id = NEW.uploaded_by AND g.deleted_at IS NULL))
        ORDER BY q.id FOR UPDATE
    LOOP
        used := gateway.storage_used(quota.user_id, quota.group_id);
        IF used > quota.max_storage_bytes THEN
            RAISE EXCEPTION 'the storage quota is exceeded'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'storage_quota',
                      DETAIL = json_build_object(
                          'scope', CASE WHEN quota.user_id IS NULL THEN 'group' ELSE 'user' END,
                          'limit', quota.max_storage_bytes, 'used', used - NEW.file_size,
                          'wanted', NEW.file_size);
        END IF;
        IF used >= 0.8 * quota.max_storage_bytes THEN
            INSERT INTO gateway.quota_warnings (id, quota_id, resource, period_start)
            VALUES (app.new_id(), quota.id, 'storage_bytes',
                    gateway.month_of(clock_timestamp(), quota.timezone))
            ON CONFLICT DO NOTHING;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
ALTER FUNCTION gateway.check_storage() OWNER TO lyceum_maintenance;
CREATE TRIGGER check_storage AFTER INSERT ON knowledge.documents
    FOR EACH ROW EXECUTE FUNCTION gateway.check_storage();
REVOKE CREATE ON SCHEMA gateway FROM lyceum_maintenance;

-- Tells every node that limits changed, so that it asks again whom they bind.
CREATE FUNCTION gateway.announce_limits() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM pg_notify('lyceum_limits', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER announce_limits AFTER INSERT OR DELETE ON identity.user_quotas
    FOR EACH STATEMENT EXECUTE FUNCTION gateway.announce_limits();
CREATE TRIGGER announce_limits AFTER INSERT OR UPDATE OR DELETE ON gateway.rate_limits
    FOR EACH STATEMENT EXECUTE FUNCTION gateway.announce_limits();
CREATE TRIGGER announce_limits AFTER INSERT OR UPDATE OR DELETE ON identity.group_members
    FOR EACH STATEMENT EXECUTE FUNCTION gateway.announce_limits();
CREATE TRIGGER announce_limits AFTER UPDATE OF deleted_at OR DELETE ON identity.groups
    FOR EACH STATEMENT EXECUTE FUNCTION gateway.announce_limits();

GRANT SELECT, INSERT, UPDATE, DELETE
    ON gateway.quota_reservations, gateway.quota_warnings, gateway.rate_limits
    TO lyceum_app, lyceum_maintenance;
