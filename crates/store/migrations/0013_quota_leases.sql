-- Quotas at the speed of memory: a process leases a part of what is left (gateway.lease_quotas),
-- reserves for its calls from that, and gives back what it does not need. A lease counts as taken,
-- so that all processes together never let through more than a quota holds, and it lives as long
-- as the advisory lock of its process, so that nothing stays taken by the dead.
DROP FUNCTION gateway.reserve_quota(uuid, bigint, uuid, uuid, uuid[], timestamptz, bigint, numeric,
    bigint);
DROP FUNCTION gateway.release_abandoned();
DROP FUNCTION gateway.quota_standing(uuid[], timestamptz);
DROP TABLE gateway.quota_reservations;

-- What processes hold of quotas: for running calls, and for calls to come. Not logged: a crash of
-- the database ends the calls, too.
CREATE UNLOGGED TABLE gateway.quota_leases (
    quota_id uuid NOT NULL REFERENCES identity.user_quotas ON DELETE CASCADE,
    -- The advisory lock that the process holds.
    holder bigint NOT NULL,
    api_calls numeric NOT NULL CHECK (api_calls >= 0),
    tokens numeric NOT NULL CHECK (tokens >= 0),
    cost numeric(18, 9) NOT NULL CHECK (cost >= 0),
    compute_seconds numeric NOT NULL CHECK (compute_seconds >= 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (quota_id, holder)
);
CALL app.track_updates('gateway.quota_leases');
CALL app.secure('gateway.quota_leases', 'false');
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.quota_leases TO lyceum_app, lyceum_maintenance;

-- What a quota has used changes with each call: it is neither audited nor a change of the quota.
DROP TRIGGER audit ON identity.user_quotas;
DROP TRIGGER touch_updated_at ON identity.user_quotas;
DROP TRIGGER announce_limits ON identity.user_quotas;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF
        max_api_calls, max_tokens, max_cost, max_storage_bytes, max_compute_seconds, timezone
    ON identity.user_quotas FOR EACH ROW EXECUTE FUNCTION ops.audit_row('user_quota',
        'used_api_calls', 'used_tokens', 'used_cost', 'used_compute_seconds', 'period_start');
CREATE TRIGGER touch_updated_at BEFORE UPDATE OF
        max_api_calls, max_tokens, max_cost, max_storage_bytes, max_compute_seconds, timezone
    ON identity.user_quotas FOR EACH ROW EXECUTE FUNCTION app.touch_updated_at();
CREATE TRIGGER announce_limits AFTER INSERT OR DELETE OR UPDATE OF
        max_api_calls, max_tokens, max_cost, max_storage_bytes, max_compute_seconds, timezone
    ON identity.user_quotas FOR EACH STATEMENT EXECUTE FUNCTION gateway.announce_limits();

GRANT CREATE ON SCHEMA gateway TO lyceum_maintenance;

-- How quotas stand in the month of `at`, of which they may have seen nothing yet. The arrays are
-- of calls, tokens, cost and seconds; a maximum that is NULL does not limit.
CREATE FUNCTION gateway.quota_standing(targets uuid[], at timestamptz)
    RETURNS TABLE (quota_id uuid, scope text, subject_id uuid, timezone text, month date,
                   begins_at timestamptz, ends_at timestamptz, maximum numeric[], used numeric[],
                   leased numeric[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT q.id,
           CASE WHEN q.user_id IS NOT NULL THEN 'user' WHEN q.group_id IS NOT NULL THEN 'group'
                ELSE 'api_key' END,
           coalesce(q.user_id, q.group_id, q.api_key_id), q.timezone, p.month,
           p.month::timestamp AT TIME ZONE q.timezone, gateway.month_end(p.month, q.timezone),
           ARRAY[q.max_api_calls, q.max_tokens, q.max_cost, q.max_compute_seconds],
           CASE WHEN q.period_start = p.month
                THEN ARRAY[q.used_api_calls, q.used_tokens, q.used_cost, q.used_compute_seconds]
                ELSE ARRAY[0::numeric, 0, 0, 0] END,
           held.amounts
    FROM identity.user_quotas q
    CROSS JOIN LATERAL (
        SELECT greatest(q.period_start, gateway.month_of(at, q.timezone)) AS month) p
    CROSS JOIN LATERAL (
        SELECT ARRAY[coalesce(sum(l.api_calls), 0), coalesce(sum(l.tokens), 0),
                     coalesce(sum(l.cost), 0), coalesce(sum(l.compute_seconds), 0)] AS amounts
        FROM gateway.quota_leases l WHERE l.quota_id = q.id) held
    WHERE q.id = ANY (targets)
$$;
ALTER FUNCTION gateway.quota_standing(uuid[], timestamptz) OWNER TO lyceum_maintenance;

-- Takes away what processes hold that are no more; answers of how many quotas.
CREATE FUNCTION gateway.release_abandoned() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH dead AS MATERIALIZED (
        SELECT h.holder FROM (SELECT DISTINCT holder FROM gateway.quota_leases) h
        WHERE pg_try_advisory_xact_lock(h.holder)
    ), released AS (
        DELETE FROM gateway.quota_leases l USING dead WHERE l.holder = dead.holder
        RETURNING l.quota_id
    )
    SELECT count(*) FROM released
$$;
ALTER FUNCTION gateway.release_abandoned() OWNER TO lyceum_maintenance;

-- Gives back what a process does not need. `amounts` are four of each quota, one after the other.
CREATE FUNCTION gateway.return_quotas(held_by bigint, targets uuid[], amounts numeric[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    -- Nobody misses what a crash of the database forgets of leases: it ends them all.
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE gateway.quota_leases l
    SET api_calls = greatest(l.api_calls - amounts[4 * t.place - 3], 0),
        tokens = greatest(l.tokens - amounts[4 * t.place - 2], 0),
        cost = greatest(l.cost - amounts[4 * t.place - 1], 0),
        compute_seconds = greatest(l.compute_seconds - amounts[4 * t.place], 0)
    FROM unnest(targets) WITH ORDINALITY AS t (id, place)
    WHERE l.quota_id = t.id AND l.holder = held_by;
    DELETE FROM gateway.quota_leases l
    WHERE l.holder = held_by AND l.quota_id = ANY (targets)
      AND (l.api_calls, l.tokens, l.cost, l.compute_seconds) = (0, 0, 0, 0);
END
$$;
ALTER FUNCTION gateway.return_quotas(bigint, uuid[], numeric[]) OWNER TO lyceum_maintenance;

-- Leases the same multiple of `wanted` of all `targets`, or nothing (`times` is 0) where one of
-- them has not even `wanted`; before that it gives back `amounts`. An eighth of what is left at
-- most, so that other processes find something, too, and not beyond four fifths of a quota, so
-- that whoever crosses them comes here and is warned. Answers how all of them stand then.
CREATE FUNCTION gateway.lease_quotas(
        held_by bigint, targets uuid[], amounts numeric[], wanted numeric[], at timestamptz)
    RETURNS TABLE (times bigint, elsewhere boolean, quota_id uuid, scope text, subject_id uuid,
                   timezone text, month date, begins_at timestamptz, ends_at timestamptz,
                   maximum numeric[], used numeric[], leased numeric[])
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    multiple bigint;
    is_elsewhere boolean := false;
BEGIN
    -- Locked in one order, here and where the ledger settles.
    PERFORM FROM identity.user_quotas q WHERE q.id = ANY (targets) ORDER BY q.id FOR UPDATE;
    PERFORM gateway.return_quotas(held_by, targets, amounts);
    FOR attempt IN 1..2 LOOP
        SELECT coalesce(least(1024, min(CASE WHEN r.room < 1 THEN 0
                   ELSE greatest(1, least(div(r.room, 8),
                        CASE WHEN r.unwarned >= 1 THEN r.unwarned ELSE r.room END)) END)), 1024)
        INTO multiple
        FROM (SELECT div(a.maximum - a.used - a.leased, a.wanted) AS room,
                     div(0.8 * a.maximum - a.used - a.leased, a.wanted) AS unwarned
              FROM gateway.quota_standing(targets, at) s
              CROSS JOIN LATERAL unnest(s.maximum, s.used, s.leased, wanted)
                   AS a (maximum, used, leased, wanted)
              WHERE a.maximum IS NOT NULL AND a.wanted > 0) r;
        EXIT WHEN multiple > 0 OR gateway.release_abandoned() = 0;
    END LOOP;
    IF multiple > 0 THEN
        INSERT INTO gateway.quota_leases AS l
            (quota_id, holder, api_calls, tokens, cost, compute_seconds)
        SELECT q.id, held_by,
               CASE WHEN q.max_api_calls IS NULL THEN 0 ELSE multiple * wanted[1] END,
               CASE WHEN q.max_tokens IS NULL THEN 0 ELSE multiple * wanted[2] END,
               CASE WHEN q.max_cost IS NULL THEN 0 ELSE multiple * wanted[3] END,
               CASE WHEN q.max_compute_seconds IS NULL THEN 0 ELSE multiple * wanted[4] END
        FROM identity.user_quotas q WHERE q.id = ANY (targets)
        ON CONFLICT (quota_id, holder) DO UPDATE
        SET api_calls = l.api_calls + excluded.api_calls, tokens = l.tokens + excluded.tokens,
            cost = l.cost + excluded.cost,
            compute_seconds = l.compute_seconds + excluded.compute_seconds;
    ELSIF EXISTS (SELECT FROM gateway.quota_leases l
                  WHERE l.quota_id = ANY (targets) AND l.holder <> held_by) THEN
        -- Others may hold more than their calls need.
        PERFORM pg_notify('lyceum_limits', 'leases');
        is_elsewhere := true;
    END IF;
    RETURN QUERY SELECT multiple, is_elsewhere, s.* FROM gateway.quota_standing(targets, at) s;
END
$$;
ALTER FUNCTION gateway.lease_quotas(bigint, uuid[], numeric[], numeric[], timestamptz)
    OWNER TO lyceum_maintenance;

-- As before, but with a lock that the ledger's writer waits for also where it knows of no quota: it
-- asks, FOR KEY SHARE, whether there is one.
-- Sets the limits of one user, group or key; answers the quota's id, or NULL where the subject does
-- not exist or the acting user may not.
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
        AND q.timezone = zone FOR UPDATE;
    is_new := NOT FOUND;
    IF is_new THEN
        -- From here on no call is settled until this commits: none is missed or counted twice.
        LOCK TABLE identity.user_quotas IN EXCLUSIVE MODE;
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

-- A person who moves takes their month along.
CREATE OR REPLACE FUNCTION gateway.follow_timezone() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    targets uuid[] := ARRAY(
        SELECT q.id FROM identity.user_quotas q
        WHERE q.user_id = NEW.id
           OR q.api_key_id IN (SELECT k.id FROM identity.api_keys k WHERE k.user_id = NEW.id));
BEGIN
    IF targets <> '{}' THEN
        LOCK TABLE identity.user_quotas IN EXCLUSIVE MODE;
        UPDATE identity.user_quotas SET timezone = NEW.timezone WHERE id = ANY (targets);
        PERFORM gateway.recount_quota(target, clock_timestamp()) FROM unnest(targets) AS target;
    END IF;
    RETURN NULL;
END
$$;

REVOKE CREATE ON SCHEMA gateway FROM lyceum_maintenance;
