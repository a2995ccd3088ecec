//! Patients' ids cut to what tells them apart: a line of the timeline has no room for a whole one.

/// Never fewer letters than this.
const LEAST: usize = 8;

/// How many letters of an id are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Labels(usize);

impl Labels {
    /// The fewest letters that tell these patients apart.
    pub(crate) fn of(patients: &[String]) -> Self {
        let mut sorted: Vec<&String> = patients.iter().collect();
        sorted.sort();
        let shared = sorted.windows(2).map(|pair| {
            let same = pair[0].bytes().zip(pair[1].bytes()).take_while(|(one, other)| one == other);
            same.count() + 1
        });
        Self(shared.max().unwrap_or(0).max(LEAST))
    }

    /// The patient's label.
    pub(crate) fn cut(self, patient: &str) -> &str {
        patient.get(..self.0).unwrap_or(patient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(patients: &[&str]) -> Vec<String> {
        let patients: Vec<String> = patients.iter().map(ToString::to_string).collect();
        let labels = Labels::of(&patients);
        patients.iter().map(|patient| labels.cut(patient).to_owned()).collect()
    }

    #[test]
    fn an_id_is_cut_where_it_is_told_from_all_others() {
        assert_eq!(labels(&["85c63cf3-278e-454c", "4a404922-e691-47f2"]), ["85c63cf3", "4a404922"]);
        assert_eq!(labels(&["patient-17-x", "patient-1", "patient-18-y"]), ["patient-17", "patient-1", "patient-18"]);
        assert_eq!(labels(&["a", "b"]), ["a", "b"]);
    }
}
