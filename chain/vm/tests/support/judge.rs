//! The real Move VM as judge: predictions become Move unit tests, and `chain/move/test.sh` runs them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use floe_move_vm::{ExecutionFailure, FailureKind};
use sui_sdk_types::Address;

/// What the real VM said.
pub struct Verdict {
    pub passed: bool,
    /// Its whole output.
    pub output: String,
}

/// A copy of a Move package with generated tests in place of its own.
pub struct Judge {
    directory: PathBuf,
}

#[expect(
    clippy::disallowed_methods,
    reason = "writes the files the real VM reads"
)]
impl Judge {
    /// Copies the package in `package` to a scratch directory of this name.
    pub fn new(package: &Path, scratch: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(scratch);
        let _ = std::fs::remove_dir_all(&directory);
        for part in ["sources", "tests"] {
            std::fs::create_dir_all(directory.join(part)).unwrap();
        }
        let copy = |name: PathBuf| {
            std::fs::copy(package.join(&name), directory.join(&name)).unwrap();
        };
        // The copy lies elsewhere than the package: what it depends on is named in full.
        let manifest = std::fs::read_to_string(package.join("Move.toml")).unwrap();
        let parent = package.canonicalize().unwrap();
        let parent = parent.parent().unwrap().display();
        let manifest = manifest.replace("local = \"..", &format!("local = \"{parent}"));
        std::fs::write(directory.join("Move.toml"), manifest).unwrap();
        for entry in std::fs::read_dir(package.join("sources")).unwrap() {
            copy(Path::new("sources").join(entry.unwrap().file_name()));
        }
        Self { directory }
    }

    /// Adds a test module.
    pub fn add(&self, module: &str, text: &str) {
        let file = self.directory.join("tests").join(format!("{module}.move"));
        std::fs::write(file, text).unwrap();
    }

    /// Runs all tests. `tape` has the results of BLS operations; any other aborts.
    pub fn run(&self, tape: &str) -> Verdict {
        let script = repository().join("chain/move/test.sh");
        let mut command = Command::new(script);
        command.arg(&self.directory);
        let file = self.directory.join("bls.tape");
        std::fs::write(&file, tape).unwrap();
        command.arg("--tape").arg(file);
        let output = command.output().expect("chain/move/test.sh runs");
        let text = [output.stdout, output.stderr].concat();
        Verdict {
            passed: output.status.success(),
            output: String::from_utf8_lossy(&text).into_owned(),
        }
    }
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The attribute of a test that must end in this failure. `package` is the name under which the
/// package at the zero address is known.
pub fn expected_failure(failure: &ExecutionFailure, package: &str) -> String {
    let at = failure.location.as_ref().expect("failed while running");
    let owner = match at.original {
        Address::ZERO => package.to_owned(),
        Address::TWO => "sui".to_owned(),
        one => {
            assert_eq!(one, Address::from_static("0x1"));
            "std".to_owned()
        }
    };
    let what = match &failure.kind {
        // A code with the top bit set names a constant by its place in the module, which differs
        // in a test build.
        FailureKind::Abort { code } if code >> 63 == 1 => return "expected_failure".to_owned(),
        FailureKind::Abort { code } => format!("abort_code = {code}"),
        FailureKind::Arithmetic => "arithmetic_error".to_owned(),
        FailureKind::VectorBounds => "vector_error, minor_status = 1".to_owned(),
        FailureKind::VectorEmpty => "vector_error, minor_status = 2".to_owned(),
        FailureKind::VectorLength => "vector_error, minor_status = 3".to_owned(),
        // Only a faulty interpreter predicts it.
        FailureKind::VariantMismatch => format!("abort_code = {}", u64::MAX >> 1),
        other => panic!("no such failure can be expected: {other}"),
    };
    format!(
        "expected_failure({what}, location = {owner}::{})",
        at.module
    )
}
