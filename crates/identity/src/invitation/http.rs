use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::InvitationRow;
use super::{Acceptance, NewInvitation};
use crate::client::Sender;
use crate::mail::Language;
use crate::me::Me;
use crate::{Identity, UserInvite};

/// Whom to invite to what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateInvitation {
    /// The address that the account will have; whoever has the link chooses it where absent.
    email: Option<String>,
    /// Names of roles, none beyond your own rights; `user` where absent.
    roles: Option<Vec<String>>,
    /// Ids of groups that the person will be a member of.
    #[serde(default)]
    groups: Vec<Uuid>,
    /// Days for which the link is good, 1 to 30; 7 by default.
    expires_in_days: Option<i64>,
    /// Whether to send the link to the address instead of answering it; by default where there is
    /// an address and the platform can send e-mail.
    send: Option<bool>,
    /// The language of the letter; yours by default.
    language: Option<Language>,
}

/// Where an invitation stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InvitationStatus {
    /// Nobody accepted it yet.
    Open,
    /// Somebody made an account with it.
    Accepted,
    /// It was taken back.
    Revoked,
    /// Nobody accepted it in time.
    Expired,
}

/// An invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invitation {
    id: Uuid,
    email: Option<String>,
    /// Names of the roles that it gives.
    roles: Vec<String>,
    /// Names of the groups that it gives.
    groups: Vec<String>,
    status: InvitationStatus,
    /// Whether the link was sent to the address.
    is_mailed: bool,
    created_by: Uuid,
    /// The name of whoever invites.
    invited_by: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    accepted_at: Option<DateTime<Utc>>,
}

/// An invitation that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedInvitation {
    #[serde(flatten)]
    invitation: Invitation,
    /// The link to hand over, shown this once; absent where it was sent by e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// A page of invitations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationPage {
    items: Vec<Invitation>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A one-time token from a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkBody {
    /// What stands behind `#token=` in the link.
    #[schema(value_type = String)]
    pub(crate) token: Secret,
}

/// Who invites to what.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationView {
    /// The name of whoever invites.
    invited_by: String,
    /// The address that the account will have; to be chosen where it is `null`.
    email: Option<String>,
    /// Names of the roles that it gives.
    roles: Vec<String>,
    /// Names of the groups that it gives.
    groups: Vec<String>,
    expires_at: DateTime<Utc>,
}

/// The account that an invited person wants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptInvitation {
    /// What stands behind `#token=` in the link.
    #[schema(value_type = String)]
    token: Secret,
    /// 2 to 64 letters or digits, inside also `.`, `_` and `-`.
    username: String,
    /// The e-mail address, where the invitation has none.
    email: Option<String>,
    /// 10 to 256 characters.
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// The name to be shown.
    display_name: Option<String>,
}

impl Invitation {
    fn new(row: InvitationRow, now: DateTime<Utc>) -> Self {
        let status = if row.accepted_at.is_some() {
            InvitationStatus::Accepted
        } else if row.revoked_at.is_some() {
            InvitationStatus::Revoked
        } else if row.waits(now) {
            InvitationStatus::Open
        } else {
            InvitationStatus::Expired
        };
        Self {
            id: row.id,
            email: row.email,
            roles: row.roles,
            groups: row.groups,
            status,
            is_mailed: row.is_mailed,
            created_by: row.created_by,
            invited_by: row.inviter,
            created_at: row.created_at,
            expires_at: row.expires_at,
            accepted_at: row.accepted_at,
        }
    }
}

/// Invites somebody to make an account. Where the link is not sent, this answer is the only place
/// where it is ever shown.
#[utoipa::path(post, path = "/invitations", tag = "invitations", request_body = CreateInvitation,
    responses(
        (status = 201, body = CreatedInvitation),
        (status = 403, body = ProblemDocument, description = "A role beyond your own rights."),
        (status = 409, body = ProblemDocument, description = "`mail_not_configured`"),
        (status = 422, body = ProblemDocument, description = "A field is not acceptable."),
    ))]
pub(crate) async fn create_invitation(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserInvite>,
    ApiJson(body): ApiJson<CreateInvitation>,
) -> Result<(StatusCode, Json<CreatedInvitation>), ApiError> {
    let new = NewInvitation {
        email: body.email,
        roles: body.roles,
        groups: body.groups,
        expires_in_days: body.expires_in_days,
        send: body.send,
        language: body.language,
    };
    let (made, link) = identity.invite(&caller, new).await?;
    let invitation = Invitation::new(made, identity.clock().now());
    Ok((StatusCode::CREATED, Json(CreatedInvitation { invitation, link })))
}

/// Lists the invitations that you made, newest first; all, for an administrator.
#[utoipa::path(get, path = "/invitations", tag = "invitations", params(PageQuery),
    responses((status = 200, body = InvitationPage)))]
pub(crate) async fn list_invitations(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserInvite>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<InvitationPage>, ApiError> {
    let now = identity.clock().now();
    let page = identity.invitations(&caller, query.request()?).await?;
    let page = page.map(|row| Invitation::new(row, now));
    Ok(Json(InvitationPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Takes an invitation back. Its link is good for nothing then.
#[utoipa::path(delete, path = "/invitations/{id}", tag = "invitations",
    params(("id" = Uuid, Path, description = "The invitation.")),
    responses(
        (status = 204, description = "Taken back."),
        (status = 404, body = ProblemDocument, description = "None that is open."),
    ))]
pub(crate) async fn revoke_invitation(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserInvite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.revoke_invitation(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells who invites to what, for whoever has the link. Reading does not use the link up.
#[utoipa::path(post, path = "/auth/invitation", tag = "auth", security(()),
    request_body = LinkBody,
    responses(
        (status = 200, body = InvitationView),
        (status = 403, body = ProblemDocument, description = "`registration_closed`"),
        (status = 404, body = ProblemDocument, description = "`link_invalid`"),
        (status = 410, body = ProblemDocument, description = "`link_used`, `link_expired`"),
        (status = 429, body = ProblemDocument, description = "Too many attempts."),
    ))]
pub(crate) async fn read_invitation(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<LinkBody>,
) -> Result<Json<InvitationView>, ApiError> {
    let found = identity.read_invitation(&body.token, &sender.client).await?;
    Ok(Json(InvitationView {
        invited_by: found.inviter,
        email: found.email,
        roles: found.roles,
        groups: found.groups,
        expires_at: found.expires_at,
    }))
}

/// Makes the invited person's account and signs in. The link is good for one account.
#[utoipa::path(post, path = "/auth/invitation/accept", tag = "auth", security(()),
    request_body = AcceptInvitation,
    responses(
        (status = 201, body = Me, description = "Signed in; two cookies are set."),
        (status = 403, body = ProblemDocument, description = "`registration_closed`"),
        (status = 404, body = ProblemDocument, description = "`link_invalid`"),
        (status = 409, body = ProblemDocument, description = "Username or address is taken."),
        (status = 410, body = ProblemDocument, description = "`link_used`, `link_expired`"),
        (status = 422, body = ProblemDocument, description = "A field is not acceptable."),
        (status = 429, body = ProblemDocument, description = "Too many attempts."),
    ))]
pub(crate) async fn accept_invitation(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<AcceptInvitation>,
) -> Result<impl IntoResponse, ApiError> {
    let acceptance = Acceptance {
        token: body.token,
        username: body.username,
        email: body.email,
        password: body.password,
        display_name: body.display_name,
    };
    let issued = identity.accept_invitation(acceptance, &sender.client).await?;
    let me = identity.me(issued.user_id, None).await?;
    let cookies = sender.with_tokens(&issued, identity.clock().now());
    Ok((StatusCode::CREATED, cookies, Json(me)))
}
