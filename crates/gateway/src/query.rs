//! What stands behind the question mark: each call has its parameters, and any other is told.

use std::time::Duration;

use axum::extract::Query as Extracted;
use axum::extract::rejection::QueryRejection;

use crate::problem::Problem;
use crate::seconds;

/// What stands behind the question mark, as the extractor finds it.
pub(crate) type Parameters = Result<Extracted<Vec<(String, String)>>, QueryRejection>;

/// The parameters of a call, each of them at most once.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

/// Reads the parameters of a call that has these and no others. What a problem tells is their names, never a value.
pub(crate) fn read(parameters: Parameters, allowed: &[&'static str]) -> Result<Query, Problem> {
    let Ok(Extracted(parameters)) = parameters else {
        return Err(wrong(allowed, "what came does not decode: encode it as URLs want it"));
    };
    for (index, (name, _)) in parameters.iter().enumerate() {
        let Some(known) = allowed.iter().find(|known| *known == name) else {
            return Err(wrong(allowed, "one that came has another name: correct it or leave it out"));
        };
        if parameters[..index].iter().any(|(before, _)| before == name) {
            return Err(wrong(allowed, &format!("{known} came more than once: leave one")));
        }
    }
    Ok(Query(parameters))
}

impl Query {
    /// The value of a parameter; none if it is not there.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter in whole seconds, with or without their unit.
    pub(crate) fn whole_seconds(&self, name: &str, least: u64, most: u64) -> Result<Option<Duration>, Problem> {
        let expected = format!("whole seconds from {least} to {most}, such as ?{name}=20 or ?{name}=20s");
        let seconds = |text: &str| whole(text.strip_suffix('s').unwrap_or(text));
        self.parsed(name, &expected, |text| {
            seconds(text).filter(|it| (least..=most).contains(it)).map(Duration::from_secs)
        })
    }

    /// A parameter in seconds, fractions allowed, with or without their unit.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, Problem> {
        let expected = format!("seconds, such as ?{name}=90 or ?{name}=0.5s");
        self.parsed(name, &expected, |text| seconds::parse(text.strip_suffix('s').unwrap_or(text)))
    }

    /// A whole number from 1 on.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Problem> {
        let expected = format!("a whole number from 1 to {}, such as ?{name}=1", u32::MAX);
        self.parsed(name, &expected, |text| whole(text).and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0))
    }

    /// What a parameter means that is one of these words.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let expected: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let meant = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        self.parsed(name, &expected.join(" or "), meant)
    }

    fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| {
            Problem::invalid(format!("The parameter {name} must be {expected}; its value is another: correct it."))
        })
    }
}

/// A whole number in decimal digits.
pub(crate) fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn wrong(allowed: &[&'static str], what: &str) -> Problem {
    match allowed {
        [] => Problem::invalid(format!("This call has no parameters; {what}.")),
        _ => Problem::invalid(format!(
            "The parameters of this call are {}, each at most once; {what}.",
            allowed.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Query, String> {
        let uri = format!("/{query}").parse().unwrap();
        super::read(Extracted::try_from_uri(&uri), &["wait", "after"]).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn parameters_may_stand_in_any_order_and_be_left_out() {
        assert_eq!(read("").unwrap().text("wait"), None);
        let query = read("?after=a%3A1&wait=5").unwrap();
        assert_eq!((query.text("after"), query.text("wait")), (Some("a:1"), Some("5")));
    }

    #[test]
    fn what_is_wrong_with_them_is_told_and_no_value_is() {
        for query in ["?secret=1", "?wait=secret&wait=secret", "?wait=1&secret=2", "?=1"] {
            let problem = read(query).unwrap_err();
            assert!(problem.contains("wait, after") && !problem.contains("secret"), "{query}: {problem}");
        }
    }

    #[test]
    fn whole_seconds_are_within_their_bounds() {
        let seconds =
            |query| read(query).unwrap().whole_seconds("wait", 1, 60).map_err(|problem| format!("{problem:?}"));
        assert_eq!(seconds(""), Ok(None));
        assert_eq!(seconds("?wait=1"), Ok(Some(Duration::from_secs(1))));
        assert_eq!(seconds("?wait=60s"), Ok(Some(Duration::from_secs(60))));
        for query in
            ["?wait=0", "?wait=61", "?wait=", "?wait=1.5", "?wait=s", "?wait", "?wait=-1", "?wait=%2B1", "?wait=1m"]
        {
            let problem = seconds(query).unwrap_err();
            assert!(problem.contains("wait") && problem.contains("from 1 to 60"), "{query}: {problem}");
        }
    }

    #[test]
    fn others_are_seconds_with_fractions_numbers_and_words() {
        let query = |value: &str| read(&format!("?after={value}")).unwrap();
        assert_eq!(query("0.5").seconds("after").unwrap(), Some(Duration::from_millis(500)));
        assert_eq!(query("90s").seconds("after").unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(query("3").number("after").unwrap(), Some(3));
        let words = [("true", true), ("false", false)];
        assert_eq!(query("true").word("after", &words).unwrap(), Some(true));
        assert!(query("x").seconds("after").is_err() && query("0").number("after").is_err());
        assert!(query("yes").word("after", &words).is_err());
    }
}
