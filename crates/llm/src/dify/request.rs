//! A conversation as one question to a Dify application.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::convert::{self, Media, Part, own_members, parts, refused};
use crate::{ChatMessage, ChatRequest, Endpoint, LlmError, Role};

/// Who asks where nobody said it. Dify wants the same name for the same person always.
const USER: &str = "lyceum";

/// A question and who asks it.
pub(super) struct Question {
    pub(super) user: String,
    pub(super) body: Map<String, Value>,
}

pub(super) async fn question(
    endpoint: &Endpoint,
    request: &ChatRequest,
) -> Result<Question, LlmError> {
    let user = request.extra.get("user").and_then(Value::as_str).unwrap_or(USER).to_owned();
    let mut body = own_members(request);
    body.entry("inputs").or_insert_with(|| json!({}));
    body.insert("query".to_owned(), json!(fold(request)));
    body.insert("response_mode".to_owned(), json!("streaming"));
    body.insert("conversation_id".to_owned(), json!(""));
    body.insert("auto_generate_name".to_owned(), json!(false));
    body.insert("user".to_owned(), json!(user));
    let last = request.messages.iter().rfind(|message| message.role == Role::User);
    let files = files(endpoint, last, &user).await?;
    if !files.is_empty() {
        body.insert("files".to_owned(), json!(files));
    }
    Ok(Question { user, body })
}

/// The conversation as one text: a question alone as it is, otherwise with what came before it.
fn fold(request: &ChatRequest) -> String {
    let text = |message: &ChatMessage| {
        message.content.as_ref().map(crate::Content::text).unwrap_or_default()
    };
    let spoken: Vec<&ChatMessage> =
        request.messages.iter().filter(|message| message.role != Role::System).collect();
    let (last, earlier) = match spoken.split_last() {
        Some((last, earlier)) if last.role == Role::User => (text(last), earlier),
        _ => (String::new(), spoken.as_slice()),
    };
    let mut sections: Vec<String> = convert::system(request).into_iter().collect();
    if !earlier.is_empty() {
        let mut turns = "The conversation so far:".to_owned();
        for message in earlier {
            let who = match message.role {
                Role::Assistant => "Assistant",
                Role::Tool => "Tool",
                _ => "User",
            };
            turns.push_str(&format!("\n{who}: {}", text(message)));
        }
        sections.push(turns);
    }
    match sections.is_empty() {
        true => last,
        false => {
            if !last.is_empty() {
                sections.push(format!("User: {last}"));
            }
            sections.join("\n\n")
        }
    }
}

#[derive(Deserialize)]
struct Uploaded {
    id: String,
}

/// The pictures and documents of a message. Those that are not at an address are uploaded first.
async fn files(
    endpoint: &Endpoint,
    message: Option<&ChatMessage>,
    user: &str,
) -> Result<Vec<Value>, LlmError> {
    let mut files = Vec::new();
    for part in parts(message.and_then(|message| message.content.as_ref()))? {
        let (kind, media) = match part {
            Part::Text(_) => continue,
            Part::Image(media) => ("image", media),
            Part::File(media) => ("document", media),
        };
        files.push(match media {
            Media::Remote(url) => {
                json!({ "type": kind, "transfer_method": "remote_url", "url": url })
            }
            Media::Inline { kind: content_type, data } => {
                let id = upload(endpoint, user, content_type, data).await?;
                json!({ "type": kind, "transfer_method": "local_file", "upload_file_id": id })
            }
        });
    }
    Ok(files)
}

async fn upload(
    endpoint: &Endpoint,
    user: &str,
    content_type: &str,
    data: &str,
) -> Result<String, LlmError> {
    let bytes = STANDARD.decode(data).map_err(|_| refused("a picture is not base64"))?;
    let well_formed = content_type.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    let extension = content_type.rsplit('/').next().filter(|_| well_formed);
    let extension = extension.ok_or_else(|| refused("a picture's type is not valid"))?;
    let boundary = format!("lyceum-{}", lyceum_core::new_id().simple());
    let form = [
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\n{user}\r\n")
            .into_bytes(),
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"file.{extension}\"\r\nContent-Type: {content_type}\r\n\r\n"
        )
        .into_bytes(),
        bytes,
        format!("\r\n--{boundary}--\r\n").into_bytes(),
    ]
    .concat();
    let header = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"))
        .map_err(|error| LlmError::Internal(Box::new(error)))?;
    let response = endpoint.post_as("files/upload", &[], header, form.into()).await?;
    Ok(endpoint.json::<Uploaded>(response).await?.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(messages: Value) -> String {
        let request = json!({ "model": "app", "messages": messages });
        fold(&serde_json::from_value(request).unwrap())
    }

    #[test]
    fn a_question_alone_stays_as_it_is_and_a_conversation_is_told() {
        assert_eq!(folded(json!([{"role": "user", "content": "hi"}])), "hi");
        let whole = folded(json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
        ]));
        let expected = "Be brief.\n\nThe conversation so far:\nUser: one\nAssistant: two\n\n\
                        User: three";
        assert_eq!(whole, expected);
        assert_eq!(
            folded(json!([{"role": "system", "content": "s"}, {"role": "user", "content": "q"}])),
            "s\n\nUser: q"
        );
    }
}
