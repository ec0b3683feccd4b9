-- Providers, models, prices and the ledger of every call.

-- What the program can speak to. `config_schema` is the JSON Schema of provider_configs.config; forms
-- and validation both come from it.
CREATE TABLE gateway.ai_providers (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9_]{1,50}$'),
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 100),
    default_base_url text CHECK (length(default_base_url) <= 500),
    requires_api_key boolean NOT NULL,
    config_schema jsonb NOT NULL CHECK (jsonb_typeof(config_schema) = 'object'),
    is_active boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CALL app.track_updates('gateway.ai_providers');
CALL app.audit('gateway.ai_providers', 'provider_type');
CALL app.secure('gateway.ai_providers', 'true', '(SELECT app.is_admin())');

INSERT INTO gateway.ai_providers
    (id, name, display_name, default_base_url, requires_api_key, config_schema, is_active)
SELECT app.new_id(), name, display_name, default_base_url, requires_api_key,
       CASE WHEN name = 'local' THEN '{"type": "object", "additionalProperties": false}'::jsonb
       ELSE jsonb_build_object(
           'type', 'object', 'additionalProperties', false, 'properties',
           CASE WHEN name = 'openai' THEN jsonb_build_object(
               'organization', '{"type": "string", "maxLength": 100, "title": "Organization"}'::jsonb,
               'project', '{"type": "string", "maxLength": 100, "title": "Project"}'::jsonb)
           ELSE '{}'::jsonb END || '{
               "first_byte_timeout_seconds": {"type": "integer", "minimum": 1, "maximum": 3600,
                   "default": 120, "title": "Seconds to wait for the first byte"},
               "idle_timeout_seconds": {"type": "integer", "minimum": 1, "maximum": 3600,
                   "default": 60, "title": "Seconds to wait between two pieces of a stream"},
               "embedding_batch_size": {"type": "integer", "minimum": 1, "maximum": 2048,
                   "default": 64, "title": "Texts per embedding request"}
           }'::jsonb) END,
       is_active
FROM (VALUES
    ('openai', 'OpenAI', 'https://api.openai.com/v1', true, true),
    ('deepseek', 'DeepSeek', 'https://api.deepseek.com/v1', true, true),
    ('qwen', 'Qwen (DashScope)', 'https://dashscope.aliyuncs.com/compatible-mode/v1', true, true),
    ('ollama', 'Ollama', 'http://localhost:11434/v1', false, true),
    ('custom', 'OpenAI-compatible', NULL, false, true),
    ('local', 'Built in', NULL, false, true),
    ('anthropic', 'Anthropic', 'https://api.anthropic.com', true, false),
    ('gemini', 'Google Gemini', 'https://generativelanguage.googleapis.com', true, false),
    ('doubao', 'Doubao (Volcengine Ark)', 'https://ark.cn-beijing.volces.com/api/v3', true, false),
    ('spark', 'iFLYTEK Spark', 'https://spark-api-open.xf-yun.com/v1', true, false),
    ('dify', 'Dify', NULL, true, false)
) AS seeded (name, display_name, default_base_url, requires_api_key, is_active);

-- An account at a provider: a person's own, or the organisation's. The key is sealed by the program
-- for this very row.
CREATE TABLE gateway.provider_configs (
    id uuid PRIMARY KEY,
    provider text NOT NULL REFERENCES gateway.ai_providers (name) ON UPDATE CASCADE ON DELETE RESTRICT,
    scope text NOT NULL CHECK (scope IN ('personal', 'organization')),
    owner_id uuid REFERENCES identity.users (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    base_url text NOT NULL CHECK (length(base_url) BETWEEN 1 AND 500),
    encrypted_key bytea CHECK (octet_length(encrypted_key) <= 16384),
    key_id text CHECK (length(key_id) <= 100),
    key_hint text CHECK (length(key_hint) <= 10),
    config jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
    -- Whether an organisation's provider is for everyone or for those it is distributed to.
    audience text NOT NULL DEFAULT 'everyone' CHECK (audience IN ('everyone', 'selected')),
    is_active boolean NOT NULL DEFAULT true,
    created_by uuid REFERENCES identity.users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT provider_configs_owner CHECK ((scope = 'personal') = (owner_id IS NOT NULL)),
    CONSTRAINT provider_configs_key CHECK ((encrypted_key IS NULL) = (key_id IS NULL)),
    -- Lets provider_distributions point at organisation rows only.
    CONSTRAINT provider_configs_id_scope UNIQUE (id, scope)
);
CREATE UNIQUE INDEX provider_configs_personal_name ON gateway.provider_configs (owner_id, lower(name))
    WHERE scope = 'personal' AND deleted_at IS NULL;
CREATE UNIQUE INDEX provider_configs_organization_name ON gateway.provider_configs (lower(name))
    WHERE scope = 'organization' AND deleted_at IS NULL;
CREATE INDEX provider_configs_provider ON gateway.provider_configs (provider);
CREATE INDEX provider_configs_owner_id ON gateway.provider_configs (owner_id);
CREATE INDEX provider_configs_created_by ON gateway.provider_configs (created_by);
CALL app.track_updates('gateway.provider_configs');
CALL app.audit('gateway.provider_configs', 'provider', 'encrypted_key', 'key_id');

-- To whom an organisation's provider is given: one person or one group.
CREATE TABLE gateway.provider_distributions (
    id uuid PRIMARY KEY,
    provider_config_id uuid NOT NULL,
    scope text NOT NULL DEFAULT 'organization' CHECK (scope = 'organization'),
    user_id uuid REFERENCES identity.users (id) ON DELETE CASCADE,
    group_id uuid REFERENCES identity.groups (id) ON DELETE CASCADE,
    granted_by uuid REFERENCES identity.users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT provider_distributions_target CHECK (num_nonnulls(user_id, group_id) = 1),
    CONSTRAINT provider_distributions_provider FOREIGN KEY (provider_config_id, scope)
        REFERENCES gateway.provider_configs (id, scope) ON DELETE CASCADE
);
CREATE UNIQUE INDEX provider_distributions_unique ON gateway.provider_distributions
    (provider_config_id, scope, user_id, group_id) NULLS NOT DISTINCT;
CREATE INDEX provider_distributions_user_id ON gateway.provider_distributions (user_id);
CREATE INDEX provider_distributions_group_id ON gateway.provider_distributions (group_id);
CREATE INDEX provider_distributions_granted_by ON gateway.provider_distributions (granted_by);
CALL app.track_updates('gateway.provider_distributions');
CALL app.audit('gateway.provider_distributions', 'provider_distribution');

-- The one place that decides who may use a provider.
CREATE FUNCTION gateway.can_user_access_provider(member uuid, target uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM gateway.provider_configs pc
        WHERE pc.id = target AND pc.deleted_at IS NULL
          AND (pc.owner_id = member
               OR pc.scope = 'organization'
                  AND (pc.audience = 'everyone'
                       OR EXISTS (SELECT FROM gateway.provider_distributions pd
                                  WHERE pd.provider_config_id = pc.id
                                    AND (pd.user_id = member
                                         OR pd.group_id IN (SELECT gm.group_id
                                                            FROM identity.group_members gm
                                                            JOIN identity.groups g ON g.id = gm.group_id
                                                            WHERE gm.user_id = member
                                                              AND g.deleted_at IS NULL)))))
    );
END
$$;
GRANT USAGE, CREATE ON SCHEMA gateway TO lyceum_maintenance;
ALTER FUNCTION gateway.can_user_access_provider(uuid, uuid) OWNER TO lyceum_maintenance;

-- Whether the acting user may change a provider and what hangs on it.
CREATE FUNCTION gateway.can_change_provider(target uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM gateway.provider_configs pc
        WHERE pc.id = target
          AND (pc.owner_id = app.current_user_id()
               OR pc.scope = 'organization' AND app.is_admin())
    );
END
$$;
ALTER FUNCTION gateway.can_change_provider(uuid) OWNER TO lyceum_maintenance;
REVOKE CREATE ON SCHEMA gateway FROM lyceum_maintenance;

CALL app.secure('gateway.provider_configs',
    'owner_id = (SELECT app.current_user_id())
     OR scope = ''organization'' AND ((SELECT app.is_admin())
        OR gateway.can_user_access_provider((SELECT app.current_user_id()), id))',
    'owner_id = (SELECT app.current_user_id())
     OR scope = ''organization'' AND (SELECT app.is_admin())');
CALL app.secure('gateway.provider_distributions',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.is_admin())',
    '(SELECT app.is_admin())');

-- What the acting user may call, without any secret.
CREATE VIEW gateway.user_available_providers WITH (security_invoker = true) AS
SELECT app.current_user_id() AS user_id, pc.id AS provider_config_id, pc.provider, pc.scope, pc.name,
       pc.base_url, pc.key_hint, pc.created_at
FROM gateway.provider_configs pc JOIN gateway.ai_providers p ON p.name = pc.provider
WHERE pc.is_active AND p.is_active
  AND gateway.can_user_access_provider(app.current_user_id(), pc.id);

-- A model that can be asked: one of a provider config, or a built-in one (no provider config). Who
-- sees it follows from the provider.
CREATE TABLE gateway.ai_model_configs (
    id uuid PRIMARY KEY,
    provider text NOT NULL REFERENCES gateway.ai_providers (name) ON UPDATE CASCADE ON DELETE RESTRICT,
    provider_config_id uuid REFERENCES gateway.provider_configs (id) ON DELETE CASCADE,
    owner_id uuid REFERENCES identity.users (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    model text NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (kind IN ('chat', 'embedding')),
    max_tokens integer CHECK (max_tokens > 0),
    temperature numeric(4, 3) CHECK (temperature BETWEEN 0 AND 2),
    context_length integer CHECK (context_length > 0),
    dimensions integer CHECK (dimensions BETWEEN 1 AND 16000),
    options jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(options) = 'object'),
    -- The organisation's default of its kind, for those who chose none themselves.
    is_default boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    created_by uuid REFERENCES identity.users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT ai_model_configs_provider CHECK ((provider = 'local') = (provider_config_id IS NULL)),
    CONSTRAINT ai_model_configs_default CHECK (NOT is_default OR owner_id IS NULL)
);
CREATE UNIQUE INDEX ai_model_configs_personal_name ON gateway.ai_model_configs (owner_id, lower(name))
    WHERE owner_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX ai_model_configs_shared_name ON gateway.ai_model_configs (lower(name))
    WHERE owner_id IS NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX ai_model_configs_organization_default ON gateway.ai_model_configs (kind)
    WHERE is_default AND deleted_at IS NULL;
CREATE INDEX ai_model_configs_provider_name ON gateway.ai_model_configs (provider);
CREATE INDEX ai_model_configs_provider_config_id ON gateway.ai_model_configs (provider_config_id);
CREATE INDEX ai_model_configs_owner_id ON gateway.ai_model_configs (owner_id);
CREATE INDEX ai_model_configs_created_by ON gateway.ai_model_configs (created_by);
CALL app.track_updates('gateway.ai_model_configs');
CALL app.audit('gateway.ai_model_configs', 'model');
CALL app.secure('gateway.ai_model_configs',
    'owner_id = (SELECT app.current_user_id()) OR provider_config_id IS NULL
     OR (SELECT app.is_admin()) AND owner_id IS NULL
     OR gateway.can_user_access_provider((SELECT app.current_user_id()), provider_config_id)',
    'provider_config_id IS NULL AND (SELECT app.is_admin())
     OR owner_id = (SELECT app.current_user_id())
        AND gateway.can_change_provider(provider_config_id)
     OR owner_id IS NULL AND (SELECT app.is_admin())
        AND gateway.can_change_provider(provider_config_id)');

-- A model belongs to whom its provider config belongs.
CREATE FUNCTION gateway.check_model_owner() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.provider_config_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM gateway.provider_configs pc
        WHERE pc.id = NEW.provider_config_id AND pc.provider = NEW.provider
          AND pc.owner_id IS NOT DISTINCT FROM NEW.owner_id
    ) THEN
        RAISE EXCEPTION 'the model does not belong to its provider'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ai_model_configs_owner';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER check_owner BEFORE INSERT OR UPDATE OF provider, provider_config_id, owner_id
    ON gateway.ai_model_configs FOR EACH ROW EXECUTE FUNCTION gateway.check_model_owner();

-- The model that a person chose, at most one of each kind.
CREATE TABLE gateway.user_default_models (
    user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('chat', 'embedding')),
    model_config_id uuid NOT NULL REFERENCES gateway.ai_model_configs (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, kind)
);
CREATE INDEX user_default_models_model_config_id ON gateway.user_default_models (model_config_id);
CALL app.track_updates('gateway.user_default_models');
CALL app.secure_owned('gateway.user_default_models', 'user_id');

-- Prices per 1,000,000 tokens in US dollars. A new price is a new row; the one in force is the latest
-- whose valid_from has passed. A row for one provider config goes before one for the provider.
CREATE TABLE gateway.model_prices (
    id uuid PRIMARY KEY,
    provider text NOT NULL REFERENCES gateway.ai_providers (name) ON UPDATE CASCADE ON DELETE RESTRICT,
    provider_config_id uuid REFERENCES gateway.provider_configs (id) ON DELETE CASCADE,
    model text NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
    input_price numeric(18, 9) CHECK (input_price >= 0),
    output_price numeric(18, 9) CHECK (output_price >= 0),
    cached_input_price numeric(18, 9) CHECK (cached_input_price >= 0),
    embedding_price numeric(18, 9) CHECK (embedding_price >= 0),
    valid_from timestamptz NOT NULL,
    created_by uuid REFERENCES identity.users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT model_prices_version UNIQUE NULLS NOT DISTINCT
        (provider, provider_config_id, model, valid_from)
);
CREATE INDEX model_prices_lookup ON gateway.model_prices (provider, model, valid_from DESC);
CREATE INDEX model_prices_provider_config_id ON gateway.model_prices (provider_config_id);
CREATE INDEX model_prices_created_by ON gateway.model_prices (created_by);
CALL app.track_updates('gateway.model_prices');
CALL app.audit('gateway.model_prices', 'model_price');
CALL app.secure('gateway.model_prices',
    'provider_config_id IS NULL OR (SELECT app.is_admin())
     OR gateway.can_user_access_provider((SELECT app.current_user_id()), provider_config_id)',
    'provider_config_id IS NULL AND (SELECT app.is_admin())
     OR gateway.can_change_provider(provider_config_id)');

-- The ledger: one row for each call of any kind, whatever became of it. It outlives what it names,
-- so nothing in it is a foreign key. A cost of NULL is an unknown price, never nothing.
CREATE TABLE gateway.usage_statistics (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    user_id uuid NOT NULL,
    api_key_id uuid,
    provider_config_id uuid,
    model_config_id uuid,
    provider text NOT NULL CHECK (length(provider) <= 50),
    requested_model text NOT NULL CHECK (length(requested_model) <= 200),
    served_model text CHECK (length(served_model) <= 200),
    purpose text NOT NULL
        CHECK (purpose IN ('chat', 'title', 'embedding', 'retrieval', 'api', 'test')),
    prompt_tokens bigint NOT NULL CHECK (prompt_tokens >= 0),
    completion_tokens bigint NOT NULL CHECK (completion_tokens >= 0),
    cached_tokens bigint NOT NULL CHECK (cached_tokens >= 0),
    reasoning_tokens bigint NOT NULL CHECK (reasoning_tokens >= 0),
    cost numeric(18, 9) CHECK (cost >= 0),
    -- Whether the tokens are our estimate because the provider sent no count.
    estimated boolean NOT NULL,
    status text NOT NULL CHECK (status IN ('completed', 'cancelled', 'failed')),
    error_code text CHECK (length(error_code) <= 50),
    latency_ms integer NOT NULL CHECK (latency_ms >= 0),
    first_token_ms integer CHECK (first_token_ms >= 0),
    conversation_id uuid,
    message_id uuid,
    request_id uuid NOT NULL,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX usage_statistics_user ON gateway.usage_statistics (user_id, created_at DESC, id DESC);
CREATE INDEX usage_statistics_created_at ON gateway.usage_statistics (created_at DESC, id DESC);
CREATE INDEX usage_statistics_request_id ON gateway.usage_statistics (request_id);
SELECT app.ensure_partitions('gateway.usage_statistics', 3);
-- Only the ledger's writer adds rows.
CALL app.secure('gateway.usage_statistics',
    'user_id = (SELECT app.current_user_id()) OR (SELECT app.is_admin())', 'false');

CALL app.grant_tables('gateway');
REVOKE INSERT, UPDATE, DELETE ON gateway.usage_statistics FROM lyceum_app;
REVOKE UPDATE ON gateway.usage_statistics FROM lyceum_maintenance;
