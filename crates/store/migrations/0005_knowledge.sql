-- Knowledge bases: documents, their text page by page, and their chunks with words and vectors.

CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE TABLE knowledge.knowledge_bases (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
    collection_name text NOT NULL CONSTRAINT knowledge_bases_collection_name UNIQUE
        CHECK (collection_name ~ '^kb_[0-9a-f]{32}$'),
    -- The name stays when the model config goes, so that nobody embeds questions with another.
    embedding_model text NOT NULL CHECK (length(embedding_model) BETWEEN 1 AND 200),
    embedding_model_config_id uuid REFERENCES gateway.ai_model_configs ON DELETE SET NULL,
    vector_dimension integer NOT NULL CHECK (vector_dimension BETWEEN 1 AND 4000),
    chunk_size integer NOT NULL DEFAULT 512 CHECK (chunk_size BETWEEN 64 AND 8192),
    chunk_overlap integer NOT NULL DEFAULT 50
        CHECK (chunk_overlap >= 0 AND chunk_overlap <= chunk_size / 2),
    index_type text NOT NULL DEFAULT 'hnsw' CHECK (index_type IN ('hnsw')),
    similarity_metric text NOT NULL DEFAULT 'cosine' CHECK (similarity_metric IN ('cosine')),
    document_count bigint NOT NULL DEFAULT 0 CHECK (document_count >= 0),
    chunk_count bigint NOT NULL DEFAULT 0 CHECK (chunk_count >= 0),
    word_count bigint NOT NULL DEFAULT 0 CHECK (word_count >= 0),
    total_size bigint NOT NULL DEFAULT 0 CHECK (total_size >= 0),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'building', 'error')),
    visibility text NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'organization')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at timestamptz
);
CREATE INDEX knowledge_bases_owner_id
    ON knowledge.knowledge_bases (owner_id, created_at DESC, id DESC);
CREATE INDEX knowledge_bases_shared
    ON knowledge.knowledge_bases (id) WHERE visibility = 'organization' AND deleted_at IS NULL;
CREATE INDEX knowledge_bases_embedding_model_config_id
    ON knowledge.knowledge_bases (embedding_model_config_id);
CREATE UNIQUE INDEX knowledge_bases_name
    ON knowledge.knowledge_bases (owner_id, lower(name)) WHERE deleted_at IS NULL;
CALL app.track_updates('knowledge.knowledge_bases');

-- What somebody else than the owner may do: view lists and reads, use also retrieves, edit also
-- uploads and deletes documents.
CREATE TABLE knowledge.knowledge_base_grants (
    id uuid PRIMARY KEY,
    knowledge_base_id uuid NOT NULL REFERENCES knowledge.knowledge_bases ON DELETE CASCADE,
    user_id uuid REFERENCES identity.users ON DELETE CASCADE,
    group_id uuid REFERENCES identity.groups ON DELETE CASCADE,
    permission text NOT NULL CHECK (permission IN ('view', 'use', 'edit')),
    granted_by uuid REFERENCES identity.users ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT knowledge_base_grants_once UNIQUE NULLS NOT DISTINCT
        (knowledge_base_id, user_id, group_id),
    CHECK (num_nonnulls(user_id, group_id) = 1)
);
CREATE INDEX knowledge_base_grants_user_id ON knowledge.knowledge_base_grants (user_id);
CREATE INDEX knowledge_base_grants_group_id ON knowledge.knowledge_base_grants (group_id);
CREATE INDEX knowledge_base_grants_granted_by ON knowledge.knowledge_base_grants (granted_by);
CALL app.track_updates('knowledge.knowledge_base_grants');

-- The living bases on which the acting user may do `action`: view, use, edit or own. One call a
-- query: write `= ANY ((SELECT knowledge.bases_for('view'))::uuid[])`.
CREATE FUNCTION knowledge.bases_for(action text) RETURNS uuid[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    person uuid := app.current_user_id();
BEGIN
    RETURN ARRAY(
        SELECT id FROM knowledge.knowledge_bases
        WHERE owner_id = person AND deleted_at IS NULL
        UNION
        SELECT id FROM knowledge.knowledge_bases
        WHERE visibility = 'organization' AND deleted_at IS NULL
          AND person IS NOT NULL AND action IN ('view', 'use')
        UNION
        SELECT b.id
        FROM knowledge.knowledge_base_grants g
        JOIN knowledge.knowledge_bases b ON b.id = g.knowledge_base_id
        WHERE b.deleted_at IS NULL
          AND (g.user_id = person
               OR g.group_id IN (SELECT m.group_id
                                 FROM identity.group_members m
                                 JOIN identity.groups o ON o.id = m.group_id
                                 WHERE m.user_id = person AND o.deleted_at IS NULL))
          AND CASE action
                  WHEN 'view' THEN true
                  WHEN 'use' THEN g.permission IN ('use', 'edit')
                  WHEN 'edit' THEN g.permission = 'edit'
                  ELSE false
              END
    );
END
$$;
GRANT CREATE ON SCHEMA knowledge TO lyceum_maintenance;
ALTER FUNCTION knowledge.bases_for(text) OWNER TO lyceum_maintenance;

-- An owner also sees the rows of a deleted base, or deleting it would be refused.
CALL app.secure('knowledge.knowledge_bases',
    'owner_id = (SELECT app.current_user_id())
     OR id = ANY ((SELECT knowledge.bases_for(''view''))::uuid[])',
    'owner_id = (SELECT app.current_user_id())');
CALL app.secure('knowledge.knowledge_base_grants',
    'user_id = (SELECT app.current_user_id())
     OR knowledge_base_id = ANY ((SELECT knowledge.bases_for(''own''))::uuid[])',
    'knowledge_base_id = ANY ((SELECT knowledge.bases_for(''own''))::uuid[])');

CREATE TABLE knowledge.documents (
    id uuid PRIMARY KEY,
    knowledge_base_id uuid NOT NULL REFERENCES knowledge.knowledge_bases ON DELETE CASCADE,
    uploaded_by uuid REFERENCES identity.users ON DELETE SET NULL,
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    filename text NOT NULL CHECK (length(filename) BETWEEN 1 AND 255),
    file_path text NOT NULL CHECK (length(file_path) <= 200),
    file_size bigint NOT NULL CHECK (file_size > 0),
    mime_type text NOT NULL CHECK (length(mime_type) <= 120),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    processing_status text NOT NULL DEFAULT 'pending'
        CHECK (processing_status IN ('pending', 'processing', 'completed', 'failed')),
    stage text NOT NULL DEFAULT 'queued'
        CHECK (stage IN ('queued', 'parsing', 'chunking', 'embedding', 'indexing', 'done')),
    progress smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    page_count integer NOT NULL DEFAULT 0,
    chunk_count integer NOT NULL DEFAULT 0,
    -- Hash over the offsets of all chunks; a resumed job compares it before it goes on.
    chunk_plan bytea,
    attempts integer NOT NULL DEFAULT 0,
    error_code text CHECK (length(error_code) <= 60),
    error_detail text CHECK (length(error_detail) <= 1000),
    completed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at timestamptz,
    CHECK ((processing_status = 'completed') = (stage = 'done'))
);
CREATE UNIQUE INDEX documents_content ON knowledge.documents (knowledge_base_id, content_hash)
    WHERE deleted_at IS NULL;
CREATE INDEX documents_knowledge_base_id
    ON knowledge.documents (knowledge_base_id, created_at DESC, id DESC);
CREATE INDEX documents_uploaded_by ON knowledge.documents (uploaded_by);
CREATE INDEX documents_unfinished ON knowledge.documents (knowledge_base_id)
    WHERE processing_status <> 'completed' OR deleted_at IS NOT NULL;
CALL app.track_updates('knowledge.documents');
CALL app.secure('knowledge.documents',
    'knowledge_base_id = ANY ((SELECT knowledge.bases_for(''view''))::uuid[])',
    'knowledge_base_id = ANY ((SELECT knowledge.bases_for(''edit''))::uuid[])');

-- Keeps the counts of living documents in step, whoever writes them.
CREATE FUNCTION knowledge.count_documents() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    before integer := CASE WHEN TG_OP <> 'INSERT' AND OLD.deleted_at IS NULL THEN 1 ELSE 0 END;
    after integer := CASE WHEN TG_OP <> 'DELETE' AND NEW.deleted_at IS NULL THEN 1 ELSE 0 END;
BEGIN
    IF before <> after THEN
        UPDATE knowledge.knowledge_bases
        SET document_count = document_count + after - before,
            total_size = total_size + (after - before) * coalesce(NEW.file_size, OLD.file_size)
        WHERE id = coalesce(NEW.knowledge_base_id, OLD.knowledge_base_id);
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION knowledge.count_documents() OWNER TO lyceum_maintenance;
CREATE TRIGGER count_documents AFTER INSERT OR DELETE OR UPDATE OF deleted_at
    ON knowledge.documents FOR EACH ROW EXECUTE FUNCTION knowledge.count_documents();

-- The extracted text, page by page; offsets of chunks and citations count its characters.
CREATE TABLE knowledge.document_texts (
    document_id uuid NOT NULL REFERENCES knowledge.documents ON DELETE CASCADE,
    page integer NOT NULL CHECK (page > 0),
    knowledge_base_id uuid NOT NULL REFERENCES knowledge.knowledge_bases ON DELETE CASCADE,
    content text NOT NULL,
    -- [{"offset": characters, "level": 1 to 6, "text": …}]
    headings jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (document_id, page)
);
CREATE INDEX document_texts_knowledge_base_id ON knowledge.document_texts (knowledge_base_id);
CALL app.track_updates('knowledge.document_texts');
CALL app.secure('knowledge.document_texts',
    'knowledge_base_id = ANY ((SELECT knowledge.bases_for(''view''))::uuid[])',
    'knowledge_base_id = ANY ((SELECT knowledge.bases_for(''edit''))::uuid[])');

-- A row exists only with its embedding: vector, words and text are written together.
CREATE TABLE knowledge.document_chunks (
    id uuid PRIMARY KEY,
    knowledge_base_id uuid NOT NULL REFERENCES knowledge.knowledge_bases ON DELETE CASCADE,
    document_id uuid NOT NULL REFERENCES knowledge.documents ON DELETE CASCADE,
    chunk_index integer NOT NULL CHECK (chunk_index >= 0),
    content text NOT NULL,
    token_count integer NOT NULL CHECK (token_count > 0),
    word_count integer NOT NULL CHECK (word_count >= 0),
    page integer NOT NULL CHECK (page > 0),
    start_offset integer NOT NULL CHECK (start_offset >= 0),
    end_offset integer NOT NULL CHECK (end_offset > start_offset),
    headings text[] NOT NULL DEFAULT '{}',
    words tsvector NOT NULL,
    dimension integer NOT NULL,
    embedding halfvec NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT document_chunks_place UNIQUE (document_id, chunk_index),
    CHECK (vector_dims(embedding) = dimension)
);
-- Vectors and words stay in the row, uncompressed, because ranking reads them by the thousand; the
-- text is what moves out.
ALTER TABLE knowledge.document_chunks SET (toast_tuple_target = 4080);
ALTER TABLE knowledge.document_chunks ALTER COLUMN embedding SET STORAGE MAIN;
ALTER TABLE knowledge.document_chunks ALTER COLUMN words SET STORAGE MAIN;
CREATE INDEX document_chunks_knowledge_base_id ON knowledge.document_chunks (knowledge_base_id);
CREATE INDEX document_chunks_words ON knowledge.document_chunks
    USING gin (knowledge_base_id, words);
-- One vector index for each usual length; other lengths are searched exactly.
CREATE INDEX document_chunks_embedding_384 ON knowledge.document_chunks
    USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops)
    WITH (m = 16, ef_construction = 200) WHERE dimension = 384;
CREATE INDEX document_chunks_embedding_512 ON knowledge.document_chunks
    USING hnsw ((embedding::halfvec(512)) halfvec_cosine_ops)
    WITH (m = 16, ef_construction = 200) WHERE dimension = 512;
CREATE INDEX document_chunks_embedding_768 ON knowledge.document_chunks
    USING hnsw ((embedding::halfvec(768)) halfvec_cosine_ops)
    WITH (m = 16, ef_construction = 200) WHERE dimension = 768;
CREATE INDEX document_chunks_embedding_1024 ON knowledge.document_chunks
    USING hnsw ((embedding::halfvec(1024)) halfvec_cosine_ops)
    WITH (m = 16, ef_construction = 200) WHERE dimension = 1024;
CREATE INDEX document_chunks_embedding_1536 ON knowledge.document_chunks
    USING hnsw ((embedding::halfvec(1536)) halfvec_cosine_ops)
    WITH (m = 16, ef_construction = 200) WHERE dimension = 1536;
CREATE INDEX document_chunks_embedding_3072 ON knowledge.document_chunks
    USING hnsw ((embedding::halfvec(3072)) halfvec_cosine_ops)
    WITH (m = 16, ef_construction = 200) WHERE dimension = 3072;
CALL app.track_updates('knowledge.document_chunks');
CALL app.secure('knowledge.document_chunks',
    'knowledge_base_id = ANY ((SELECT knowledge.bases_for(''view''))::uuid[])',
    'knowledge_base_id = ANY ((SELECT knowledge.bases_for(''edit''))::uuid[])');

-- In how many chunks of a base a word stands, for ranking: rare words weigh more. Counted when a
-- document is completed, taken back when it is deleted.
CREATE TABLE knowledge.word_counts (
    knowledge_base_id uuid NOT NULL REFERENCES knowledge.knowledge_bases ON DELETE CASCADE,
    word text NOT NULL,
    chunks bigint NOT NULL,
    PRIMARY KEY (knowledge_base_id, word)
);
CALL app.secure('knowledge.word_counts',
    'knowledge_base_id = ANY ((SELECT knowledge.bases_for(''view''))::uuid[])',
    'knowledge_base_id = ANY ((SELECT knowledge.bases_for(''edit''))::uuid[])');

-- Adds (sign 1) or takes back (sign -1) the words of a document.
CREATE FUNCTION knowledge.count_words(base uuid, document uuid, sign integer) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO knowledge.word_counts AS w (knowledge_base_id, word, chunks)
    SELECT base, lexeme, sign * count(*)
    FROM knowledge.document_chunks c, unnest(c.words)
    WHERE c.document_id = document
    GROUP BY lexeme ORDER BY lexeme
    ON CONFLICT (knowledge_base_id, word) DO UPDATE SET chunks = w.chunks + excluded.chunks
$$;

-- The best chunks by words, BM25 fashion, among `bases` as far as the acting user may use them.
-- `terms` are the question's words as tsquery texts with their `weights` (inverse document
-- frequency); `candidates` is the query over the rarest of them, by which the work is bounded.
-- `narrow` says that the bases are small: then all their rows are looked at, because the word index
-- would go through the chunks of everybody.
--
-- Runs as lyceum_maintenance and checks the right itself, because under row-level security the
-- planner may not use the word index: the operator @@ is not marked leakproof.
CREATE FUNCTION knowledge.search_words(bases uuid[], excluded uuid[], candidates tsquery,
                                       terms tsquery[], weights real[], average_words real,
                                       narrow boolean, candidate_limit integer, wanted integer)
    RETURNS TABLE (chunk_id uuid, score real)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    permitted uuid[] := ARRAY(SELECT unnest(bases)
                              INTERSECT SELECT unnest(knowledge.bases_for('use')));
BEGIN
    RETURN QUERY
    WITH found AS MATERIALIZED (
        SELECT c.id, c.words, c.word_count
        FROM knowledge.document_chunks c
        WHERE NOT narrow AND c.knowledge_base_id = ANY (permitted) AND c.words @@ candidates
          AND c.document_id <> ALL (excluded)
        UNION ALL
        -- The function behind @@, which no index answers.
        SELECT c.id, c.words, c.word_count
        FROM knowledge.document_chunks c
        WHERE narrow AND c.knowledge_base_id = ANY (permitted) AND ts_match_vq(c.words, candidates)
          AND c.document_id <> ALL (excluded)
        LIMIT candidate_limit
    )
    SELECT f.id, (s.sum / (0.6 + 0.4 * f.word_count / greatest(average_words, 1)))::real
    FROM found f, LATERAL (
        -- ts_rank of one word saturates with its repeats: 0.061, 0.076, 0.083 … 0.1.
        SELECT sum(t.weight * ts_rank(f.words, t.term)) FROM unnest(terms, weights) t(term, weight)
    ) s
    ORDER BY 2 DESC, 1 LIMIT wanted;
END
$$;
ALTER FUNCTION knowledge.search_words(uuid[], uuid[], tsquery, tsquery[], real[], real, boolean,
                                      integer, integer) OWNER TO lyceum_maintenance;

CALL app.audit('knowledge.knowledge_bases', 'knowledge_base',
               'document_count', 'chunk_count', 'word_count', 'total_size', 'status');
CALL app.audit('knowledge.knowledge_base_grants', 'knowledge_base_grant');
CALL app.audit('knowledge.documents', 'document',
               'processing_status', 'stage', 'progress', 'page_count', 'chunk_count', 'chunk_plan',
               'attempts', 'error_code', 'error_detail', 'completed_at', 'content_hash');
CALL app.grant_tables('knowledge');
