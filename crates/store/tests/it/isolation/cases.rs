//! A row of each table, and who sees it.

/// A table, and how one row of Ada's gets into it; her own id is the row's, too.
pub struct Case {
    pub table: &'static str,
    /// Finds the row; `$1` is Ada's id.
    pub condition: &'static str,
    /// Writes the row; `$1` is Ada's id. Empty where the row is there already.
    pub insert: &'static str,
    pub seen_by: SeenBy,
}

/// Who sees the row, apart from the platform itself. Only its owner may ever change it.
#[derive(Clone, Copy, PartialEq)]
pub enum SeenBy {
    /// Nobody.
    Platform,
    /// Administrators.
    Administrators,
    /// Ada.
    Owner,
    /// Ada and administrators.
    OwnerAndAdministrators,
    /// Everybody who acts.
    Everybody,
}

use SeenBy::{Administrators, Everybody, Owner, OwnerAndAdministrators, Platform};

const fn case(
    table: &'static str,
    condition: &'static str,
    seen_by: SeenBy,
    insert: &'static str,
) -> Case {
    Case { table, condition, insert, seen_by }
}

/// In an order that foreign keys allow.
pub const CASES: &[Case] = &[
    case("identity.users", "id = $1", OwnerAndAdministrators, ""),
    case("identity.user_roles", "user_id = $1", OwnerAndAdministrators, ""),
    case(
        "identity.roles",
        "id = $1",
        Everybody,
        "INSERT INTO identity.roles (id, name, permissions) VALUES ($1, 'made', '[]')",
    ),
    case(
        "identity.groups",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.groups (id, name) VALUES ($1, 'Ours')",
    ),
    case(
        "identity.group_members",
        "user_id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.group_members (group_id, user_id) VALUES ($1, $1)",
    ),
    case(
        "identity.user_sessions",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.user_sessions
           (id, user_id, refresh_hash, rotated_at, expires_at, last_used_at)
         VALUES ($1, $1, sha256('x'), now(), now() + interval '1 day', now())",
    ),
    case(
        "identity.api_keys",
        "id = $1",
        Owner,
        "INSERT INTO identity.api_keys (id, user_id, name, key_hash, hint, permissions)
         VALUES ($1, $1, 'k', sha256('x'), '…', '[]')",
    ),
    case(
        "identity.user_quotas",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.user_quotas (id, user_id, period_start) VALUES ($1, $1, now())",
    ),
    case(
        "identity.user_preferences",
        "id = $1",
        Owner,
        "INSERT INTO identity.user_preferences (id, user_id, key, value)
         VALUES ($1, $1, 'k', '1')",
    ),
    case(
        "identity.setup_tokens",
        "id = $1",
        Platform,
        "INSERT INTO identity.setup_tokens (id, token_hash, expires_at)
         VALUES ($1, sha256('x'), now())",
    ),
    case(
        "identity.login_attempts",
        "substring(subject_hash FOR 16) = uuid_send($1)",
        Platform,
        "INSERT INTO identity.login_attempts (subject_hash, failures, last_failed_at)
         VALUES (uuid_send($1) || uuid_send($1), 1, now())",
    ),
    case(
        "identity.invitations",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.invitations
           (id, created_by, token_hash, role_ids, group_ids, language, expires_at)
         VALUES ($1, $1, sha256('x'), '{}', '{}', 'en', now())",
    ),
    case(
        "identity.registrations",
        "id = $1",
        Platform,
        "INSERT INTO identity.registrations
           (id, token_hash, username, email, password_hash, language, expires_at)
         VALUES ($1, sha256('x'), 'eve', 'e@x.org', 'x', 'en', now())",
    ),
    case(
        "identity.account_links",
        "id = $1",
        Owner,
        "INSERT INTO identity.account_links (id, user_id, purpose, token_hash, expires_at)
         VALUES ($1, $1, 'reset_password', sha256('x'), now())",
    ),
    case(
        "identity.data_exports",
        "id = $1",
        Owner,
        "INSERT INTO identity.data_exports (id, user_id) VALUES ($1, $1)",
    ),
    case(
        "identity.totp_secrets",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.totp_secrets (id, user_id, encrypted_secret, key_id)
         VALUES ($1, $1, 'x', 'k')",
    ),
    case(
        "identity.recovery_codes",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.recovery_codes (id, user_id, code_hash)
         VALUES ($1, $1, sha256('x'))",
    ),
    case(
        "identity.passkeys",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.passkeys (id, user_id, name, credential_id, public_key, sign_count,
           backup_eligible, backed_up, aaguid)
         VALUES ($1, $1, 'k', 'x', 'x', 0, false, false, $1)",
    ),
    case(
        "identity.oidc_providers",
        "id = $1",
        Everybody,
        "INSERT INTO identity.oidc_providers (id, name, issuer, client_id, scopes, groups_claim,
           roles_map, groups_map, allow_sign_up, trust_second_factor, is_active)
         VALUES ($1, 'made', 'https://issuer.example', 'c', 'openid', 'groups', '{}', '{}', false,
           false, true)",
    ),
    case(
        "identity.oidc_accounts",
        "id = $1",
        Owner,
        "INSERT INTO identity.oidc_accounts (id, user_id, provider_id, subject)
         VALUES ($1, $1, $1, 's')",
    ),
    case(
        "identity.challenges",
        "id = $1",
        Platform,
        "INSERT INTO identity.challenges (id, token_hash, purpose, user_id, data, expires_at)
         VALUES ($1, sha256('x'), 'second_factor', $1, '{}', now())",
    ),
    case(
        "gateway.ai_providers",
        "id = $1",
        Everybody,
        "INSERT INTO gateway.ai_providers
           (id, name, display_name, requires_api_key, config_schema, is_active)
         VALUES ($1, 'made', 'Made', false, '{}', true)",
    ),
    case(
        "gateway.provider_configs",
        "id = $1",
        Owner,
        "INSERT INTO gateway.provider_configs
           (id, provider, scope, owner_id, name, base_url, created_at, updated_at)
         VALUES ($1, 'made', 'personal', $1, 'mine', 'http://x', now(), now()),
                (md5($1::text)::uuid, 'made', 'organization', NULL, 'ours', 'http://x', now(),
                 now())",
    ),
    case(
        "gateway.provider_distributions",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO gateway.provider_distributions
           (id, provider_config_id, user_id, created_at, updated_at)
         VALUES ($1, md5($1::text)::uuid, $1, now(), now())",
    ),
    case(
        "gateway.ai_model_configs",
        "id = $1",
        Owner,
        "INSERT INTO gateway.ai_model_configs (id, provider, provider_config_id, owner_id, name,
           model, kind, created_at, updated_at)
         VALUES ($1, 'made', $1, $1, 'm', 'm', 'chat', now(), now())",
    ),
    case(
        "gateway.model_routes",
        "id = md5($1::text)::uuid",
        Owner,
        "WITH model AS (
             INSERT INTO gateway.ai_model_configs (id, provider, owner_id, name, model, kind,
               created_at, updated_at)
             VALUES (md5($1::text)::uuid, 'route', $1, 'r', 'r', 'chat', now(), now()))
         INSERT INTO gateway.model_routes (id, retries, backoff_ms, wait_budget_ms, fallback_on,
           failure_percent, min_calls, window_ms, cooldown_ms, created_at, updated_at)
         VALUES (md5($1::text)::uuid, 1, 100, 1000, '{error}', 50, 5, 60000, 1000, now(), now())",
    ),
    case(
        "gateway.model_route_targets",
        "id = $1",
        Owner,
        "INSERT INTO gateway.model_route_targets (id, route_id, model_config_id, priority, weight,
           created_at, updated_at)
         VALUES ($1, md5($1::text)::uuid, $1, 1, 1, now(), now())",
    ),
    case(
        "gateway.user_default_models",
        "user_id = $1",
        Owner,
        "INSERT INTO gateway.user_default_models
           (user_id, kind, model_config_id, created_at, updated_at)
         VALUES ($1, 'chat', $1, now(), now())",
    ),
    case(
        "gateway.model_prices",
        "id = $1",
        Owner,
        "INSERT INTO gateway.model_prices
           (id, provider, provider_config_id, model, valid_from, created_at, updated_at)
         VALUES ($1, 'made', $1, 'm', now(), now(), now())",
    ),
    case(
        "gateway.usage_statistics",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO gateway.usage_statistics
           (id, created_at, user_id, provider, requested_model, purpose, prompt_tokens,
            completion_tokens, cached_tokens, reasoning_tokens, estimated, status, latency_ms,
            request_id)
         VALUES ($1, now(), $1, 'made', 'm', 'chat', 1, 1, 0, 0, false, 'completed', 1, $1)",
    ),
    case(
        "gateway.usage_deltas",
        "user_id = $1",
        OwnerAndAdministrators,
        // The ledger's row above has made it.
        "",
    ),
    case(
        "gateway.usage_rollups",
        "user_id = $1",
        OwnerAndAdministrators,
        "INSERT INTO gateway.usage_rollups
           (id, grain, starts_at, user_id, group_ids, provider, model, purpose, cache_hit, calls,
            failed_calls, cancelled_calls, unpriced_calls, estimated_calls, prompt_tokens,
            completion_tokens, cached_tokens, reasoning_tokens, latency_ms, first_at, last_at)
         VALUES ($1, 'day', now(), $1, '{}', 'made', 'm', 'chat', false, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1,
                 now(), now())",
    ),
    case(
        "gateway.call_payloads",
        "id = $1",
        Administrators,
        "INSERT INTO gateway.call_payloads
           (id, user_id, encrypted_payload, key_id, created_at, updated_at)
         VALUES ($1, $1, 'sealed', 'k', now(), now())",
    ),
    case(
        "identity.scim_tokens",
        "id = $1",
        Administrators,
        "INSERT INTO identity.scim_tokens (id, name, token_hash, hint)
         VALUES ($1, 'made', sha256('made'), 'made')",
    ),
    case(
        "ops.system_logs",
        "id = $1",
        Administrators,
        "INSERT INTO ops.system_logs
           (id, created_at, level, message, module, node, user_id, extra_data)
         VALUES ($1, now(), 'WARNING', 'made', 'made', 'made', $1, '{}')",
    ),
    case(
        "gateway.quota_leases",
        "quota_id = $1",
        Platform,
        "INSERT INTO gateway.quota_leases
           (quota_id, holder, api_calls, tokens, cost, compute_seconds)
         VALUES ($1, 1, 1, 1, 0, 0)",
    ),
    case(
        "gateway.quota_warnings",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO gateway.quota_warnings (id, quota_id, resource, period_start)
         VALUES ($1, $1, 'tokens', now())",
    ),
    case(
        "gateway.rate_limits",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO gateway.rate_limits
           (id, user_id, requests_per_minute, created_at, updated_at)
         VALUES ($1, $1, 1, now(), now())",
    ),
    case(
        "chat.conversations",
        "id = $1",
        Owner,
        "INSERT INTO chat.conversations (id, user_id, last_message_at, created_at, updated_at)
         VALUES ($1, $1, now(), now(), now())",
    ),
    case(
        "chat.messages",
        "id = $1",
        Owner,
        "INSERT INTO chat.messages (id, conversation_id, user_id, sequence_number, role, status,
           created_at, updated_at)
         VALUES ($1, $1, $1, 1, 'user', 'completed', now(), now())",
    ),
    case(
        "chat.conversation_configs",
        "id = $1",
        Owner,
        "INSERT INTO chat.conversation_configs
           (id, conversation_id, user_id, key, value, created_at, updated_at)
         VALUES ($1, $1, $1, 'k', '1', now(), now())",
    ),
    case(
        "knowledge.knowledge_bases",
        "id = $1",
        Owner,
        "INSERT INTO knowledge.knowledge_bases
           (id, owner_id, name, collection_name, embedding_model, vector_dimension)
         VALUES ($1, $1, 'b', 'kb_' || replace($1::text, '-', ''), 'm', 2)",
    ),
    case(
        "knowledge.knowledge_base_grants",
        "id = $1",
        Owner,
        "INSERT INTO knowledge.knowledge_base_grants
           (id, knowledge_base_id, group_id, permission) VALUES ($1, $1, $1, 'view')",
    ),
    case(
        "knowledge.documents",
        "id = $1",
        Owner,
        "INSERT INTO knowledge.documents (id, knowledge_base_id, title, filename, file_path,
           file_size, mime_type, content_hash)
         VALUES ($1, $1, 't', 'f', 'p', 1, 'text/plain', sha256('x'))",
    ),
    case(
        "knowledge.document_texts",
        "document_id = $1",
        Owner,
        "INSERT INTO knowledge.document_texts (document_id, page, knowledge_base_id, content)
         VALUES ($1, 1, $1, 'text')",
    ),
    case(
        "knowledge.document_chunks",
        "id = $1",
        Owner,
        "INSERT INTO knowledge.document_chunks (id, knowledge_base_id, document_id, chunk_index,
           content, token_count, word_count, page, start_offset, end_offset, words, dimension,
           embedding)
         VALUES ($1, $1, $1, 0, 'text', 1, 1, 1, 0, 4, 'text', 2, '[1,0]')",
    ),
    case(
        "knowledge.word_counts",
        "knowledge_base_id = $1",
        Owner,
        "INSERT INTO knowledge.word_counts (knowledge_base_id, word, chunks)
         VALUES ($1, 'text', 1)",
    ),
    case(
        "ops.system_configs",
        "id = $1",
        Administrators,
        "INSERT INTO ops.system_configs (id, key, value, value_schema, category, description)
         VALUES ($1, 'test.made', '1', '{}', 'test', 'Made.')",
    ),
    case(
        "ops.audit_logs",
        "id = $1",
        Administrators,
        "INSERT INTO ops.audit_logs (id, user_id, action, resource_type)
         VALUES ($1, $1, 'made', 'test')",
    ),
];
