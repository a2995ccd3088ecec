//! The patients that the sample EHR serves: read from a folder, or the ten that are inside the binary.
//!
//! A folder holds one FHIR `collection` Bundle per patient, in files named `*.json`. All are read and checked before anything
//! is served; one file that is something else fails the whole load and is named, because a patient that silently is not
//! there looks like a patient without a record. Nothing here changes a record, and no error repeats what stands in one: file
//! names and resource types are all that is told.

mod embedded;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fhir;

/// The records of all patients, by patient id. Never empty.
#[derive(Clone)]
pub struct Records {
    patients: BTreeMap<String, Record>,
}

impl Records {
    /// The ten sample patients inside the binary: synthetic, see the crate's NOTICE.
    ///
    /// # Errors
    ///
    /// None that a test has not ruled out; the same as [`Records::load`] in principle.
    pub fn embedded() -> Result<Self, RecordsError> {
        Self::collect(embedded::FILES.iter().map(|(name, text)| Record::read(name, text.as_bytes())))
    }

    /// Reads every `*.json` file of a folder, in the order of their names. Other files and subfolders are left alone.
    ///
    /// # Errors
    ///
    /// [`RecordsError`], which names the file, when the folder or a file cannot be read, a file is no patient's `collection`
    /// Bundle, two files hold the same patient, or there is no file.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, RecordsError> {
        let folder = folder.as_ref();
        let unreadable = |source| RecordsError::Folder { folder: folder.to_owned(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
                files.push(path);
            }
        }
        if files.is_empty() {
            return Err(RecordsError::Empty { folder: folder.to_owned() });
        }
        files.sort();
        Self::collect(files.iter().map(|path| {
            let file = path.display().to_string();
            match fs::read(path) {
                Ok(bytes) => Record::read(&file, &bytes),
                Err(source) => Err(RecordsError::Unreadable { file, source }),
            }
        }))
    }

    /// How many patients there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.patients.len()
    }

    /// The ids of all patients, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.patients.keys().map(String::as_str)
    }

    /// One patient's record.
    #[must_use]
    pub fn patient(&self, id: &str) -> Option<&Record> {
        self.patients.get(id)
    }

    fn collect(records: impl Iterator<Item = Result<Record, RecordsError>>) -> Result<Self, RecordsError> {
        let mut patients: BTreeMap<String, Record> = BTreeMap::new();
        for record in records {
            let record = record?;
            if let Some(first) = patients.get(&record.patient) {
                return Err(RecordsError::DuplicatePatient { file: record.file, first: first.file.clone() });
            }
            patients.insert(record.patient.clone(), record);
        }
        Ok(Self { patients })
    }
}

/// One patient's record: the resources of one file, as they are in it.
#[derive(Clone)]
pub struct Record {
    file: String,
    patient: String,
    resources: BTreeMap<String, Vec<Value>>,
}

impl Record {
    /// The file the record came from.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The id of the Patient resource.
    #[must_use]
    pub fn patient(&self) -> &str {
        &self.patient
    }

    /// The resources of one type, in the file's order; none if the record has none.
    #[must_use]
    pub fn resources(&self, resource_type: &str) -> &[Value] {
        self.resources.get(resource_type).map_or(&[], Vec::as_slice)
    }

    fn read(file: &str, bytes: &[u8]) -> Result<Self, RecordsError> {
        let not_a_record = |problem| RecordsError::NotAPatientBundle { file: file.to_owned(), problem };
        // The parser's own message may quote the text; where it stopped is enough to find the place.
        let mut bundle: Value = serde_json::from_slice(bytes).map_err(|error| RecordsError::NotJson {
            file: file.to_owned(),
            line: error.line(),
            column: error.column(),
        })?;
        if bundle["resourceType"] != "Bundle" {
            return Err(not_a_record(BundleProblem::NotABundle { found: type_name(&bundle) }));
        }
        if bundle["type"] != "collection" {
            return Err(not_a_record(BundleProblem::NotACollection));
        }
        let Some(Value::Array(entries)) = bundle.get_mut("entry").map(Value::take) else {
            return Err(not_a_record(BundleProblem::NoEntries));
        };

        let mut resources: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for (index, mut entry) in entries.into_iter().enumerate() {
            let number = index + 1;
            let resource = entry.get_mut("resource").map(Value::take).unwrap_or_default();
            let name = type_name(&resource);
            if name == UNNAMED {
                return Err(not_a_record(BundleProblem::NoResource { number }));
            }
            let Some(id) = fhir::id(&resource) else {
                return Err(not_a_record(BundleProblem::NoId { number, resource_type: name }));
            };
            if !seen.insert((name.clone(), id.to_owned())) {
                return Err(not_a_record(BundleProblem::DuplicateId { number, resource_type: name }));
            }
            resources.entry(name).or_default().push(resource);
        }

        let patients = resources.get("Patient").map_or(&[][..], Vec::as_slice);
        let [patient] = patients else {
            return Err(not_a_record(BundleProblem::NotOnePatient { found: patients.len() }));
        };
        let patient = patient["id"].as_str().unwrap_or_default().to_owned();
        for (resource_type, _) in fhir::CLINICAL {
            let others = resources.get(resource_type).into_iter().flatten();
            if others.into_iter().any(|resource| !fhir::belongs_to(resource, &patient)) {
                return Err(not_a_record(BundleProblem::AnotherPatients { resource_type }));
            }
        }
        Ok(Self { file: file.to_owned(), patient, resources })
    }
}

const UNNAMED: &str = "no resource";

/// The resource type as it may stand in an error. A file that is something else may hold anything in that place.
fn type_name(resource: &Value) -> String {
    let name = fhir::resource_type(resource);
    let plausible = (1..=40).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    if plausible { name.to_owned() } else { UNNAMED.to_owned() }
}

/// Why the patients could not be loaded. Each names the file or the folder, and none says what stands in a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// The folder cannot be read.
    #[error("cannot read the folder {}; give a folder that exists and may be read", folder.display())]
    Folder {
        /// The folder that was named.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder has no `*.json` file.
    #[error("no patients in {}: expected at least one *.json file with a FHIR Bundle; put one there or name another folder", folder.display())]
    Empty {
        /// The folder that was named.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {file}; allow it or take it out of the folder")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not JSON.
    #[error(
        "{file} is not JSON (line {line}, column {column}): expected one patient's FHIR `collection` Bundle; mend it or take it out of the folder"
    )]
    NotJson {
        /// The file.
        file: String,
        /// Where reading stopped, from 1.
        line: usize,
        /// Where reading stopped, from 1; 0 at the end of the text.
        column: usize,
    },
    /// A file is JSON, but no patient's record.
    #[error("{file} is not a patient's record: {problem}; mend it or take it out of the folder")]
    NotAPatientBundle {
        /// The file.
        file: String,
        /// What was expected and what came.
        problem: BundleProblem,
    },
    /// Two files hold a Patient of the same id.
    #[error(
        "{file} holds the same patient as {first}: expected one file per patient; take one of them out of the folder"
    )]
    DuplicatePatient {
        /// The later file.
        file: String,
        /// The file that was read before.
        first: String,
    },
}

/// What makes a JSON file something else than a patient's record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleProblem {
    /// The resource is none, or of another type.
    #[error("expected `resourceType` Bundle, found {found}")]
    NotABundle {
        /// The type that came.
        found: String,
    },
    /// The Bundle is of another type.
    #[error("expected a Bundle of type `collection`, found another type")]
    NotACollection,
    /// There is no list of entries.
    #[error("expected a list `entry`, found none")]
    NoEntries,
    /// An entry holds no resource.
    #[error("expected a FHIR resource in entry {number}, found none")]
    NoResource {
        /// The entry, from 1.
        number: usize,
    },
    /// A resource has no id, or none that FHIR allows.
    #[error("expected an id on the {resource_type} in entry {number}, found none that FHIR allows")]
    NoId {
        /// The entry, from 1.
        number: usize,
        /// What kind of resource it is.
        resource_type: String,
    },
    /// Two resources have the same type and id.
    #[error("expected ids to be unique, found that of the {resource_type} in entry {number} before")]
    DuplicateId {
        /// The later entry, from 1.
        number: usize,
        /// What kind of resource it is.
        resource_type: String,
    },
    /// There is no Patient, or more than one.
    #[error("expected exactly one Patient, found {found}")]
    NotOnePatient {
        /// How many there are.
        found: usize,
    },
    /// A resource says that it belongs to somebody else, or to nobody.
    #[error("expected every {resource_type} to refer to the file's Patient, found one that does not")]
    AnotherPatients {
        /// What kind of resource it is.
        resource_type: &'static str,
    },
}
