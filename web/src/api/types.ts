/** The shapes of the HTTP API that the app uses. */

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

export interface SetupState {
  needed: boolean;
  version: string;
}

export interface Me {
  id: string;
  username: string;
  email: string;
  display_name?: string | null;
  roles: string[];
  permissions: string[];
  preferences: Record<string, unknown>;
}

export interface Session {
  id: string;
  device?: string | null;
  ip_address?: string | null;
  created_at: string;
  last_used_at?: string | null;
  current: boolean;
}

export interface ApiKey {
  id: string;
  name: string;
  hint: string;
  permissions: string[];
  expires_at?: string | null;
  last_used_at?: string | null;
  status: string;
  created_at: string;
}

export interface CreatedApiKey extends ApiKey {
  /** Shown in this answer only. */
  key: string;
}

export interface User {
  id: string;
  username: string;
  email: string;
  display_name?: string | null;
  status: string;
  roles: string[];
  created_at: string;
  last_login_at?: string | null;
}

export interface CatalogueProvider {
  name: string;
  display_name: string;
  default_base_url?: string | null;
  requires_api_key?: boolean;
  is_active?: boolean;
  config_schema: JsonSchema;
}

/** The part of JSON Schema that provider forms are made from. */
export interface JsonSchema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  format?: string;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
}

export type ProviderScope = 'personal' | 'organization';

export interface Provider {
  id: string;
  provider: string;
  name: string;
  scope: ProviderScope;
  base_url?: string | null;
  api_key_hint?: string | null;
  config?: Record<string, unknown> | null;
  is_active?: boolean;
  /** Whether the caller may change it. */
  editable?: boolean;
  created_at: string;
}

export interface ProviderTest {
  ok: boolean;
  detail: string;
  code?: string | null;
  latency_ms?: number | null;
}

export type ModelKind = 'chat' | 'embedding';

export interface Model {
  id: string;
  name: string;
  kind: ModelKind;
  provider: string;
  provider_config_id?: string | null;
  model: string;
  is_default: boolean;
  is_active: boolean;
  available: boolean;
  context_length?: number | null;
  max_tokens?: number | null;
  temperature?: number | null;
  /** Whether the caller may change it. */
  editable?: boolean;
  provider_config_name?: string | null;
  input_price?: string | number | null;
  output_price?: string | number | null;
}

export type UsageGroup = 'day' | 'model' | 'provider' | 'user' | 'purpose';

export interface UsageFigures {
  calls: number;
  prompt_tokens: number;
  completion_tokens: number;
  cost?: string | number | null;
  unpriced_calls: number;
  errors: number;
}

export interface UsageRow extends UsageFigures {
  key: string;
  /** A name for people, where the key is none. */
  label?: string | null;
}

export interface UsageSummary {
  items: UsageRow[];
  total: UsageFigures;
}

export interface UsageCall {
  id: string;
  created_at: string;
  purpose: string;
  model: string;
  provider: string;
  prompt_tokens: number;
  completion_tokens: number;
  cost?: string | number | null;
  latency_ms?: number | null;
  first_token_ms?: number | null;
  status: string;
  estimated: boolean;
  error_code?: string | null;
  user?: string | null;
  request_id?: string | null;
  conversation_id?: string | null;
}

export interface Conversation {
  id: string;
  /** Empty until the first answer gave it one. */
  title: string;
  model_config_id?: string | null;
  knowledge_base_ids: string[];
  is_favorite: boolean;
  archived_at?: string | null;
  created_at: string;
  updated_at: string;
  last_message_at?: string | null;
}

export interface Citation {
  index: number;
  chunk_id: string;
  document_id: string;
  document_title: string;
  page?: number | null;
  start_offset: number;
  end_offset: number;
  snippet: string;
  /** Whether the answer points at it. */
  cited?: boolean;
}

export type MessageStatus = 'pending' | 'streaming' | 'completed' | 'stopped' | 'error';

export interface MessageError {
  code: string;
  detail: string;
}

export interface Message {
  id: string;
  conversation_id: string;
  parent_id?: string | null;
  sequence_number: number;
  role: 'user' | 'assistant' | 'system';
  content: string;
  reasoning?: string | null;
  status: MessageStatus;
  error?: MessageError | null;
  citations: Citation[];
  siblings: string[];
  model?: string | null;
  prompt_tokens?: number | null;
  completion_tokens?: number | null;
  cost?: string | number | null;
  created_at: string;
}

export interface MessagePage {
  items: Message[];
  /** The sequence number before which the earlier page stands. */
  previous?: number | null;
}

export interface SentMessage {
  user_message: Message;
  assistant_message: Message;
}

export interface RetrievedChunk {
  chunk_id: string;
  document_id: string;
  knowledge_base_id: string;
  document_title: string;
  content: string;
  page?: number | null;
  start_offset: number;
  end_offset: number;
  score: number;
  dense_rank?: number | null;
  dense_score?: number | null;
  text_rank?: number | null;
  kept: boolean;
  token_count: number;
}

export interface Explanation {
  question: string;
  retrieval?: { took_ms: number; chunks: RetrievedChunk[] } | null;
  prompt: { role: string; content: string }[];
  model?: string | null;
  provider?: string | null;
  prompt_tokens?: number | null;
  completion_tokens?: number | null;
  cost?: string | number | null;
  latency_ms?: number | null;
  first_token_ms?: number | null;
  request_id?: string | null;
}

export interface KnowledgeBase {
  id: string;
  name: string;
  description?: string | null;
  embedding_model?: string | null;
  chunk_size?: number | null;
  chunk_overlap?: number | null;
  document_count?: number | null;
  chunk_count?: number | null;
  created_at: string;
  updated_at: string;
}

export type DocumentStatus = 'pending' | 'processing' | 'completed' | 'failed';
export type DocumentStage = 'queued' | 'parsing' | 'chunking' | 'embedding' | 'indexing' | 'done';

export interface KnowledgeDocument {
  id: string;
  knowledge_base_id?: string;
  title: string;
  filename: string;
  mime_type: string;
  file_size: number;
  status: DocumentStatus;
  stage: DocumentStage;
  progress: number;
  chunk_count?: number | null;
  page_count?: number | null;
  error?: MessageError | null;
  created_at: string;
}

export interface DocumentText {
  text: string;
  page: number;
  page_count: number;
}

export interface SearchAnswer {
  items: RetrievedChunk[];
  took_ms: number;
}

export interface AuditEntry {
  id: string | number;
  created_at: string;
  user_id?: string | null;
  username?: string | null;
  action: string;
  resource_type: string;
  resource_id?: string | null;
  old_values?: Record<string, unknown> | null;
  new_values?: Record<string, unknown> | null;
  ip_address?: string | null;
  request_id?: string | null;
}

export interface FailedJob {
  id: number;
  name: string;
  attempts: number;
  reason: string;
  failed_at: string;
}

export interface SystemStatus {
  version: string;
  started_at: string;
  uptime_seconds: number;
  database: {
    version: string;
    size_bytes: number;
    pool_size: number;
    pool_idle: number;
    pool_max: number;
    tables: { name: string; size_bytes: number; estimated_rows: number }[];
  };
  jobs: { waiting: number; running: number; failed: number; failed_jobs: FailedJob[] };
  /** What the parts say of themselves, such as the local engine. */
  parts: Record<string, unknown>;
}
