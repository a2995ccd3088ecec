//! References between resources: what one points at.
//!
//! Two forms are understood, `Type/id` (with or without a version) and `urn:uuid:id`. An absolute URL is another server's
//! resource, and another server's patient may have the same id.

/// Whether the reference points at the resource of this type and id.
pub(crate) fn points_at(reference: &str, resource_type: &str, id: &str) -> bool {
    match target(reference) {
        Some(Target::Typed { resource_type: found, id: found_id }) => found == resource_type && found_id == id,
        Some(Target::Uuid(found)) => found == id,
        None => false,
    }
}

/// What a reference names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// `Type/id`
    Typed {
        /// The type before the slash.
        resource_type: &'a str,
        /// The id behind it.
        id: &'a str,
    },
    /// `urn:uuid:id`, which does not say the type
    Uuid(&'a str),
}

/// Reads a reference; nothing if it is of another form.
pub(crate) fn target(reference: &str) -> Option<Target<'_>> {
    if let Some(id) = reference.strip_prefix("urn:uuid:") {
        return Some(Target::Uuid(id));
    }
    let (resource_type, rest) = reference.split_once('/')?;
    let id = rest.split_once("/_history/").map_or(rest, |(id, _version)| id);
    let typed = !resource_type.is_empty() && resource_type.bytes().all(|byte| byte.is_ascii_alphabetic());
    (typed && super::is_id(id)).then_some(Target::Typed { resource_type, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_reference_points_at_its_type_and_id_with_or_without_a_version() {
        assert!(points_at("Patient/a-1", "Patient", "a-1"));
        assert!(points_at("Patient/a-1/_history/7", "Patient", "a-1"));
        assert!(!points_at("Patient/a-1", "Group", "a-1"));
        assert!(!points_at("Patient/a-12", "Patient", "a-1"));
    }

    #[test]
    fn a_uuid_reference_points_at_the_id() {
        assert!(points_at("urn:uuid:a-1", "Patient", "a-1"));
        assert!(!points_at("urn:uuid:a-2", "Patient", "a-1"));
    }

    #[test]
    fn another_servers_patient_of_the_same_id_is_another_patient() {
        assert!(!points_at("http://elsewhere.example/fhir/Patient/a-1", "Patient", "a-1"));
        assert!(!points_at("#a-1", "Patient", "a-1"));
        assert!(!points_at("", "Patient", ""));
    }
}
