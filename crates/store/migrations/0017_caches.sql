-- Answers that are kept for those who ask the same again, and what else nodes remember.

-- Whether a model's answers are kept, and for how many seconds.
ALTER TABLE gateway.ai_model_configs
    ADD COLUMN cache boolean NOT NULL DEFAULT false,
    ADD COLUMN cache_seconds integer NOT NULL DEFAULT 600
        CHECK (cache_seconds BETWEEN 1 AND 86400);

-- Whether a call's answer was kept of an earlier one. Its tokens are those of that answer; nobody
-- spent them again, so they cost nothing and no quota counts them.
ALTER TABLE gateway.usage_statistics
    ADD COLUMN cache_hit boolean NOT NULL DEFAULT false;

-- As before; of a kept answer only the call counts.
GRANT CREATE ON SCHEMA gateway TO lyceum_maintenance;
CREATE OR REPLACE FUNCTION gateway.recount_quota(target uuid, at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE identity.user_quotas q
    SET period_start = gateway.month_of(at, q.timezone), used_api_calls = sums.calls,
        used_tokens = least(sums.tokens, 9223372036854775807), used_cost = sums.cost,
        used_compute_seconds = sums.seconds
    FROM identity.user_quotas t
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE attempt = 1) AS calls,
               coalesce(sum(prompt_tokens + completion_tokens) FILTER (WHERE NOT cache_hit), 0)
                   AS tokens,
               least(coalesce(sum(cost), 0), 999999999) AS cost,
               coalesce(sum(gateway.compute_seconds(provider_config_id, latency_ms))
                   FILTER (WHERE NOT cache_hit), 0) AS seconds
        FROM gateway.usage_statistics u
        WHERE u.created_at >= gateway.month_of(at, t.timezone)::timestamp AT TIME ZONE t.timezone
          AND u.created_at < gateway.month_end(gateway.month_of(at, t.timezone), t.timezone)
          AND (u.user_id = t.user_id OR u.api_key_id = t.api_key_id
               OR u.group_ids @> ARRAY[t.group_id])
    ) sums
    WHERE t.id = target AND q.id = t.id
$$;
REVOKE CREATE ON SCHEMA gateway FROM lyceum_maintenance;

-- Tells every node, at commit, which keys of the cache do not hold any more: the key of the argument,
-- in which `{id}` stands for the column that the second one names.
CREATE FUNCTION app.forget_cached() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    changed jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
BEGIN
    PERFORM pg_notify('lyceum_cache', replace(TG_ARGV[0], '{id}', changed ->> TG_ARGV[1]));
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_cached AFTER INSERT OR UPDATE OR DELETE ON identity.user_preferences
    FOR EACH ROW EXECUTE FUNCTION app.forget_cached('user:{id}:preferences', 'user_id');
CREATE TRIGGER forget_cached AFTER INSERT OR UPDATE OR DELETE ON gateway.ai_providers
    FOR EACH ROW EXECUTE FUNCTION app.forget_cached('ai_providers:active', 'name');
