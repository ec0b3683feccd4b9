//! The configuration of issuers.

use std::collections::BTreeMap;

use lyceum_core::{Secret, new_id};
use lyceum_http::Caller;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use url::{Host, Url};
use uuid::Uuid;

use super::store::{self, ProviderRow};
use crate::authenticate::{holds, permission_set};
use crate::{Identity, IdentityError, Rule, rules, user};

pub(super) const SEALED_IN: &str = "identity.oidc_providers";
/// Entries of one map.
const MAP_MAX: usize = 200;
const DEFAULT_SCOPES: &str = "openid profile email";
const DEFAULT_GROUPS_CLAIM: &str = "groups";

/// From what a claim says to a name of ours.
pub(crate) type NameMap = BTreeMap<String, String>;

/// What is set or changed about an issuer; `None` takes the default or stays as it is.
#[derive(Default)]
pub(crate) struct ProviderChange {
    pub(crate) name: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) scopes: Option<String>,
    pub(crate) groups_claim: Option<String>,
    pub(crate) roles: Option<NameMap>,
    pub(crate) groups: Option<NameMap>,
    pub(crate) allow_sign_up: Option<bool>,
    pub(crate) trust_second_factor: Option<bool>,
    pub(crate) is_active: Option<bool>,
}

impl Identity {
    /// The active issuers, for the page where people sign in.
    pub(crate) async fn active_oidc_providers(&self) -> Result<Vec<(Uuid, String)>, IdentityError> {
        if self.config().public_url.is_none() {
            return Ok(Vec::new());
        }
        let mut tx = self.db().begin_maintenance().await?;
        let rows = store::list(&mut tx, None).await?;
        Ok(rows.into_iter().filter(|row| row.is_active).map(|row| (row.id, row.name)).collect())
    }

    /// All issuers, for an administrator.
    pub(crate) async fn oidc_providers(
        &self,
        caller: &Caller,
    ) -> Result<Vec<ProviderRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::list(&mut tx, None).await
    }

    /// One issuer, for an administrator.
    pub(crate) async fn oidc_provider(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<ProviderRow, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::find(&mut tx, id).await
    }

    /// Configures an issuer.
    pub(crate) async fn create_oidc_provider(
        &self,
        caller: &Caller,
        issuer: &str,
        change: ProviderChange,
    ) -> Result<ProviderRow, IdentityError> {
        let mut row = ProviderRow {
            id: new_id(),
            name: String::new(),
            issuer: self.issuer_name(issuer)?,
            client_id: String::new(),
            encrypted_secret: None,
            key_id: None,
            scopes: DEFAULT_SCOPES.to_owned(),
            groups_claim: DEFAULT_GROUPS_CLAIM.to_owned(),
            roles_map: Value::Object(Map::new()),
            groups_map: Value::Object(Map::new()),
            allow_sign_up: false,
            trust_second_factor: false,
            is_active: true,
            created_at: self.clock().now(),
        };
        let mut tx = self.db().begin_as(caller.user_id).await?;
        self.apply(&mut tx, caller, &mut row, change).await?;
        require_given(&mut tx, caller, &row).await?;
        store::insert(&mut tx, &row).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(row)
    }

    /// Changes all but the issuer itself, of one that gives nothing beyond the caller's rights, neither
    /// before nor after.
    pub(crate) async fn change_oidc_provider(
        &self,
        caller: &Caller,
        id: Uuid,
        change: ProviderChange,
    ) -> Result<ProviderRow, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let mut row = store::find(&mut tx, id).await?;
        require_given(&mut tx, caller, &row).await?;
        self.apply(&mut tx, caller, &mut row, change).await?;
        require_given(&mut tx, caller, &row).await?;
        store::update(&mut tx, &row).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        // Sessions may rest on its word for a second factor.
        self.credentials().forget_all();
        Ok(row)
    }

    /// Deletes an issuer that gives nothing beyond the caller's rights, with all links to it.
    pub(crate) async fn delete_oidc_provider(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let row = store::find(&mut tx, id).await?;
        require_given(&mut tx, caller, &row).await?;
        if !store::delete(&mut tx, id).await? {
            return Err(IdentityError::NotFound("sign-in provider"));
        }
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(())
    }

    /// Makes the change in the row; a key never widens itself.
    async fn apply(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        row: &mut ProviderRow,
        change: ProviderChange,
    ) -> Result<(), IdentityError> {
        caller.require_session()?;
        if let Some(name) = change.name {
            row.name = rules::key_name(&name)?;
        }
        if let Some(id) = change.client_id {
            row.client_id = word("client_id", &id, 255)?;
        }
        if let Some(secret) = change.client_secret {
            self.seal_client_secret(row, &secret)?;
        }
        if let Some(scopes) = change.scopes {
            row.scopes = words("scopes", &scopes)?;
        }
        if let Some(claim) = change.groups_claim {
            row.groups_claim = word("groups_claim", &claim, 200)?;
        }
        if let Some(roles) = change.roles {
            row.roles_map = name_map("roles", &roles)?;
            let names: Vec<String> = roles.into_values().collect();
            if let Some(name) = store::unknown_roles(connection, &names).await?.pop() {
                return Err(IdentityError::field("roles", Rule::Unknown { what: "role", name }));
            }
        }
        if let Some(groups) = change.groups {
            row.groups_map = name_map("groups", &groups)?;
        }
        row.allow_sign_up = change.allow_sign_up.unwrap_or(row.allow_sign_up);
        row.trust_second_factor = change.trust_second_factor.unwrap_or(row.trust_second_factor);
        row.is_active = change.is_active.unwrap_or(row.is_active);
        Ok(())
    }

    fn seal_client_secret(
        &self,
        row: &mut ProviderRow,
        secret: &Secret,
    ) -> Result<(), IdentityError> {
        if secret.is_empty() {
            (row.encrypted_secret, row.key_id) = (None, None);
            return Ok(());
        }
        if secret.expose().len() > 2048 {
            return Err(IdentityError::field("client_secret", Rule::AtMost { max: 2048 }));
        }
        let sealed = self.keyring().seal(SEALED_IN, row.id, secret)?;
        (row.encrypted_secret, row.key_id) = (Some(sealed.bytes), Some(sealed.key_id));
        Ok(())
    }

    /// An issuer's name, exactly as its tokens will say it.
    fn issuer_name(&self, text: &str) -> Result<String, IdentityError> {
        let bad = |rule| IdentityError::field("issuer", rule);
        let text = text.trim();
        let url = Url::parse(text).map_err(|_| bad(Rule::IssuerAddress))?;
        if text.len() > 500 || url.query().is_some() || url.fragment().is_some() {
            return Err(bad(Rule::IssuerAddress));
        }
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if url.scheme() != "https" && !loopback {
            return Err(bad(Rule::IssuerHttps));
        }
        self.outgoing().judge(&url)?;
        Ok(text.to_owned())
    }
}

/// Refuses whoever lacks something that the issuer's word gives: mapped roles and the one of new
/// accounts, membership of groups, and passing for the second factor of anybody who is linked.
async fn require_given(
    connection: &mut PgConnection,
    caller: &Caller,
    row: &ProviderRow,
) -> Result<(), IdentityError> {
    let mapped = row.roles_map.as_object().into_iter().flat_map(Map::values);
    let mut roles: Vec<String> = mapped.filter_map(Value::as_str).map(str::to_owned).collect();
    if row.allow_sign_up {
        roles.push(user::DEFAULT_ROLE.to_owned());
    }
    let mut given = store::rights_of_roles(connection, &roles).await?;
    if row.groups_map.as_object().is_some_and(|map| !map.is_empty()) {
        given.push(json!(["group:manage"]));
    }
    if row.trust_second_factor {
        given.push(json!(["*:*"]));
    }
    match permission_set(&given).iter().find(|right| !holds(&caller.permissions, right)) {
        Some(right) => Err(IdentityError::PermissionNotHeld(right.to_string())),
        None => Ok(()),
    }
}

/// One word of visible characters.
fn word(field: &'static str, text: &str, longest: usize) -> Result<String, IdentityError> {
    let text = text.trim();
    let visible = !text.is_empty() && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    if visible && text.chars().count() <= longest {
        return Ok(text.to_owned());
    }
    Err(IdentityError::field(field, Rule::OneWord { max: longest }))
}

fn words(field: &'static str, text: &str) -> Result<String, IdentityError> {
    let scopes: Vec<&str> = text.split_whitespace().collect();
    let joined = scopes.join(" ");
    if !scopes.contains(&"openid") || joined.len() > 500 || joined.contains(char::is_control) {
        return Err(IdentityError::field(field, Rule::Scopes));
    }
    Ok(joined)
}

fn name_map(field: &'static str, map: &NameMap) -> Result<Value, IdentityError> {
    let short = |text: &String| (1..=255).contains(&text.len()) && !text.contains('\0');
    if map.len() > MAP_MAX || !map.iter().all(|(from, to)| short(from) && short(to)) {
        return Err(IdentityError::field(field, Rule::Mapping { max: MAP_MAX }));
    }
    let members = map.iter().map(|(from, to)| (from.clone(), Value::from(to.as_str())));
    Ok(Value::Object(members.collect()))
}
