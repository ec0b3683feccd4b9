-- Whom a call was made for, as the program that called names them: a customer of a product that stands
-- on the gateway, who is no user here. Without an index: every call would pay for it, and sums and lists
-- are asked for a span, which has one. All rows that there are have none: none is read for the check.
ALTER TABLE gateway.usage_statistics ADD COLUMN end_user text;
ALTER TABLE gateway.usage_statistics
    ADD CONSTRAINT usage_statistics_end_user_check
    CHECK (length(end_user) BETWEEN 1 AND 256) NOT VALID;
