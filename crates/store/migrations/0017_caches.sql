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

-- As before; what kept answers would have taken is summed up by itself.
CREATE OR REPLACE FUNCTION gateway.note_usage() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO gateway.usage_deltas
        (id, starts_at, user_id, api_key_id, group_ids, provider_config_id, provider, model, purpose,
         cache_hit, calls, failed_calls, cancelled_calls, unpriced_calls, estimated_calls, prompt_tokens,
         completion_tokens, cached_tokens, reasoning_tokens, costs, latency_ms, first_at, last_at)
    SELECT app.new_id(), date_bin('15 minutes', created_at, 'epoch'), user_id, api_key_id, group_ids,
           provider_config_id, provider, coalesce(served_model, requested_model), purpose, cache_hit,
           count(*), count(*) FILTER (WHERE status = 'failed'),
           count(*) FILTER (WHERE status = 'cancelled'), count(*) FILTER (WHERE cost IS NULL),
           count(*) FILTER (WHERE estimated), gateway.count_of(sum(prompt_tokens)),
           gateway.count_of(sum(completion_tokens)), gateway.count_of(sum(cached_tokens)),
           gateway.count_of(sum(reasoning_tokens)), sum(cost), sum(latency_ms), min(created_at),
           max(created_at)
    FROM added GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10;
    RETURN NULL;
END
$$;

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
