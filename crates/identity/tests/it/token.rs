use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::app::{App, Client};

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn status(app: &App, token: &str) -> u16 {
    let mut by_header: Client = app.visitor();
    by_header.bearer = Some(token.to_owned());
    let mut by_cookie = app.visitor();
    by_cookie.cookies.insert("lyceum_access".into(), token.into());
    let (one, two) = (by_header.get("/api/v1/me").await, by_cookie.get("/api/v1/me").await);
    assert_eq!(one.status, two.status);
    one.status.as_u16()
}

#[tokio::test]
async fn only_our_own_access_tokens_open_the_door() {
    let app = App::new().await;
    let root = app.set_up().await;
    let token = root.cookies["lyceum_access"].clone();
    assert_eq!(status(&app, &token).await, 200);

    let good = claims(&token);
    let forge = |algorithm, key: &[u8], claims: &Value| {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key))
            .unwrap()
    };
    // The signing key itself signs nothing: keys are derived per purpose.
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        assert_eq!(status(&app, &forge(algorithm, &crate::app::KEY, &good)).await, 401);
        assert_eq!(status(&app, &forge(algorithm, b"", &good)).await, 401);
    }
    let body = token.split('.').nth(1).unwrap();
    for alg in ["none", "None", "nOnE", "HS256"] {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"JWT","alg":"{alg}"}}"#));
        assert_eq!(status(&app, &format!("{header}.{body}.")).await, 401, "{alg}");
        assert_eq!(status(&app, &format!("{header}.{body}")).await, 401, "{alg}");
    }
    assert_eq!(status(&app, &root.cookies["lyceum_refresh"]).await, 401);
    assert_eq!(status(&app, "nonsense").await, 401);
    let mut other = good.clone();
    other["sub"] = json!(lyceum_core::new_id());
    let swapped = URL_SAFE_NO_PAD.encode(other.to_string());
    let mut parts = token.split('.');
    let swapped = format!("{}.{swapped}.{}", parts.next().unwrap(), parts.nth(1).unwrap());
    assert_eq!(status(&app, &swapped).await, 401);
}

#[tokio::test]
async fn a_bad_bearer_is_not_rescued_by_a_good_cookie() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    root.bearer = Some("lyc_wrong".to_owned());
    root.get("/api/v1/me").await.refused(401, "unauthenticated");
    root.bearer = None;
    root.get("/api/v1/me").await.expect(200);
    app.visitor().get("/api/v1/me").await.refused(401, "unauthenticated");
}
