use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{App, PASSWORD};
use crate::post_office::PostOffice;

const REGISTER: &str = "/api/v1/auth/register";
const CONFIRM: &str = "/api/v1/auth/register/confirm";

fn wanted(name: &str) -> Value {
    json!({ "username": name, "email": format!("{name}@example.org"), "password": PASSWORD })
}

#[tokio::test]
async fn only_an_open_platform_lets_people_register() {
    let app = App::new().await;
    app.set_up().await;
    let mut visitor = app.visitor();
    let state = visitor.get("/api/v1/auth/registration").await.expect(200);
    assert_eq!(state, json!({ "mode": "invitation", "email_domains": [], "sends_mail": false }));
    visitor.post(REGISTER, wanted("ada")).await.refused(403, "registration_closed");
    app.set("registration.mode", "closed".into()).await;
    visitor.post(REGISTER, wanted("ada")).await.refused(403, "registration_closed");

    app.set("registration.mode", "open".into()).await;
    app.set("registration.email_domains", json!(["@Example.ORG", "例子.中国"])).await;
    let state = visitor.get("/api/v1/auth/registration").await.expect(200);
    assert_eq!(state["email_domains"], json!(["example.org", "例子.中国"]));
    for (field, value) in [
        ("email", "ada@example.com"),
        ("email", "ada@sub.example.org"),
        ("email", "ada@例子.中国.com"),
        ("email", "nonsense"),
        ("username", "a"),
        ("username", "ｒｏｏｔ"),
        ("password", "short"),
        ("password", "ada@example.org"),
    ] {
        let mut body = wanted("ada");
        body[field] = value.into();
        visitor.post(REGISTER, body).await.refused_field(field);
    }
    visitor.post(REGISTER, wanted("root")).await.refused(409, "username_taken");
    let done = visitor.post(REGISTER, wanted("ada")).await.expect(202);
    assert_eq!(done, json!({ "confirmation": "none" }));
    let me = visitor.sign_in("ada").await.expect(200);
    assert_eq!((&me["roles"], &me["email_verified"]), (&json!(["user"]), &json!(false)));
    // Of an address that has an account nothing else is told.
    let mut body = wanted("eve");
    body["email"] = "ROOT@example.org".into();
    assert_eq!(app.visitor().post(REGISTER, body).await.expect(202), done);
    app.visitor().sign_in("eve").await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn an_account_exists_when_its_address_is_proved_and_not_before() {
    let office = PostOffice::open().await;
    let app = App::with(office.config()).await;
    app.set_up().await;
    app.set("registration.mode", "open".into()).await;
    let working = app.work().await;
    let mut visitor = app.visitor();
    let mut body = wanted("ada");
    body["language"] = "zh".into();
    let answer = visitor.post(REGISTER, body).await.expect(202);
    assert_eq!(answer, json!({ "confirmation": "mail" }));
    let mail = office.next().await;
    assert_eq!(mail.subject, "确认您的账户");
    let token = mail.token("confirm-registration");
    // Neither the name is taken nor does signing in tell anything.
    app.visitor().sign_in("ada").await.refused(401, "invalid_credentials");
    app.visitor().sign_in("ada@example.org").await.refused(401, "invalid_credentials");

    let confirm = |token: &str| json!({ "token": token });
    visitor.post(CONFIRM, confirm("guessed")).await.refused(404, "link_invalid");
    // A token of one purpose is worthless for another.
    visitor.post("/api/v1/auth/verify-email", confirm(&token)).await.refused(404, "link_invalid");
    visitor.post(CONFIRM, confirm(&token)).await.expect(204);
    assert_eq!(visitor.sign_in("ada").await.expect(200)["email_verified"], true);
    visitor.post(CONFIRM, confirm(&token)).await.refused(410, "link_used");

    app.visitor().post(REGISTER, wanted("bob")).await.expect(202);
    let late = office.next().await.token("confirm-registration");
    app.clock.advance(Duration::from_secs(24 * 3600));
    visitor.post(CONFIRM, confirm(&late)).await.refused(410, "link_expired");

    app.visitor().post(REGISTER, wanted("carl")).await.expect(202);
    let token = office.next().await.token("confirm-registration");
    app.set("registration.mode", "invitation".into()).await;
    visitor.post(CONFIRM, confirm(&token)).await.refused(403, "registration_closed");
    working.shutdown().await;
    office.expect_empty();
}

#[tokio::test]
async fn an_address_with_an_account_is_told_by_letter_only() {
    let office = PostOffice::open().await;
    let app = App::with(office.config()).await;
    let mut root = app.set_up().await;
    root.put("/api/v1/me/preferences/language", json!({ "value": "zh-CN" })).await.expect(204);
    app.set("registration.mode", "open".into()).await;
    let working = app.work().await;
    let mut fresh = app.visitor().post(REGISTER, wanted("ada")).await;
    let mut body = wanted("eve");
    body["email"] = "Root@Example.org".into();
    let mut known = app.visitor().post(REGISTER, body).await;
    for answer in [&mut fresh, &mut known] {
        answer.headers.remove("date");
    }
    assert_eq!(
        (fresh.status, &fresh.headers, &fresh.body),
        (known.status, &known.headers, &known.body)
    );
    let mut letters = [office.next().await, office.next().await];
    letters.sort_by(|one, other| one.to.cmp(&other.to));
    assert_eq!(letters[0].to, "ada@example.org");
    assert_eq!(
        (letters[1].to.as_str(), letters[1].subject.as_str()),
        ("root@example.org", "您已有账户")
    );
    assert!(!letters[1].text.contains("token="));
    app.visitor().sign_in("eve").await.refused(401, "invalid_credentials");
    working.shutdown().await;
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_is_told() {
    let office = PostOffice::open().await;
    let app = App::with(office.config()).await;
    let mut root = app.set_up().await;
    app.set("registration.mode", "open".into()).await;
    let working = app.work().await;
    app.visitor().post(REGISTER, wanted("ada")).await.expect(202);
    let body = json!({ "token": office.next().await.token("confirm-registration") });
    app.user(&mut root, "ADA").await;
    app.visitor().post(CONFIRM, body).await.refused(409, "username_taken");
    working.shutdown().await;
}

#[tokio::test]
async fn registering_is_limited_like_signing_in() {
    let app = App::new().await;
    app.set_up().await;
    app.set("registration.mode", "open".into()).await;
    let mut visitor = app.visitor();
    for number in 0..5 {
        let mut body = wanted(&format!("eve{number}"));
        body["email"] = "root@example.org".into();
        visitor.post(REGISTER, body).await.expect(202);
    }
    let mut body = wanted("eve6");
    body["email"] = "ROOT@example.org".into();
    let refused = visitor.post(REGISTER, body).await;
    assert_eq!(refused.headers["retry-after"], "30");
    refused.refused(429, "too_many_attempts");
}

#[tokio::test]
async fn an_address_gets_few_letters_that_nobody_there_asked_for() {
    let office = PostOffice::open().await;
    let app = App::with(office.config()).await;
    app.set_up().await;
    app.set("registration.mode", "open".into()).await;
    for (number, email) in (0..5).flat_map(|n| [(n, "root@example.org"), (n, "new@example.org")]) {
        let mut visitor = app.visitor();
        visitor.address = ([192, 0, 2, 10 + number], 1).into();
        let mut body = wanted(&format!("eve{number}"));
        body["email"] = email.into();
        // Whoever registers is told the same.
        let told = visitor.post(REGISTER, body).await.expect(202);
        assert_eq!(told, json!({ "confirmation": "mail" }));
    }
    app.finish_jobs().await;
    let mut to = Vec::new();
    for _ in 0..6 {
        to.push(office.next().await.to);
    }
    office.expect_empty();
    to.sort();
    assert_eq!(to[..3], ["new@example.org"; 3].map(str::to_owned));
    assert_eq!(to[3..], ["root@example.org"; 3].map(str::to_owned));
    app.clock.advance(Duration::from_secs(30));
    let mut body = wanted("eve9");
    body["email"] = "root@example.org".into();
    app.visitor().post(REGISTER, body).await.expect(202);
    app.finish_jobs().await;
    assert_eq!(office.next().await.to, "root@example.org");
}
