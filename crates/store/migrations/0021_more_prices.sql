-- Tokens that some providers charge for apart: those that a model spends on reasoning, and those of
-- a prompt that are written to the provider's cache. NULL is the price of tokens generated, and of
-- the prompt.
ALTER TABLE gateway.model_prices
    ADD COLUMN reasoning_price numeric(18, 9) CHECK (reasoning_price >= 0),
    ADD COLUMN cache_write_price numeric(18, 9) CHECK (cache_write_price >= 0);
