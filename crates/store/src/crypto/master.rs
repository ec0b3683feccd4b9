//! The master keys: given to the program from outside, never in the database.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lyceum_core::Secret;
use tokio::process::Command;

use super::CryptoError;
use super::cipher::Key;

/// How long the command that tells the keys may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// The keys that wrap data keys. New ones are wrapped with the current key; older keys only
/// unwrap.
#[derive(Clone)]
pub struct MasterKeys {
    pub(super) current: String,
    pub(super) keys: BTreeMap<String, Key>,
}

impl MasterKeys {
    /// One new random key.
    pub fn generate() -> Result<Self, CryptoError> {
        let id = lyceum_core::new_id().simple().to_string();
        Ok(Self { current: id.clone(), keys: BTreeMap::from([(id, Key::generate()?)]) })
    }

    /// Reads lines `<key id> <64 hexadecimal digits>`, the current key last. A comma may stand for
    /// the end of a line, for places that hold only one.
    pub fn from_text(source: &str, text: &Secret) -> Result<Self, CryptoError> {
        Self::parse(text.expose())
            .map_err(|reason| CryptoError::KeySource { source_name: source.to_owned(), reason })
    }

    /// Reads the keys from a file.
    pub fn load(path: &Path) -> Result<Self, CryptoError> {
        let text = fs::read_to_string(path).map_err(|error| fault(path, error.to_string()))?;
        Self::from_text(&file(path), &Secret::new(text))
    }

    /// Reads the keys from a file; makes it (mode 0600) with one new key where there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, CryptoError> {
        if path.exists() {
            return Self::load(path);
        }
        let ring = Self::generate()?;
        let write = || {
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(ring.to_text().expose().as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| fault(path, error.to_string()))?;
        Ok(ring)
    }

    /// Runs a program that prints the keys, without a shell: `command` is the program and its
    /// arguments.
    pub async fn from_command(command: &[String]) -> Result<Self, CryptoError> {
        let name = command.first().map_or("", String::as_str);
        let source = ["the key command ", name].concat();
        let fault = |reason: String| CryptoError::KeySource { source_name: source.clone(), reason };
        let running = Command::new(name)
            .args(command.iter().skip(1))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(COMMAND_LIMIT, running)
            .await
            .map_err(|_| fault(format!("did not end within {} s", COMMAND_LIMIT.as_secs())))?
            .map_err(|error| fault(error.to_string()))?;
        if !output.status.success() {
            return Err(fault(format!("ended with {}", output.status)));
        }
        let text = String::from_utf8(output.stdout).map_err(|_| fault("is no text".to_owned()))?;
        Self::from_text(&source, &Secret::new(text))
    }

    /// The key that data keys are wrapped with.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// All keys by id.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// The form that [`MasterKeys::from_text`] reads.
    pub fn to_text(&self) -> Secret {
        let older = self.keys.iter().filter(|(id, _)| **id != self.current);
        let current = self.keys.get_key_value(&self.current);
        let mut text = String::new();
        for (id, key) in older.chain(current) {
            text.push_str(id);
            text.push(' ');
            text.push_str(Secret::new(hex::encode(*key.0)).expose());
            text.push('\n');
        }
        Secret::new(text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut keys = BTreeMap::new();
        let mut current = None;
        let lines = text.split(['\n', ',']).enumerate();
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let bad = || format!("line {} is not '<key id> <64 hex digits>'", number + 1);
            let (id, digits) = line.trim().split_once(' ').ok_or_else(bad)?;
            let mut key = Key::from_slice(&[0; super::cipher::KEY_BYTES]).ok_or_else(bad)?;
            hex::decode_to_slice(digits.trim(), &mut *key.0).map_err(|_| bad())?;
            if id.len() > 100 || keys.insert(id.to_owned(), key).is_some() {
                return Err(format!("line {}: the key id is too long or stands twice", number + 1));
            }
            current = Some(id.to_owned());
        }
        current.map(|current| Self { current, keys }).ok_or_else(|| "it holds no key".to_owned())
    }

    pub(super) fn get(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }
}

fn file(path: &Path) -> String {
    format!("the key file {}", path.display())
}

fn fault(path: &Path, reason: String) -> CryptoError {
    CryptoError::KeySource { source_name: file(path), reason }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeys({} keys)", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_file_is_made_once_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let first = MasterKeys::load_or_create(&path).unwrap();
        let second = MasterKeys::load_or_create(&path).unwrap();
        assert_eq!(first.current, second.current);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "nonsense").unwrap();
        assert!(MasterKeys::load_or_create(&path).is_err());
    }

    #[test]
    fn the_last_key_is_the_current_one() {
        let (a, b) = ("ab".repeat(32), "cd".repeat(32));
        let text = |text: String| MasterKeys::from_text("a test", &Secret::new(text));
        for keys in [format!("old {a}\nnew {b}\n"), format!("old {a},new {b}")] {
            let keys = text(keys).unwrap();
            assert_eq!(keys.current(), "new");
            assert_eq!(keys.ids().collect::<Vec<_>>(), ["new", "old"]);
            let again = MasterKeys::from_text("a test", &keys.to_text()).unwrap();
            assert_eq!((again.current(), again.keys.len()), ("new", 2));
        }
        for wrong in [String::new(), a.clone(), format!("old {a}0"), format!("a {a}\na {b}")] {
            let error = text(wrong).unwrap_err().to_string();
            assert!(error.starts_with("a test: ") && !error.contains(&a), "{error}");
        }
    }

    #[tokio::test]
    async fn a_command_tells_the_keys_without_a_shell() {
        let line = format!("k {}", "ab".repeat(32));
        let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let words: Vec<String> = command(&["echo", &line]);
        assert_eq!(MasterKeys::from_command(&words).await.unwrap().current(), "k");
        let words: Vec<String> = command(&["echo", "$(id)"]);
        assert!(MasterKeys::from_command(&words).await.is_err(), "nothing is expanded");
        let words: Vec<String> = command(&["false"]);
        let error = MasterKeys::from_command(&words).await.unwrap_err().to_string();
        assert!(error.contains("the key command false: ended with"), "{error}");
    }
}
