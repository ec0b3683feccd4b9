-- Sums of the ledger that are exact at every moment, and requests and answers kept for finding
-- faults.
--
-- A materialised view would have to read 100 million rows at each refresh and be stale in between.
-- Here the statement that adds rows to the ledger also appends their sums to usage_deltas: a plain
-- append, so that writers never wait for each other. A job moves the deltas into usage_rollups, in
-- one transaction. So whoever adds up both in one statement sees just what the ledger holds, also
-- the rows of this second and those that came late.

-- Sums of calls that began in the same quarter of an hour. Every zone that is in use begins its days
-- at a quarter of an hour of UTC, so its days are sums of these.
CREATE TABLE gateway.usage_deltas (
    id uuid PRIMARY KEY,
    starts_at timestamptz NOT NULL,
    user_id uuid NOT NULL,
    api_key_id uuid,
    group_ids uuid[] NOT NULL,
    provider_config_id uuid,
    provider text NOT NULL CHECK (length(provider) <= 50),
    -- The model that served, else the one asked for.
    model text NOT NULL CHECK (length(model) <= 200),
    purpose text NOT NULL CHECK (length(purpose) <= 50),
    -- Whether the answers were remembered: no provider was asked, so none bills them.
    cache_hit boolean NOT NULL,
    calls bigint NOT NULL,
    failed_calls bigint NOT NULL,
    cancelled_calls bigint NOT NULL,
    -- Calls whose price is unknown and that `costs` leaves out.
    unpriced_calls bigint NOT NULL,
    estimated_calls bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    -- NULL where no call has a price. Without a bound: a sum must never refuse a call.
    costs numeric,
    latency_ms bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The same sums at three grains:
--   quarter  by quarter of an hour, with everything
--   overall  by quarter of an hour, whoever called: few rows, for days in any zone
--   day      by day in UTC, with everything, for the whole days inside of a span
-- The id is a hash of what the row is about.
CREATE TABLE gateway.usage_rollups (
    id uuid PRIMARY KEY,
    grain text NOT NULL CHECK (grain IN ('quarter', 'overall', 'day')),
    starts_at timestamptz NOT NULL,
    user_id uuid,
    api_key_id uuid,
    group_ids uuid[] NOT NULL,
    provider_config_id uuid,
    provider text NOT NULL CHECK (length(provider) <= 50),
    model text NOT NULL CHECK (length(model) <= 200),
    purpose text NOT NULL CHECK (length(purpose) <= 50),
    cache_hit boolean NOT NULL,
    calls bigint NOT NULL,
    failed_calls bigint NOT NULL,
    cancelled_calls bigint NOT NULL,
    unpriced_calls bigint NOT NULL,
    estimated_calls bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    costs numeric,
    latency_ms bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT usage_rollups_overall CHECK ((grain = 'overall') = (user_id IS NULL))
-- Rows of today are added to every minute: room on the page keeps that out of the indexes.
) WITH (fillfactor = 70);
CREATE INDEX usage_rollups_span ON gateway.usage_rollups (grain, starts_at);
CREATE INDEX usage_rollups_user ON gateway.usage_rollups (user_id, grain, starts_at)
    WHERE user_id IS NOT NULL;
CREATE INDEX usage_rollups_api_key ON gateway.usage_rollups (api_key_id, grain, starts_at)
    WHERE api_key_id IS NOT NULL;
CALL app.track_updates('gateway.usage_rollups');
COMMENT ON TABLE gateway.usage_deltas IS 'derived: sums of the ledger';
COMMENT ON TABLE gateway.usage_rollups IS 'derived: sums of the ledger';

-- Only what follows from the ledger is written here.
CALL app.secure('gateway.usage_deltas',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.may(''usage'', ''read_all''))', 'false');
CALL app.secure('gateway.usage_rollups',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.may(''usage'', ''read_all''))', 'false');
GRANT SELECT ON gateway.usage_deltas, gateway.usage_rollups TO lyceum_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.usage_deltas, gateway.usage_rollups
    TO lyceum_maintenance;

-- A count that stays one: a provider may claim any number of tokens.
CREATE FUNCTION gateway.count_of(total numeric) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN least(coalesce(total, 0), 9223372036854775807)::bigint;

CREATE FUNCTION gateway.note_usage() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO gateway.usage_deltas
        (id, starts_at, user_id, api_key_id, group_ids, provider_config_id, provider, model, purpose,
         cache_hit, calls, failed_calls, cancelled_calls, unpriced_calls, estimated_calls, prompt_tokens,
         completion_tokens, cached_tokens, reasoning_tokens, costs, latency_ms, first_at, last_at)
    SELECT app.new_id(), date_bin('15 minutes', created_at, 'epoch'), user_id, api_key_id, group_ids,
           provider_config_id, provider, coalesce(served_model, requested_model), purpose, false,
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

CREATE FUNCTION gateway.rollup_id(grain text, starts_at timestamptz, member uuid, key uuid,
                                  groups uuid[], config uuid, provider text, model text,
                                  purpose text, cache_hit boolean) RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN encode(substring(sha256(convert_to(jsonb_build_array(
        grain, extract(epoch FROM starts_at), member, key, groups, config, provider, model,
        purpose, cache_hit)::text, 'UTF8')) FROM 1 FOR 16), 'hex')::uuid;

-- Moves up to `most` deltas into the roll-ups and answers how many it moved. One at a time does:
-- another finds nothing to do.
CREATE FUNCTION gateway.fold_usage(most bigint) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    folded bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('gateway.fold_usage', 0)) THEN
        RETURN 0;
    END IF;
    WITH taken AS (
        DELETE FROM gateway.usage_deltas
        WHERE id IN (SELECT id FROM gateway.usage_deltas ORDER BY id LIMIT most)
        RETURNING *
    ), sums AS (
        SELECT g.grain,
               CASE g.grain WHEN 'day' THEN date_bin('1 day', t.starts_at, 'epoch')
                            ELSE t.starts_at END AS starts_at,
               CASE WHEN g.grain <> 'overall' THEN t.user_id END AS user_id,
               CASE WHEN g.grain <> 'overall' THEN t.api_key_id END AS api_key_id,
               CASE WHEN g.grain <> 'overall' THEN t.group_ids ELSE '{}' END AS group_ids,
               t.provider_config_id, t.provider, t.model, t.purpose, t.cache_hit,
               sum(t.calls) AS calls, sum(t.failed_calls) AS failed_calls,
               sum(t.cancelled_calls) AS cancelled_calls, sum(t.unpriced_calls) AS unpriced_calls,
               sum(t.estimated_calls) AS estimated_calls, sum(t.prompt_tokens) AS prompt_tokens,
               sum(t.completion_tokens) AS completion_tokens, sum(t.cached_tokens) AS cached_tokens,
               sum(t.reasoning_tokens) AS reasoning_tokens, sum(t.costs) AS costs,
               sum(t.latency_ms) AS latency_ms, min(t.first_at) AS first_at,
               max(t.last_at) AS last_at
        FROM taken t CROSS JOIN (VALUES ('quarter'), ('overall'), ('day')) g (grain)
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ), moved AS (
        INSERT INTO gateway.usage_rollups AS r
            (id, grain, starts_at, user_id, api_key_id, group_ids, provider_config_id, provider,
             model, purpose, cache_hit, calls, failed_calls, cancelled_calls, unpriced_calls,
             estimated_calls, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, costs, latency_ms,
             first_at, last_at)
        SELECT gateway.rollup_id(grain, starts_at, user_id, api_key_id, group_ids,
                                 provider_config_id, provider, model, purpose, cache_hit),
               grain, starts_at, user_id, api_key_id, group_ids, provider_config_id, provider, model,
               purpose, cache_hit, calls, failed_calls, cancelled_calls, unpriced_calls,
               estimated_calls, gateway.count_of(prompt_tokens), gateway.count_of(completion_tokens),
               gateway.count_of(cached_tokens), gateway.count_of(reasoning_tokens), costs,
               gateway.count_of(latency_ms), first_at, last_at
        FROM sums
        ON CONFLICT (id) DO UPDATE SET
            calls = r.calls + excluded.calls,
            failed_calls = r.failed_calls + excluded.failed_calls,
            cancelled_calls = r.cancelled_calls + excluded.cancelled_calls,
            unpriced_calls = r.unpriced_calls + excluded.unpriced_calls,
            estimated_calls = r.estimated_calls + excluded.estimated_calls,
            prompt_tokens = gateway.count_of(r.prompt_tokens::numeric + excluded.prompt_tokens),
            completion_tokens =
                gateway.count_of(r.completion_tokens::numeric + excluded.completion_tokens),
            cached_tokens = gateway.count_of(r.cached_tokens::numeric + excluded.cached_tokens),
            reasoning_tokens =
                gateway.count_of(r.reasoning_tokens::numeric + excluded.reasoning_tokens),
            costs = CASE WHEN r.costs IS NULL THEN excluded.costs
                         ELSE r.costs + coalesce(excluded.costs, 0) END,
            latency_ms = gateway.count_of(r.latency_ms::numeric + excluded.latency_ms),
            first_at = least(r.first_at, excluded.first_at),
            last_at = greatest(r.last_at, excluded.last_at)
    )
    SELECT count(*) INTO folded FROM taken;
    RETURN folded;
END
$$;

-- Nothing is added between the trigger and the sums of what was there before it.
LOCK TABLE gateway.usage_statistics IN SHARE ROW EXCLUSIVE MODE;
CREATE TRIGGER note_usage AFTER INSERT ON gateway.usage_statistics
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION gateway.note_usage();

SET LOCAL ROLE lyceum_maintenance;
INSERT INTO gateway.usage_deltas
    (id, starts_at, user_id, api_key_id, group_ids, provider_config_id, provider, model, purpose,
     cache_hit, calls, failed_calls, cancelled_calls, unpriced_calls, estimated_calls, prompt_tokens,
     completion_tokens, cached_tokens, reasoning_tokens, costs, latency_ms, first_at, last_at)
SELECT app.new_id(), date_bin('15 minutes', created_at, 'epoch'), user_id, api_key_id, group_ids,
       provider_config_id, provider, coalesce(served_model, requested_model), purpose, false,
       count(*), count(*) FILTER (WHERE status = 'failed'),
       count(*) FILTER (WHERE status = 'cancelled'), count(*) FILTER (WHERE cost IS NULL),
       count(*) FILTER (WHERE estimated), gateway.count_of(sum(prompt_tokens)),
       gateway.count_of(sum(completion_tokens)), gateway.count_of(sum(cached_tokens)),
       gateway.count_of(sum(reasoning_tokens)), sum(cost), sum(latency_ms), min(created_at),
       max(created_at)
FROM gateway.usage_statistics GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10;
RESET ROLE;

-- What was used of each provider config on each day in UTC. It is read from the roll-ups and never
-- stale, so nothing is to be refreshed.
CREATE VIEW gateway.mv_provider_usage_daily WITH (security_invoker = true) AS
SELECT (u.starts_at AT TIME ZONE 'UTC')::date AS usage_date, u.provider_config_id AS provider_id,
       gateway.count_of(sum(u.prompt_tokens::numeric + u.completion_tokens)) AS daily_tokens,
       sum(u.costs) AS daily_cost, sum(u.calls)::bigint AS daily_requests
FROM (SELECT starts_at, provider_config_id, prompt_tokens, completion_tokens, costs, calls
      FROM gateway.usage_rollups WHERE grain = 'day'
      UNION ALL
      SELECT starts_at, provider_config_id, prompt_tokens, completion_tokens, costs, calls
      FROM gateway.usage_deltas) u
GROUP BY 1, 2;

-- What was used of each active provider config altogether.
CREATE VIEW gateway.provider_usage_summary WITH (security_invoker = true) AS
SELECT pc.id AS provider_id, pc.name AS provider_name, pc.provider AS provider_type, pc.scope,
       count(DISTINCT u.user_id) AS unique_users,
       gateway.count_of(sum(u.prompt_tokens::numeric + u.completion_tokens)) AS total_tokens,
       sum(u.costs) AS total_cost,
       sum(u.prompt_tokens::numeric + u.completion_tokens) / nullif(sum(u.calls), 0)
           AS avg_tokens_per_request,
       sum(u.costs) / nullif(sum(u.calls) - sum(u.unpriced_calls), 0) AS avg_cost_per_request,
       min(u.first_at) AS first_used_at, max(u.last_at) AS last_used_at
FROM gateway.provider_configs pc
LEFT JOIN (SELECT provider_config_id, user_id, prompt_tokens, completion_tokens, costs, calls,
                  unpriced_calls, first_at, last_at
           FROM gateway.usage_rollups WHERE grain = 'day'
           UNION ALL
           SELECT provider_config_id, user_id, prompt_tokens, completion_tokens, costs, calls,
                  unpriced_calls, first_at, last_at
           FROM gateway.usage_deltas) u ON u.provider_config_id = pc.id
WHERE pc.is_active AND pc.deleted_at IS NULL
GROUP BY pc.id;
GRANT SELECT ON gateway.mv_provider_usage_daily, gateway.provider_usage_summary
    TO lyceum_app, lyceum_maintenance;

-- Payloads -------------------------------------------------------------------------------------

ALTER TABLE gateway.ai_model_configs ADD COLUMN log_payloads text NOT NULL DEFAULT 'off'
    CHECK (log_payloads IN ('off', 'errors', 'all'));

-- A call's request and answer, redacted and sealed. `id` is the id of the call in the ledger.
CREATE TABLE gateway.call_payloads (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
    encrypted_payload bytea NOT NULL CHECK (octet_length(encrypted_payload) <= 2097152),
    key_id text NOT NULL CHECK (length(key_id) <= 100),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX call_payloads_user_id ON gateway.call_payloads (user_id);
CREATE INDEX call_payloads_created_at ON gateway.call_payloads (created_at);
CALL app.track_updates('gateway.call_payloads');
CALL app.secure('gateway.call_payloads',
    '(SELECT app.may(''payload'', ''read''))
     AND (user_id = (SELECT app.current_user_id()) OR (SELECT app.may(''usage'', ''read_all'')))',
    'false');
GRANT SELECT ON gateway.call_payloads TO lyceum_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.call_payloads TO lyceum_maintenance;

INSERT INTO ops.system_configs (id, key, value, value_schema, category, description) VALUES
    (app.new_id(), 'payloads.retention_days', '7',
     '{"type": "integer", "minimum": 1, "maximum": 365}', 'retention',
     'Days for which logged requests and answers of models are kept.'),
    (app.new_id(), 'payloads.redact_emails', 'false', '{"type": "boolean"}', 'privacy',
     'Whether e-mail addresses are taken out of logged requests and answers.');
