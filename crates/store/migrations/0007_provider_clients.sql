-- The providers that the program has learnt to speak to, and the settings that each takes. The form,
-- the validation and the documentation of a provider config all come from `config_schema`.

-- A region's address stands beside its name, so that choosing the region is enough.
UPDATE gateway.ai_providers SET
    config_schema = jsonb_set(jsonb_set(jsonb_set(config_schema,
        '{properties,region}', '{
            "type": "string", "enum": ["beijing", "singapore", "virginia"], "default": "beijing",
            "title": "Region",
            "description": "Keys belong to one region. A base URL of your own goes before.",
            "x-base-urls": {
                "beijing": "https://dashscope.aliyuncs.com/compatible-mode/v1",
                "singapore": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
                "virginia": "https://dashscope-us.aliyuncs.com/compatible-mode/v1"}}'),
        '{properties,enable_thinking}', '{
            "type": "boolean", "title": "Let models think",
            "description": "Sent as enable_thinking, which models of mixed kind need. A request''s own value goes before."}'),
        '{properties,embedding_batch_size}', '{
            "type": "integer", "minimum": 1, "maximum": 2048, "default": 10,
            "title": "Texts per embedding request"}')
WHERE name = 'qwen';

UPDATE gateway.ai_providers SET
    config_schema = jsonb_set(config_schema, '{properties,api}', '{
        "type": "string", "enum": ["chat", "responses"], "default": "chat", "title": "API for answers",
        "description": "Chat completions, passed through as they are, or the Responses API, which shows summaries of reasoning."}')
WHERE name = 'openai';

-- Its own API is the default now. A base URL that ends in /v1 keeps the OpenAI-compatible one.
UPDATE gateway.ai_providers SET
    default_base_url = 'http://localhost:11434',
    config_schema = jsonb_set(config_schema, '{properties,keep_alive}', '{
        "type": "string", "maxLength": 20, "title": "Keep models loaded for",
        "description": "Such as 10m or 24h; the server''s own setting where it is empty."}')
WHERE name = 'ollama';

UPDATE gateway.ai_providers SET
    is_active = true,
    config_schema = jsonb_set(config_schema #- '{properties,embedding_batch_size}',
        '{properties,beta}', '{
            "type": "string", "maxLength": 500, "title": "Beta features",
            "description": "Sent as anthropic-beta: names with commas between them."}')
WHERE name = 'anthropic';

UPDATE gateway.ai_providers SET
    is_active = true,
    config_schema = jsonb_set(config_schema, '{properties,embedding_batch_size}', '{
        "type": "integer", "minimum": 1, "maximum": 100, "default": 100,
        "title": "Texts per embedding request"}')
WHERE name = 'gemini';

UPDATE gateway.ai_providers SET
    is_active = true,
    config_schema = jsonb_set(config_schema, '{properties,thinking}', '{
        "type": "string", "enum": ["auto", "enabled", "disabled"], "default": "auto",
        "title": "Let models think",
        "description": "Sent as thinking, unless it is left to the model. A request''s own value goes before."}')
WHERE name = 'doubao';

UPDATE gateway.ai_providers SET
    is_active = true,
    config_schema = config_schema #- '{properties,embedding_batch_size}'
WHERE name = 'spark';

UPDATE gateway.ai_providers SET
    is_active = true,
    default_base_url = 'https://api.dify.ai/v1',
    config_schema = config_schema #- '{properties,embedding_batch_size}'
WHERE name = 'dify';
