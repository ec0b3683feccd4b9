//! Certificates of a test's own.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use tempfile::NamedTempFile;

/// Issues certificates; who does not trust its file trusts none of them.
pub struct Authority {
    file: NamedTempFile,
    issuer: Issuer<'static, KeyPair>,
}

/// A server's certificate and its key, in PEM, and the file of who issued it.
pub struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) authority: PathBuf,
}

impl Authority {
    /// A new one, different from every other.
    ///
    /// # Panics
    /// Where it cannot be made; the message says why.
    pub fn create() -> Self {
        match Self::make() {
            Ok(authority) => authority,
            Err(error) => panic!("no authority for the test: {error:#}"),
        }
    }

    fn make() -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, lyceum_core::new_id().to_string());
        let key = KeyPair::generate()?;
        let file = NamedTempFile::with_prefix("lyceum-authority-")?;
        std::fs::write(file.path(), params.self_signed(&key)?.pem())?;
        Ok(Self { file, issuer: Issuer::new(params, key) })
    }

    /// Its own certificate in PEM, as long as it lives.
    pub fn file(&self) -> &Path {
        self.file.path()
    }

    /// A certificate for a server of these names and addresses.
    ///
    /// # Panics
    /// Where a name is none; the message says why.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_until(4000, names)
    }

    /// One that was good once.
    ///
    /// # Panics
    /// The same.
    pub fn issue_expired(&self, names: &[&str]) -> Issued {
        self.issue_until(2000, names)
    }

    fn issue_until(&self, year: i32, names: &[&str]) -> Issued {
        match self.sign(year, names) {
            Ok((certificate, key)) => Issued {
                certificate: certificate.pem(),
                key: key.serialize_pem(),
                authority: self.file().to_owned(),
            },
            Err(error) => panic!("no certificate for the test: {error}"),
        }
    }

    fn sign(&self, year: i32, names: &[&str]) -> Result<(Certificate, KeyPair), rcgen::Error> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }
}
