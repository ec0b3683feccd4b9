-- A month of a quota keeps the time zone in which it began; a new one counts from the next month on.
-- Before, whoever moved was counted anew: at the end of a month one could be ahead of it in one place
-- and still in it in another, and have two allowances for one month.

-- Where and until when the months were counted before `timezone`: until `timezone_from`, which is
-- the end of the month that began at `previous_from`.
ALTER TABLE identity.user_quotas
    ADD COLUMN previous_timezone text CHECK (length(previous_timezone) BETWEEN 1 AND 64),
    ADD COLUMN previous_from timestamptz,
    ADD COLUMN timezone_from timestamptz,
    ADD CONSTRAINT user_quotas_previous_timezone
        CHECK (num_nonnulls(previous_timezone, previous_from, timezone_from) IN (0, 3)
               AND previous_from < timezone_from);

-- The month of a quota in which a moment lies. Most have never been moved, so that comes first.
CREATE FUNCTION gateway.quota_month(quota identity.user_quotas, moment timestamptz) RETURNS date
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    moved date;
BEGIN
    IF quota.timezone_from IS NULL THEN
        RETURN gateway.month_of(moment, quota.timezone);
    END IF;
    moved := gateway.month_of(quota.timezone_from, quota.previous_timezone);
    RETURN CASE
        WHEN moment >= quota.timezone_from
            THEN greatest(gateway.month_of(moment, quota.timezone), moved)
        WHEN moment >= quota.previous_from THEN (moved - interval '1 month')::date
        ELSE least(gateway.month_of(moment, quota.previous_timezone),
                   (moved - interval '2 months')::date) END;
END
$$;

-- When a month of a quota begins, and the one before ends.
CREATE FUNCTION gateway.quota_month_begins(quota identity.user_quotas, month date)
    RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    moved date;
BEGIN
    IF quota.timezone_from IS NULL THEN
        RETURN month::timestamp AT TIME ZONE quota.timezone;
    END IF;
    moved := gateway.month_of(quota.timezone_from, quota.previous_timezone);
    RETURN CASE
        WHEN month > moved THEN month::timestamp AT TIME ZONE quota.timezone
        WHEN month = moved THEN quota.timezone_from
        WHEN month = (moved - interval '1 month')::date THEN quota.previous_from
        ELSE month::timestamp AT TIME ZONE quota.previous_timezone END;
END
$$;

CREATE FUNCTION gateway.quota_month_ends(quota identity.user_quotas, month date)
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN gateway.quota_month_begins(quota, (month + interval '1 month')::date);

GRANT CREATE ON SCHEMA gateway TO lyceum_maintenance;

-- Counts quotas in another time zone from the month on that follows the one of `at`.
CREATE FUNCTION gateway.move_quotas(targets uuid[], zone text, at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE identity.user_quotas q
    SET timezone = zone,
        previous_timezone = CASE WHEN at < q.timezone_from THEN q.previous_timezone
                                 ELSE q.timezone END,
        previous_from = gateway.quota_month_begins(q, gateway.quota_month(q, at)),
        timezone_from = gateway.quota_month_ends(q, gateway.quota_month(q, at))
    WHERE q.id = ANY (targets) AND q.timezone <> zone
$$;
ALTER FUNCTION gateway.move_quotas(uuid[], text, timestamptz) OWNER TO lyceum_maintenance;
REVOKE ALL ON FUNCTION gateway.move_quotas FROM PUBLIC;

CREATE OR REPLACE FUNCTION gateway.follow_timezone() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM gateway.move_quotas(
        ARRAY(SELECT q.id FROM identity.user_quotas q
              WHERE q.user_id = NEW.id
                 OR q.api_key_id IN (SELECT k.id FROM identity.api_keys k
                                     WHERE k.user_id = NEW.id)),
        NEW.timezone, clock_timestamp());
    RETURN NULL;
END
$$;

-- As before, by the month of the quota.
CREATE OR REPLACE FUNCTION gateway.quota_standing(targets uuid[], at timestamptz)
    RETURNS TABLE (quota_id uuid, scope text, subject_id uuid, timezone text, month date,
                   begins_at timestamptz, ends_at timestamptz, maximum numeric[], used numeric[],
                   leased numeric[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT q.id,
           CASE WHEN q.user_id IS NOT NULL THEN 'user' WHEN q.group_id IS NOT NULL THEN 'group'
                ELSE 'api_key' END,
           coalesce(q.user_id, q.group_id, q.api_key_id),
           CASE WHEN gateway.quota_month_begins(q, p.month) < q.timezone_from
                THEN q.previous_timezone ELSE q.timezone END,
           p.month, gateway.quota_month_begins(q, p.month), gateway.quota_month_ends(q, p.month),
           ARRAY[q.max_api_calls, q.max_tokens, q.max_cost, q.max_compute_seconds],
           CASE WHEN q.period_start = p.month
                THEN ARRAY[q.used_api_calls, q.used_tokens, q.used_cost, q.used_compute_seconds]
                ELSE ARRAY[0::numeric, 0, 0, 0] END,
           held.amounts
    FROM identity.user_quotas q
    CROSS JOIN LATERAL (
        SELECT greatest(q.period_start, gateway.quota_month(q, at)) AS month) p
    CROSS JOIN LATERAL (
        SELECT ARRAY[coalesce(sum(l.api_calls), 0), coalesce(sum(l.tokens), 0),
                     coalesce(sum(l.cost), 0), coalesce(sum(l.compute_seconds), 0)] AS amounts
        FROM gateway.quota_leases l WHERE l.quota_id = q.id) held
    WHERE q.id = ANY (targets)
$$;

-- As before, by the month of the quota; of a kept answer only the call counts.
CREATE OR REPLACE FUNCTION gateway.recount_quota(target uuid, at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE identity.user_quotas q
    SET period_start = sums.month, used_api_calls = sums.calls,
        used_tokens = least(sums.tokens, 9223372036854775807), used_cost = sums.cost,
        used_compute_seconds = sums.seconds
    FROM (
        SELECT t.id, gateway.quota_month(t, at) AS month,
               count(*) FILTER (WHERE u.attempt = 1) AS calls,
               coalesce(sum(u.prompt_tokens + u.completion_tokens) FILTER (WHERE NOT u.cache_hit), 0)
                   AS tokens,
               least(coalesce(sum(u.cost), 0), 999999999) AS cost,
               coalesce(sum(gateway.compute_seconds(u.provider_config_id, u.latency_ms))
                   FILTER (WHERE NOT u.cache_hit), 0) AS seconds
        FROM identity.user_quotas t
        LEFT JOIN gateway.usage_statistics u
          ON u.created_at >= gateway.quota_month_begins(t, gateway.quota_month(t, at))
         AND u.created_at < gateway.quota_month_ends(t, gateway.quota_month(t, at))
         AND (u.user_id = t.user_id OR u.api_key_id = t.api_key_id
              OR u.group_ids @> ARRAY[t.group_id])
        WHERE t.id = target
        GROUP BY t.id
    ) sums
    WHERE q.id = sums.id
$$;

-- As before; the months of a group that is counted in another time zone than before follow it as a
-- person's do.
CREATE OR REPLACE FUNCTION gateway.set_quota(
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
        FOR UPDATE;
    is_new := NOT FOUND;
    IF is_new THEN
        -- From here on no call is settled until this commits: none is missed or counted twice.
        LOCK TABLE identity.user_quotas IN EXCLUSIVE MODE;
    END IF;
    UPDATE identity.user_quotas q
    SET max_api_calls = api_calls, max_tokens = set_quota.tokens, max_cost = set_quota.cost,
        max_storage_bytes = storage_bytes, max_compute_seconds = set_quota.compute_seconds
    WHERE subject IN (q.user_id, q.group_id, q.api_key_id) RETURNING q.id INTO target;
    IF FOUND THEN
        PERFORM gateway.move_quotas(ARRAY[target], zone, at);
    ELSE
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

-- As before, by the month of the quota.
CREATE OR REPLACE FUNCTION gateway.check_storage() RETURNS trigger
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
                    gateway.quota_month(quota, clock_timestamp()))
            ON CONFLICT DO NOTHING;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

REVOKE CREATE ON SCHEMA gateway FROM lyceum_maintenance;
DROP FUNCTION gateway.month_end(date, text);
