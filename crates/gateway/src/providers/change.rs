//! Adding, changing and deleting provider configs.

use lyceum_core::{Secret, new_id};
use lyceum_http::{ApiError, Caller};
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::credentials::Credentials;
use super::headers::{self, Wanted};
use super::http::{Audience, CreateProvider, ProviderView, Scope, UpdateProvider};
use super::store::{self, ConfigRow, ProviderRow};
use super::{address, schema};
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
        let mut settings = body.config.unwrap_or_default();
        let wanted = headers::take(&mut settings)?;
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
            provider: kind.name.clone(),
            is_active: true,
            created_at: now,
            updated_at: now,
        };
        self.seal(&mut row, &kind, Some(body.api_key), Some(wanted))?;
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
        let mut wanted = None;
        if let Some(mut settings) = body.config {
            wanted = Some(headers::take(&mut settings)?);
            let region = address::of_region(&kind, &settings).map(str::to_owned);
            let before = row.config.get("region").and_then(Value::as_str).map(str::to_owned);
            let moved = settings.get("region").and_then(Value::as_str) != before.as_deref();
            // Else what is sealed is not touched.
            wanted = wanted.filter(|w| !w.is_empty() || headers::first_name(&row.config).is_some());
            row.config = config(&kind, settings)?;
            // Another region is another address, unless one is given.
            body.base_url = body.base_url.or(region.filter(|_| moved));
        }
        if let Some(text) = &body.base_url {
            let base_url = self.base_url(&kind, text)?;
            if moves(&row, &base_url) {
                stays_behind(&row, body.api_key.is_some(), wanted.as_deref())?;
            }
            row.base_url = base_url;
        }
        self.seal(&mut row, &kind, body.api_key, wanted)?;
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

    /// Seals the key and the headers of the row; where one of them is not given, it stays.
    fn seal(
        &self,
        row: &mut ConfigRow,
        kind: &ProviderRow,
        key: Option<Option<Secret>>,
        wanted: Option<Vec<Wanted>>,
    ) -> Result<(), GatewayError> {
        if key.is_none() && wanted.is_none() {
            return Ok(());
        }
        let headers_stay = match &wanted {
            Some(wanted) => wanted.iter().any(Wanted::stays),
            None => headers::first_name(&row.config).is_some(),
        };
        // What is replaced need not be opened: it may be that no key opens it any more.
        let present = match key.is_none() || headers_stay {
            true => row.credentials(&self.inner.keyring)?,
            false => Credentials::default(),
        };
        let key = match key {
            Some(given) => judge_key(kind, given)?,
            None => present.key,
        };
        let headers = match wanted {
            Some(wanted) => headers::resolve(wanted, &present.headers)?,
            None => present.headers,
        };
        row.key_hint = key.as_ref().map(Secret::hint);
        let sealed = Credentials { key, headers }.seal(&self.inner.keyring, row.id)?;
        (row.encrypted_key, row.key_id) =
            sealed.map(|sealed| (sealed.bytes, sealed.key_id)).unzip();
        Ok(())
    }
}

/// The key as it is kept.
fn judge_key(kind: &ProviderRow, given: Option<Secret>) -> Result<Option<Secret>, GatewayError> {
    let Some(key) = given.filter(|key| !key.is_empty()) else {
        return match kind.requires_api_key {
            true => Err(GatewayError::invalid("api_key", "is required")),
            false => Ok(None),
        };
    };
    let key = Secret::new(key.expose().trim());
    if key.expose().len() > 8192 || !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = "must be up to 8192 visible ASCII characters without spaces";
        return Err(GatewayError::invalid("api_key", reason));
    }
    Ok(Some(key))
}

/// Refuses to send elsewhere what is sealed and not given anew: whoever borrows a session could
/// have it sent to a server of their own.
fn stays_behind(
    row: &ConfigRow,
    key_is_given: bool,
    wanted: Option<&[Wanted]>,
) -> Result<(), GatewayError> {
    if row.key_hint.is_some() && !key_is_given {
        let reason = "is needed again, because the address leads to another host";
        return Err(GatewayError::invalid("api_key", reason));
    }
    let stays = match wanted {
        Some(wanted) => wanted.iter().find(|w| w.stays()).map(|w| w.name.as_str()),
        None => headers::first_name(&row.config),
    };
    stays.map_or(Ok(()), |name| Err(headers::needed_again(name)))
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
    schema::check(&schema::complete(kind.config_schema.clone()), &settings)?;
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
