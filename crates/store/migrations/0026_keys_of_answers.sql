-- The API key with which an answer was asked for, so that it is begun anew by that key where its node
-- was killed before it asked the model. Not a foreign key, as in the ledger: who deletes a key need not
-- look for its answers, and a key that is gone is told from none.
ALTER TABLE chat.messages ADD COLUMN api_key_id uuid;
