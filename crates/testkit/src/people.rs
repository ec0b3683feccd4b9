use std::sync::Arc;

use lyceum_core::{PermissionSet, new_id};
use lyceum_http::{AllowedModels, Caller, ClientInfo, Credential};
use lyceum_store::Db;
use uuid::Uuid;

/// Makes an active user `name` with the role "user". Nobody can sign in with it, for it has no
/// password.
///
/// # Panics
/// Where the database refuses.
pub async fn user(db: &Db, name: &str) -> Uuid {
    person(db, name, "user").await
}

/// Makes an active user `name` with the role "admin".
///
/// # Panics
/// Where the database refuses.
pub async fn admin(db: &Db, name: &str) -> Uuid {
    person(db, name, "admin").await
}

async fn person(db: &Db, name: &str, role: &str) -> Uuid {
    match insert(db, name, role).await {
        Ok(id) => id,
        Err(error) => panic!("the user {name} cannot be made: {error:#}"),
    }
}

// Not checked at compile time, so that this crate needs no schema to be built.
async fn insert(db: &Db, name: &str, role: &str) -> anyhow::Result<Uuid> {
    let id = new_id();
    let mut tx = db.begin_maintenance().await?;
    sqlx::query(
        "INSERT INTO identity.users (id, username, email, display_name, status)
         VALUES ($1, $2::text::citext, $3::text::citext, $2, 'active')",
    )
    .bind(id)
    .bind(name)
    .bind(format!("{name}@example.org"))
    .execute(&mut *tx)
    .await?;
    let given = sqlx::query(
        "INSERT INTO identity.user_roles (user_id, role_id)
         SELECT $1, id FROM identity.roles WHERE name = $2",
    )
    .bind(id)
    .bind(role)
    .execute(&mut *tx)
    .await?;
    anyhow::ensure!(given.rows_affected() == 1, "there is no role {role}");
    tx.commit().await?;
    Ok(id)
}

/// A signed-in caller with every right.
pub fn caller(user: Uuid) -> Caller {
    caller_with(user, &["*:*"])
}

/// A signed-in caller with the given rights.
///
/// # Panics
/// Where a right is not `resource:action`.
pub fn caller_with(user: Uuid, permissions: &[&str]) -> Caller {
    let parsed = permissions.iter().map(|text| match text.parse() {
        Ok(permission) => permission,
        Err(error) => panic!("{error}"),
    });
    Caller {
        user_id: user,
        permissions: Arc::new(PermissionSet::new(parsed)),
        models: AllowedModels::default(),
        credential: Credential::Session(new_id()),
        client: ClientInfo::default(),
    }
}
