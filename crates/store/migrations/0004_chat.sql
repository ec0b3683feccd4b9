-- Conversations, their messages as a tree, and settings per conversation.

-- Message texts are searched by words that the program segments (Chinese has no spaces), so the
-- tsvector columns are filled by the program with to_tsvector('simple', words).
CREATE TABLE chat.conversations (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
    kind text NOT NULL DEFAULT 'chat' CHECK (kind IN ('chat', 'query', 'application')),
    model_config_id uuid REFERENCES gateway.ai_model_configs (id) ON DELETE SET NULL,
    -- Not a foreign key: the knowledge domain decides at each question which of them may be read.
    knowledge_base_ids uuid[] NOT NULL DEFAULT '{}' CHECK (cardinality(knowledge_base_ids) <= 20),
    title text NOT NULL DEFAULT '' CHECK (length(title) <= 200),
    title_source text NOT NULL DEFAULT 'auto' CHECK (title_source IN ('auto', 'user')),
    title_words tsvector,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'completed', 'error')),
    is_favorite boolean NOT NULL DEFAULT false,
    archived_at timestamptz,
    total_tokens bigint NOT NULL DEFAULT 0 CHECK (total_tokens >= 0),
    message_count bigint NOT NULL DEFAULT 0 CHECK (message_count >= 0),
    -- The counter that sequence numbers come from: no count and no maximum is ever asked for.
    last_sequence bigint NOT NULL DEFAULT 0 CHECK (last_sequence >= 0),
    last_message_at timestamptz NOT NULL,
    -- The end of the branch that is shown. Not a foreign key, so that sending stays one cheap
    -- update of this row; messages are only ever deleted together with their conversation.
    active_leaf_id uuid,
    metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    -- Lets the dependants carry the owner, and the database prove it.
    CONSTRAINT conversations_id_user UNIQUE (id, user_id)
);
CREATE INDEX conversations_activity
    ON chat.conversations (user_id, last_message_at DESC, id DESC);
CREATE INDEX conversations_model_config_id ON chat.conversations (model_config_id);
CREATE INDEX conversations_title_words ON chat.conversations USING gin (title_words)
    WHERE deleted_at IS NULL;
CALL app.track_updates('chat.conversations');
-- What people write is theirs: the audit log tells that a conversation changed, not its words.
CALL app.audit('chat.conversations', 'conversation', 'title', 'title_source', 'title_words',
               'status', 'total_tokens', 'message_count', 'last_sequence', 'last_message_at',
               'active_leaf_id', 'metadata');
CALL app.secure_owned('chat.conversations', 'user_id');

CREATE TABLE chat.messages (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    parent_id uuid,
    sequence_number bigint NOT NULL CHECK (sequence_number > 0),
    role text NOT NULL CHECK (role IN ('user', 'assistant', 'system', 'tool')),
    content text NOT NULL DEFAULT '' CHECK (length(content) <= 1000000),
    reasoning text CHECK (length(reasoning) <= 1000000),
    -- pending: not sent to a model yet; streaming: the model was asked; the others are final.
    status text NOT NULL
        CHECK (status IN ('pending', 'streaming', 'completed', 'stopped', 'error')),
    error_code text CHECK (length(error_code) <= 100),
    error_detail text CHECK (length(error_detail) <= 2000),
    finish_reason text CHECK (length(finish_reason) <= 50),
    model text CHECK (length(model) <= 200),
    provider text CHECK (length(provider) <= 50),
    prompt_tokens bigint CHECK (prompt_tokens >= 0),
    completion_tokens bigint CHECK (completion_tokens >= 0),
    cost numeric(18, 9) CHECK (cost >= 0),
    latency_ms bigint CHECK (latency_ms >= 0),
    first_token_ms bigint CHECK (first_token_ms >= 0),
    -- The call in the ledger.
    request_id uuid,
    citations jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(citations) = 'array'),
    -- Why this answer: the question, everything retrieved (dropped chunks too) and the prompt.
    context jsonb CHECK (jsonb_typeof(context) = 'object'),
    words tsvector,
    -- The repeat of a request is recognised by the key that the client gave it.
    idempotency_key text CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    -- The node that writes the answer, and when it last said so.
    node text CHECK (length(node) BETWEEN 1 AND 100),
    heartbeat_at timestamptz,
    stop_requested_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT messages_sequence UNIQUE (conversation_id, sequence_number),
    CONSTRAINT messages_conversation_id_id UNIQUE (conversation_id, id),
    CONSTRAINT messages_conversation FOREIGN KEY (conversation_id, user_id)
        REFERENCES chat.conversations (id, user_id) ON DELETE CASCADE,
    -- A parent is a message of the same conversation.
    CONSTRAINT messages_parent FOREIGN KEY (conversation_id, parent_id)
        REFERENCES chat.messages (conversation_id, id) ON DELETE CASCADE,
    CONSTRAINT messages_error CHECK ((status = 'error') = (error_code IS NOT NULL)),
    CONSTRAINT messages_running CHECK
        (status NOT IN ('pending', 'streaming')
         OR (role = 'assistant' AND node IS NOT NULL AND heartbeat_at IS NOT NULL))
);
CREATE INDEX messages_parent_id ON chat.messages (conversation_id, parent_id, sequence_number);
CREATE INDEX messages_conversation_user ON chat.messages (conversation_id, user_id);
CREATE INDEX messages_words ON chat.messages USING gin (words) WHERE deleted_at IS NULL;
CREATE INDEX messages_running ON chat.messages (conversation_id)
    WHERE status IN ('pending', 'streaming');
CREATE UNIQUE INDEX messages_idempotency_key ON chat.messages (conversation_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CALL app.track_updates('chat.messages');
CALL app.secure_owned('chat.messages', 'user_id');

CREATE TABLE chat.conversation_configs (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    key text NOT NULL CHECK (key ~ '^[a-z][a-z0-9_.]{0,63}$'),
    value jsonb NOT NULL CHECK (pg_column_size(value) <= 65536),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT conversation_configs_key UNIQUE (conversation_id, key),
    CONSTRAINT conversation_configs_conversation FOREIGN KEY (conversation_id, user_id)
        REFERENCES chat.conversations (id, user_id) ON DELETE CASCADE
);
CREATE INDEX conversation_configs_conversation_user
    ON chat.conversation_configs (conversation_id, user_id);
CALL app.track_updates('chat.conversation_configs');
CALL app.secure_owned('chat.conversation_configs', 'user_id');

-- The acting user's conversations that contain the words. Runs as the maintenance role because a
-- full-text index cannot be used below a row-level security policy (its operator may leak); the
-- owner is therefore stated here.
CREATE FUNCTION app.conversations_matching(wanted tsquery) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT c.id FROM chat.conversations c
    WHERE c.user_id = (SELECT app.current_user_id()) AND c.deleted_at IS NULL
      AND c.title_words @@ wanted
    UNION
    SELECT m.conversation_id FROM chat.messages m
    WHERE m.user_id = (SELECT app.current_user_id()) AND m.deleted_at IS NULL
      AND m.words @@ wanted
$$;
ALTER FUNCTION app.conversations_matching(tsquery) OWNER TO lyceum_maintenance;

CALL app.grant_tables('chat');
