-- Routes: a model of ours that stands for several, which are asked in an order.
--
-- A route is a row of ai_model_configs whose provider is `route`. So it shares the models' names, and
-- all that refers to a model (conversations, defaults, rate limits) may refer to a route.

SET LOCAL ROLE lyceum_maintenance;
INSERT INTO gateway.ai_providers
    (id, name, display_name, requires_api_key, config_schema, is_active)
VALUES (app.new_id(), 'route', 'Route', false,
        '{"type": "object", "additionalProperties": false}', true);
RESET ROLE;

ALTER TABLE gateway.ai_model_configs
    DROP CONSTRAINT ai_model_configs_provider,
    ADD CONSTRAINT ai_model_configs_provider
        CHECK ((provider IN ('local', 'route')) = (provider_config_id IS NULL));

-- How a route treats its targets. Times are in milliseconds.
CREATE TABLE gateway.model_routes (
    id uuid PRIMARY KEY REFERENCES gateway.ai_model_configs ON DELETE CASCADE,
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    -- Times that a target is asked again before the next one is asked.
    retries smallint NOT NULL CHECK (retries BETWEEN 0 AND 5),
    -- Before the first of them; doubles with each.
    backoff_ms integer NOT NULL CHECK (backoff_ms BETWEEN 1 AND 10000),
    -- The most that one request waits for retries altogether.
    wait_budget_ms integer NOT NULL CHECK (wait_budget_ms BETWEEN 0 AND 60000),
    first_token_timeout_ms integer CHECK (first_token_timeout_ms BETWEEN 50 AND 3600000),
    answer_timeout_ms integer CHECK (answer_timeout_ms BETWEEN 50 AND 3600000),
    fallback_on text[] NOT NULL CHECK (fallback_on <@ ARRAY[
        'error', 'timeout', 'rate_limit', 'context_length', 'content_policy']),
    -- A target rests for cooldown_ms once this share of its calls failed within window_ms, of
    -- min_calls at least.
    failure_percent smallint NOT NULL CHECK (failure_percent BETWEEN 1 AND 100),
    min_calls smallint NOT NULL CHECK (min_calls BETWEEN 1 AND 1000),
    window_ms integer NOT NULL CHECK (window_ms BETWEEN 1000 AND 3600000),
    cooldown_ms integer NOT NULL CHECK (cooldown_ms BETWEEN 100 AND 3600000),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX model_routes_created_at ON gateway.model_routes (created_at DESC, id DESC);
CALL app.track_updates('gateway.model_routes');
CALL app.audit('gateway.model_routes', 'model_route');

-- The models that a route asks: the lowest priority first, within one at random by weight.
CREATE TABLE gateway.model_route_targets (
    id uuid PRIMARY KEY,
    route_id uuid NOT NULL REFERENCES gateway.model_routes ON DELETE CASCADE,
    model_config_id uuid NOT NULL REFERENCES gateway.ai_model_configs ON DELETE CASCADE,
    priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 100),
    weight smallint NOT NULL CHECK (weight BETWEEN 1 AND 1000),
    -- Whether it takes tools and images; NULL where nobody said.
    tools boolean,
    images boolean,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT model_route_targets_once UNIQUE (route_id, model_config_id)
);
CREATE INDEX model_route_targets_model_config_id ON gateway.model_route_targets (model_config_id);
CALL app.track_updates('gateway.model_route_targets');
CALL app.audit('gateway.model_route_targets', 'model_route_target');

-- A target is a model of the route's kind: the organisation's, or of the route's own owner. Runs
-- under row-level security, so that a model that the acting user does not see is none.
CREATE FUNCTION gateway.check_route_target() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM gateway.ai_model_configs r
        JOIN gateway.ai_model_configs m ON m.id = NEW.model_config_id
        WHERE r.id = NEW.route_id AND r.provider = 'route' AND m.provider <> 'route'
          AND m.kind = r.kind AND (m.owner_id IS NULL OR m.owner_id = r.owner_id)
    ) THEN
        RAISE EXCEPTION 'the model is no target of the route'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'model_route_targets_model';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER check_target BEFORE INSERT OR UPDATE ON gateway.model_route_targets
    FOR EACH ROW EXECUTE FUNCTION gateway.check_route_target();

GRANT CREATE ON SCHEMA gateway TO lyceum_maintenance;

-- Whether the acting user may change a route and its targets.
CREATE FUNCTION gateway.can_change_route(target uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM gateway.ai_model_configs m
        WHERE m.id = target AND m.provider = 'route'
          AND (m.owner_id = app.active_user_id()
               OR m.owner_id IS NULL AND app.may('organization_provider', 'manage')));
END
$$;
ALTER FUNCTION gateway.can_change_route(uuid) OWNER TO lyceum_maintenance;

-- As before; the rows without a provider config are the built-in models and the routes, and of the
-- latter a person's own are that person's.
CALL app.change_policies('gateway.ai_model_configs',
    'owner_id = (SELECT app.active_user_id())
     OR provider_config_id IS NULL AND owner_id IS NULL
     OR owner_id IS NULL AND (SELECT app.may(''organization_provider'', ''manage''))
     OR provider_config_id = ANY ((SELECT gateway.my_providers())::uuid[])',
    'provider_config_id IS NULL AND owner_id IS NULL
        AND (SELECT app.may(''organization_provider'', ''manage''))
     OR owner_id = (SELECT app.active_user_id())
        AND (provider = ''route'' OR gateway.can_change_provider(provider_config_id))
     OR owner_id IS NULL AND gateway.can_change_provider(provider_config_id)');
CALL app.secure('gateway.model_routes',
    'EXISTS (SELECT FROM gateway.ai_model_configs m WHERE m.id = model_routes.id)',
    'gateway.can_change_route(id)');
CALL app.secure('gateway.model_route_targets',
    'EXISTS (SELECT FROM gateway.ai_model_configs m WHERE m.id = route_id)',
    'gateway.can_change_route(route_id)');
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.model_routes, gateway.model_route_targets
    TO lyceum_app, lyceum_maintenance;

CREATE TRIGGER announce_access AFTER INSERT OR UPDATE OR DELETE ON gateway.model_routes
    FOR EACH STATEMENT EXECUTE FUNCTION app.announce_access();
CREATE TRIGGER announce_access AFTER INSERT OR UPDATE OR DELETE ON gateway.model_route_targets
    FOR EACH STATEMENT EXECUTE FUNCTION app.announce_access();

-- The ledger ---------------------------------------------------------------------------------------

-- Which attempt of its request a call was, and for which route. The name stays when the route goes.
ALTER TABLE gateway.usage_statistics
    ADD COLUMN attempt smallint NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    ADD COLUMN route_id uuid,
    ADD COLUMN route text CHECK (length(route) <= 100);

-- As before; of a request only the first attempt is a call.
CREATE OR REPLACE FUNCTION gateway.recount_quota(target uuid, at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE identity.user_quotas q
    SET period_start = gateway.month_of(at, q.timezone), used_api_calls = sums.calls,
        used_tokens = least(sums.tokens, 9223372036854775807), used_cost = sums.cost,
        used_compute_seconds = sums.seconds
    FROM identity.user_quotas t
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE attempt = 1) AS calls,
               coalesce(sum(prompt_tokens + completion_tokens), 0) AS tokens,
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

REVOKE CREATE ON SCHEMA gateway FROM lyceum_maintenance;
