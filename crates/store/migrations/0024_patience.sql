-- Answers that take long: one in one piece may take ten minutes, as long as the programs of OpenAI and
-- Anthropic wait, and a model may think for five before the first words of a stream.
SET LOCAL ROLE lyceum_maintenance;
UPDATE gateway.ai_providers SET
    config_schema = jsonb_set(jsonb_set(config_schema,
        '{properties,first_byte_timeout_seconds}', '{
            "type": "integer", "minimum": 1, "maximum": 3600, "default": 300,
            "title": "Seconds to wait for the first words of a stream"}'),
        '{properties,answer_timeout_seconds}', '{
            "type": "integer", "minimum": 1, "maximum": 3600, "default": 600,
            "title": "Seconds to wait for an answer that is not streamed"}')
WHERE config_schema #> '{properties,first_byte_timeout_seconds}' IS NOT NULL;

-- The form wrote its default of that time into each config, where nobody chose it.
UPDATE gateway.provider_configs SET config = config - 'first_byte_timeout_seconds'
WHERE config -> 'first_byte_timeout_seconds' = '120';
RESET ROLE;
