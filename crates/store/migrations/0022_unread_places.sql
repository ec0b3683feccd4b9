-- What of a document could not be read, as numbers of pages or names of sheets: a document of which
-- one page is damaged or only a picture is completed without it, and says so.
ALTER TABLE knowledge.documents
    ADD COLUMN unread text[] NOT NULL DEFAULT '{}' CHECK (cardinality(unread) <= 100);
DROP TRIGGER audit ON knowledge.documents;
CALL app.audit('knowledge.documents', 'document',
               'processing_status', 'stage', 'progress', 'page_count', 'chunk_count', 'chunk_plan',
               'attempts', 'error_code', 'error_detail', 'completed_at', 'content_hash', 'unread');
