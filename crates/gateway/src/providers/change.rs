//! Adding, changing and deleting provider configs.

use lyceum_core::{Secret, new_id};
use lyceum_http::{ApiError, Caller};
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::http::{Audience, CreateProvider, ProviderView, Scope, UpdateProvider};
use super::store::{self, ConfigRow, ProviderRow};
use super::{SEALED_IN, address, schema};
use crate::models::{check_editable, delete_models_of};
use crate::{Gateway, GatewayError, ORGANIZATION_PROVIDER, fields};

impl Gateway {
    pub(super) async fn list_providers(
        &self,
        caller: &Caller,
    ) -> Result<Vec<ProviderView>, GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let rows = store::list(&mut tx, caller.user_id, None).await?;
        tx.commit().await?;
        Ok(rows.into_iter().map(|row| ProviderView::new(row, caller)).collect())
    }

    pub(super) async fn create_provider(
        &self,
        caller: &Caller,
        body: CreateProvider,
    ) -> Result<ProviderView, ApiError> {
        let owner_id = match body.scope {
            Scope::Personal => Some(caller.user_id),
            Scope::Organization => None,
        };
        check_editable(caller, owner_id)?;
        let now = self.inner.clock.now();
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let provider = fields::text("provider", &body.provider, 50)?;
        let kind = usable_kind(store::kind(&mut tx, &provider).await?)?;
        let settings = body.config.unwrap_or_default();
        let usual = address::of_region(&kind, &settings).or(kind.default_base_url.as_deref());
        let base_url = match body.base_url.as_deref().or(usual) {
            Some(text) => self.base_url(&kind, text)?,
            None => return Err(GatewayError::invalid("base_url", "is required").into()),
        };
        let mut row = ConfigRow {
            audience: audience(owner_id, body.audience, Audience::Everyone.as_str())?,
            created_by: Some(caller.user_id),
            id: new_id(),
            scope: body.scope.as_str().to_owned(),
            owner_id,
            name: fields::text("name", &body.name, 100)?,
            base_url,
            encrypted_key: None,
            key_id: None,
            key_hint: None,
            config: config(&kind, settings)?,
            provider: kind.name,
            is_active: true,
            created_at: now,
            updated_at: now,
        };
        match body.api_key.filter(|key| !key.is_empty()) {
            Some(key) => self.seal(&mut row, &key)?,
            None if kind.requires_api_key => {
                return Err(GatewayError::invalid("api_key", "is required").into());
            }
            None => {}
        }
        let written = store::insert(&mut tx, &row, caller.user_id).await;
        written.map_err(|error| fields::refused(error, "provider"))?;
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        Ok(ProviderView::new(row, caller))
    }

    pub(super) async fn update_provider(
        &self,
        caller: &Caller,
        id: Uuid,
        mut body: UpdateProvider,
    ) -> Result<ProviderView, ApiError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let mut row = store::find(&mut tx, caller.user_id, id).await?;
        check_editable(caller, row.owner_id)?;
        let kind = store::kind(&mut tx, &row.provider).await?;
        let kind = kind.ok_or(GatewayError::NotFound("provider"))?;
        if let Some(name) = &body.name {
            row.name = fields::text("name", name, 100)?;
        }
        if let Some(settings) = body.config {
            let region = address::of_region(&kind, &settings).map(str::to_owned);
            let before = row.config.get("region").and_then(Value::as_str).map(str::to_owned);
            let moved = settings.get("region").and_then(Value::as_str) != before.as_deref();
            row.config = config(&kind, settings)?;
            // Another region is another address, unless one is given.
            body.base_url = body.base_url.or(region.filter(|_| moved));
        }
        if let Some(text) = &body.base_url {
            let base_url = self.base_url(&kind, text)?;
            // Else whoever borrows a session could have the key sent to a server of their own.
            if row.encrypted_key.is_some() && body.api_key.is_none() && moves(&row, &base_url) {
                let reason = "is needed again, because the address leads to another host";
                return Err(GatewayError::invalid("api_key", reason).into());
            }
            row.base_url = base_url;
        }
        match body.api_key {
            Some(Some(key)) if !key.is_empty() => self.seal(&mut row, &key)?,
            Some(_) if kind.requires_api_key => {
                return Err(GatewayError::invalid("api_key", "is required").into());
            }
            Some(_) => (row.encrypted_key, row.key_id, row.key_hint) = (None, None, None),
            None => {}
        }
        row.is_active = body.is_active.unwrap_or(row.is_active);
        row.audience = audience(row.owner_id, body.audience, &row.audience)?;
        let written = store::update(&mut tx, caller.user_id, &row).await;
        if !written.map_err(|error| fields::refused(error, "provider"))? {
            return Err(GatewayError::NotFound("provider").into());
        }
        let row = store::find(&mut tx, caller.user_id, id).await?;
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        Ok(ProviderView::new(row, caller))
    }

    pub(super) async fn delete_provider(&self, caller: &Caller, id: Uuid) -> Result<(), ApiError> {
        let now = self.inner.clock.now();
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let row = store::find(&mut tx, caller.user_id, id).await?;
        check_editable(caller, row.owner_id)?;
        delete_models_of(&mut tx, caller.user_id, id, now).await?;
        if !store::delete(&mut tx, caller.user_id, id, now).await? {
            return Err(GatewayError::NotFound("provider").into());
        }
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        Ok(())
    }

    /// The address in the form that is kept, if it may be reached.
    fn base_url(&self, kind: &ProviderRow, text: &str) -> Result<String, GatewayError> {
        let text = text.trim();
        let url = Url::parse(text).map_err(|_| {
            GatewayError::invalid("base_url", "is not an address like https://host/v1")
        })?;
        self.inner.outgoing.judge(&url)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(GatewayError::invalid("base_url", "must have no query and no fragment"));
        }
        let url = address::normalised(kind, url);
        let kept = url.as_str().trim_end_matches('/').to_owned();
        match kept.len() <= 500 {
            true => Ok(kept),
            false => Err(GatewayError::invalid("base_url", "is longer than 500 characters")),
        }
    }

    fn seal(&self, row: &mut ConfigRow, key: &Secret) -> Result<(), GatewayError> {
        let key = Secret::new(key.expose().trim());
        if key.expose().len() > 8192 || !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = "must be up to 8192 visible ASCII characters without spaces";
            return Err(GatewayError::invalid("api_key", reason));
        }
        let sealed = self.inner.keyring.seal(SEALED_IN, row.id, &key)?;
        row.encrypted_key = Some(sealed.bytes);
        row.key_id = Some(sealed.key_id);
        row.key_hint = Some(key.hint());
        Ok(())
    }
}

/// A kind of provider that can be set up.
fn usable_kind(kind: Option<ProviderRow>) -> Result<ProviderRow, GatewayError> {
    match kind {
        None => Err(GatewayError::invalid("provider", "is not in the catalogue")),
        Some(kind) if kind.name == "local" => {
            Err(GatewayError::invalid("provider", "is built in and needs no setting up"))
        }
        Some(kind) if !kind.is_active => {
            Err(GatewayError::invalid("provider", "is not supported by this version yet"))
        }
        Some(kind) => Ok(kind),
    }
}

/// For whom the provider is; a personal one has no choice.
fn audience(
    owner: Option<Uuid>,
    wanted: Option<Audience>,
    present: &str,
) -> Result<String, GatewayError> {
    match (owner, wanted) {
        (Some(_), Some(_)) => {
            Err(GatewayError::invalid("audience", "is for the organisation's providers only"))
        }
        (_, Some(wanted)) => Ok(wanted.as_str().to_owned()),
        (_, None) => Ok(present.to_owned()),
    }
}

fn config(kind: &ProviderRow, settings: Map<String, Value>) -> Result<Value, GatewayError> {
    schema::check(&kind.config_schema, &settings)?;
    Ok(Value::Object(settings))
}

/// Whether the new address is at another origin than the old one.
fn moves(row: &ConfigRow, base_url: &str) -> bool {
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    origin(&row.base_url) != origin(base_url)
}

impl ProviderView {
    pub(super) fn new(row: ConfigRow, caller: &Caller) -> Self {
        let (resource, action) = ORGANIZATION_PROVIDER;
        Self {
            editable: row.owner_id == Some(caller.user_id)
                || row.owner_id.is_none() && caller.may(resource, action),
            scope: match row.owner_id {
                Some(_) => Scope::Personal,
                None => Scope::Organization,
            },
            audience: match (row.owner_id, row.audience.as_str()) {
                (Some(_), _) => None,
                (None, "selected") => Some(Audience::Selected),
                (None, _) => Some(Audience::Everyone),
            },
            created_by: row.created_by,
            id: row.id,
            provider: row.provider,
            name: row.name,
            base_url: row.base_url,
            api_key_hint: row.key_hint,
            config: row.config,
            is_active: row.is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
