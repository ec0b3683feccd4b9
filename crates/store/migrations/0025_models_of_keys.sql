-- The models and routes that a key may call, by their names (NULL: all that its owner may use). Names,
-- not ids: a key may be limited to what does not exist yet, and what is made anew under a name is meant.
ALTER TABLE identity.api_keys
    ADD COLUMN models text[]
        CHECK (array_ndims(models) = 1 AND cardinality(models) BETWEEN 1 AND 100
               AND array_position(models, NULL) IS NULL AND array_position(models, '') IS NULL
               AND length(array_to_string(models, '')) <= 20000);
CREATE TRIGGER announce_models AFTER UPDATE ON identity.api_keys
    FOR EACH ROW WHEN (OLD.models IS DISTINCT FROM NEW.models)
    EXECUTE FUNCTION app.announce_identity('key', 'id');
