-- What calls with long prompts cost. A tier holds for prompts of more than "above" tokens:
-- [{"above": 200000, "input_price": "5", "output_price": "22.5"}], the lowest first.
ALTER TABLE gateway.model_prices
    ADD COLUMN tiers jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(tiers) = 'array');
