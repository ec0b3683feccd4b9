//! The words of the letters. Plain text: nothing in it is loaded or run by the reader's program.

use super::Language;

/// What a letter says.
pub(super) enum Contents {
    /// Somebody is invited.
    Invitation {
        /// Who invites.
        inviter: String,
        link: String,
    },
    /// A new account waits for its address to be proved.
    Registration { link: String },
    /// Somebody registers with an address that has an account.
    AlreadyRegistered { sign_in: String },
    /// An account's address, to be proved.
    VerifyEmail { link: String },
    /// An account's new address, to be proved.
    ChangeEmail { link: String },
    /// To the address that an account had before.
    AddressChanged { new: String },
    /// A new password may be set.
    ResetPassword { link: String },
}

/// A letter's text.
pub(super) struct Text {
    pub(super) subject: &'static str,
    pub(super) body: String,
}

const IGNORE_EN: &str = "If this was not you, ignore this letter; nothing will change.\n";
const IGNORE_ZH: &str = "如果不是您本人操作，请忽略此邮件，不会有任何变化。\n";

/// Writes a letter.
pub(super) fn write(contents: &Contents, language: Language) -> Text {
    match language {
        Language::En => english(contents),
        Language::Zh => chinese(contents),
    }
}

fn english(contents: &Contents) -> Text {
    let (subject, body) = match contents {
        Contents::Invitation { inviter, link } => (
            "You are invited to Lyceum",
            format!(
                "{inviter} invites you to Lyceum. Make your account here:\n\n{link}\n\n\
                     The link works once.\n"
            ),
        ),
        Contents::Registration { link } => (
            "Confirm your account",
            format!(
                "Confirm your new account on Lyceum here, within 24 hours:\n\n{link}\n\n\
                     {IGNORE_EN}"
            ),
        ),
        Contents::AlreadyRegistered { sign_in } => (
            "You have an account already",
            format!(
                "Somebody, perhaps you, wanted to make an account on Lyceum with this address, \
                     which has one already. Sign in, or set a new password, here:\n\n{sign_in}\n\n\
                     {IGNORE_EN}"
            ),
        ),
        Contents::VerifyEmail { link } => (
            "Confirm your e-mail address",
            format!(
                "Confirm that this is your e-mail address, within 24 hours:\n\n{link}\n\n\
                     {IGNORE_EN}"
            ),
        ),
        Contents::ChangeEmail { link } => (
            "Confirm your new e-mail address",
            format!(
                "Confirm that your account on Lyceum shall have this e-mail address, within 24 \
                     hours:\n\n{link}\n\n{IGNORE_EN}"
            ),
        ),
        Contents::AddressChanged { new } => (
            "Your e-mail address was changed",
            format!(
                "Your account on Lyceum now has the e-mail address {new}.\n\n\
                     If this was not you, tell an administrator at once.\n"
            ),
        ),
        Contents::ResetPassword { link } => (
            "Set a new password",
            format!(
                "Set a new password for your account on Lyceum here, within one hour:\n\n\
                     {link}\n\nThe link works once and ends all sessions. {IGNORE_EN}"
            ),
        ),
    };
    Text { subject, body }
}

fn chinese(contents: &Contents) -> Text {
    let (subject, body) = match contents {
        Contents::Invitation { inviter, link } => (
            "邀请您加入 Lyceum",
            format!(
                "{inviter} 邀请您加入 Lyceum。请在此创建账户：\n\n{link}\n\n链接仅能使用一次。\n"
            ),
        ),
        Contents::Registration { link } => (
            "确认您的账户",
            format!("请在 24 小时内确认您在 Lyceum 的新账户：\n\n{link}\n\n{IGNORE_ZH}"),
        ),
        Contents::AlreadyRegistered { sign_in } => (
            "您已有账户",
            format!(
                "有人（可能是您）想用此邮箱在 Lyceum 注册，但该邮箱已有账户。\
                     请在此登录或重设密码：\n\n{sign_in}\n\n{IGNORE_ZH}"
            ),
        ),
        Contents::VerifyEmail { link } => {
            ("确认您的邮箱", format!("请在 24 小时内确认这是您的邮箱：\n\n{link}\n\n{IGNORE_ZH}"))
        }
        Contents::ChangeEmail { link } => (
            "确认您的新邮箱",
            format!("请在 24 小时内确认您的 Lyceum 账户改用此邮箱：\n\n{link}\n\n{IGNORE_ZH}"),
        ),
        Contents::AddressChanged { new } => (
            "您的邮箱已更改",
            format!(
                "您的 Lyceum 账户的邮箱已改为 {new}。\n\n如果不是您本人操作，请立即联系管理员。\n"
            ),
        ),
        Contents::ResetPassword { link } => (
            "设置新密码",
            format!(
                "请在一小时内为您的 Lyceum 账户设置新密码：\n\n{link}\n\n\
                     链接仅能使用一次，使用后所有会话都会结束。{IGNORE_ZH}"
            ),
        ),
    };
    Text { subject, body }
}
