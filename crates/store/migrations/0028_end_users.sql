-- Whom a call was made for, as the program that called names them: a customer of a product that stands
-- on the gateway, who is no user here. Without an index: every call would pay for it, and sums and lists
-- are asked for a span, which has one.
ALTER TABLE gateway.usage_statistics
    ADD COLUMN end_user text CHECK (length(end_user) BETWEEN 1 AND 256);
