//! Where sealed secrets are. Rotation works through this list, and a test compares it with the
//! schema: every `bytea` column named `encrypted_…` or `sealed_…` has to stand here.

/// A column of sealed secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedColumn {
    /// The table, which is also what the secrets are sealed for.
    pub table: &'static str,
    /// The column of the row's id, which is the other thing that they are sealed for.
    pub id: &'static str,
    /// The column of the sealed bytes.
    pub sealed: &'static str,
    /// The column of the key's id.
    pub key_id: &'static str,
}

/// All of them.
pub const SEALED_COLUMNS: &[SealedColumn] = &[
    SealedColumn {
        table: "gateway.provider_configs",
        id: "id",
        sealed: "encrypted_key",
        key_id: "key_id",
    },
    SealedColumn {
        table: "gateway.call_payloads",
        id: "id",
        sealed: "encrypted_payload",
        key_id: "key_id",
    },
    SealedColumn {
        table: "identity.oidc_providers",
        id: "id",
        sealed: "encrypted_secret",
        key_id: "key_id",
    },
    SealedColumn {
        table: "identity.totp_secrets",
        id: "id",
        sealed: "encrypted_secret",
        key_id: "key_id",
    },
];
