use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong with a field and what is allowed. The name and its parts are the members `rule` and
/// so on of a problem document, so that a page can say it in the reader's language; the sentence is
/// its `detail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, thiserror::Error)]
#[serde(tag = "rule", rename_all = "snake_case")]
#[schema(as = FieldRule)]
#[expect(missing_docs, reason = "each says its own sentence")]
pub enum Rule {
    #[error("This must have {min} to {max} characters.")]
    Length { min: usize, max: usize },
    #[error("This must have at most {max} characters.")]
    AtMost { max: usize },
    #[error("This must be one line of plain text.")]
    OneLine,
    #[error("This must be one word of at most {max} characters.")]
    OneWord { max: usize },
    #[error("This must not have a NUL character.")]
    NoNul,
    #[error("Give it a name.")]
    NameMissing,
    #[error("Another one has this name.")]
    NameTaken,
    #[error("This must be a number from {min} to {max}.")]
    Range { min: i64, max: i64 },
    #[error("This must be one of {}.", allowed.join(", "))]
    OneOf { allowed: &'static [&'static str] },
    #[error("List {min} to {max} of them.")]
    Count { min: usize, max: usize },
    #[error("Give exactly one of {}.", fields.join(" and "))]
    ExactlyOne { fields: &'static [&'static str] },
    #[error("Give all of {}, or none.", fields.join(" and "))]
    AllOrNone { fields: &'static [&'static str] },
    #[error("This would be over already; choose a later time.")]
    Past,
    #[error("There is no {what} '{name}'.")]
    Unknown { what: &'static str, name: String },
    #[error("There is no {what} of that id.")]
    UnknownId { what: &'static str },
    #[error("There is no such time zone; name one such as Europe/Berlin.")]
    Timezone,
    #[error("The username may have letters, digits, '.', '_' and '-'.")]
    UsernameCharacters,
    #[error("The username must start and end with a letter or digit.")]
    UsernameEnds,
    #[error("The username must not mix Latin, Greek and Cyrillic letters.")]
    UsernameAlphabets,
    #[error("The username has characters that look like others; write it in plain letters.")]
    UsernameLookalikes,
    #[error("This is not an e-mail address; write it like name@example.org.")]
    Email,
    #[error("Give the e-mail address.")]
    EmailMissing,
    #[error("Addresses of this domain may not register here.")]
    EmailDomain,
    #[error("The invitation is for another e-mail address.")]
    EmailOther,
    #[error("Give a username or an e-mail address.")]
    LoginMissing,
    #[error("The password must not be the username or the e-mail address.")]
    PasswordOwnName,
    #[error("Change your own in your profile.")]
    OwnProfile,
    #[error("A role's name is 1 to 50 lower-case letters, digits or '_', a letter first.")]
    RoleName,
    #[error("'{text}' is not an address; write it like 192.0.2.7 or 2001:db8::/32.")]
    Network { text: String },
    #[error("'{text}' is not a permission; write resource:action, either may be *.")]
    Permission { text: String },
    #[error("A key is 1 to 100 lower-case letters, digits, '_', '.' or '-', a letter first.")]
    PreferenceKey,
    #[error("This must be an object with no members but {}.", allowed.join(", "))]
    Members { allowed: &'static [&'static str] },
    #[error("The value must have at most {kib} KiB.")]
    ValueSize { kib: usize },
    #[error("The issuer is an address like https://host, at most 500 characters, without a query.")]
    IssuerAddress,
    #[error("The issuer's address must be https.")]
    IssuerHttps,
    #[error("The scopes are words with spaces between, one of them openid.")]
    Scopes,
    #[error("At most {max} entries, each of 1 to 255 characters.")]
    Mapping { max: usize },
    #[error("The object is of the type knowledge_base, provider or api_key.")]
    ObjectType,
    #[error("With an object, the action is view, use, edit or own.")]
    AccessLevel,
    #[error("Without an object, or about an API key, the action is a right like document:write.")]
    OneRight,
}
