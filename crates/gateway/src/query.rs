//! What stands behind the question mark of a call.

use std::time::Duration;

use axum::extract::Query as Pairs;
use axum::extract::rejection::QueryRejection;

use crate::problem::Problem;
use crate::seconds;
use crate::wait::LONGEST_WAIT;

/// As the extractor finds it.
pub(crate) type Parameters = Result<Pairs<Vec<(String, String)>>, QueryRejection>;

/// Parameters of which a call knows each.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Takes these parameters, each at most once, and no other.
    pub(crate) fn read(parameters: Parameters, known: &[&str]) -> Result<Self, Problem> {
        let wrong = |what: &str| {
            let known =
                if known.is_empty() { "no parameters".to_owned() } else { format!("{}, each once", known.join(", ")) };
            Problem::invalid(format!(
                "Behind the question mark this call takes {known}; {what}: correct it or leave it out."
            ))
        };
        let Ok(Pairs(parameters)) = parameters else { return Err(wrong("what came does not decode")) };
        for (nth, (name, _)) in parameters.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(wrong("one that came has another name"));
            }
            if parameters[..nth].iter().any(|(other, _)| other == name) {
                return Err(wrong(&format!("{name} came twice")));
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter as it stands.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How long to wait: not at all if the call does not say.
    pub(crate) fn wait(&self) -> Result<Duration, Problem> {
        let Some(text) = self.text("wait") else { return Ok(Duration::ZERO) };
        let seconds = whole(text.strip_suffix('s').unwrap_or(text)).map(Duration::from_secs);
        seconds.filter(|wait| *wait <= LONGEST_WAIT).ok_or_else(|| {
            Problem::invalid(
                "The parameter wait must be whole seconds from 0 to 60, such as ?wait=20 or ?wait=20s; its value is \
                 another: to wait for longer, ask again.",
            )
        })
    }

    /// Seconds, fractions allowed.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        seconds::parse(text.strip_suffix('s').unwrap_or(text)).map(Some).ok_or_else(|| {
            Problem::invalid(format!("The parameter {name} must be seconds, such as ?{name}=90 or ?{name}=0.5; its value is another: correct it."))
        })
    }

    /// A whole number from 1 on.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = whole(text).and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| {
            Problem::invalid(format!(
                "The parameter {name} must be a whole number from 1 to {}, such as ?{name}=1; its value is another: correct it.",
                u32::MAX
            ))
        })
    }

    /// True or false; false if the call does not say.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(format!(
                "The parameter {name} must be true or false, such as ?{name}=true; its value is another: correct it."
            ))),
        }
    }
}

/// A whole number in decimal digits.
pub(crate) fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, known: &[&str]) -> Option<Query> {
        let uri = format!("/{query}").parse().unwrap();
        Query::read(Pairs::try_from_uri(&uri), known).ok()
    }

    fn wait(query: &str) -> Option<u64> {
        read(query, &["wait"]).and_then(|query| query.wait().ok()).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_taken_in_whole_seconds_with_and_without_their_unit() {
        assert_eq!(wait(""), Some(0));
        assert_eq!(wait("?wait=0"), Some(0));
        assert_eq!(wait("?wait=20"), Some(20));
        assert_eq!(wait("?wait=60s"), Some(60));
    }

    #[test]
    fn another_wait_is_told() {
        for query in ["?wait=", "?wait=s", "?wait=61", "?wait=-1", "?wait=+1", "?wait=1.5", "?wait=1m"] {
            assert_eq!(wait(query), None, "{query}");
        }
    }

    #[test]
    fn unknown_doubled_and_damaged_parameters_are_told() {
        for query in ["?wiat=1", "?wait=1&wait=1", "?a=%FF", "?=1"] {
            assert!(read(query, &["wait"]).is_none(), "{query}");
        }
        assert!(read("?wait=1", &[]).is_none());
    }

    #[test]
    fn other_parameters_are_seconds_numbers_and_flags() {
        let query = read("?after=0.5&lease=90s&number=3&retry=true", &["after", "lease", "number", "retry"]).unwrap();
        assert_eq!(query.seconds("after").unwrap(), Some(Duration::from_millis(500)));
        assert_eq!(query.seconds("lease").unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(query.number("number").unwrap(), Some(3));
        assert!(query.flag("retry").unwrap());
        assert!(query.number("after").is_err() && query.flag("number").is_err() && query.seconds("retry").is_err());
        assert_eq!(read("", &[]).unwrap().seconds("after").unwrap(), None);
    }
}
