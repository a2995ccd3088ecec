//! What stands behind the question mark: each call has its parameters, and any other is told.

use std::time::Duration;

use axum::extract::Query as Extracted;
use axum::extract::rejection::QueryRejection;

use crate::problem::Problem;
use crate::wait::whole;

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
    pub(crate) fn seconds(&self, name: &str, least: u64, most: u64) -> Result<Option<Duration>, Problem> {
        let Some(value) = self.text(name) else { return Ok(None) };
        match whole(value.strip_suffix('s').unwrap_or(value)) {
            Some(seconds) if (least..=most).contains(&seconds) => Ok(Some(Duration::from_secs(seconds))),
            _ => Err(Problem::invalid(format!(
                "The parameter {name} must be whole seconds from {least} to {most}, such as ?{name}=20 or ?{name}=20s; \
                 its value is another: correct it."
            ))),
        }
    }

    /// What a parameter means that is one of these words.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(value) = self.text(name) else { return Ok(None) };
        let meant = words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| Some(*meaning));
        meant.ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let words = words.join(" or ");
            Problem::invalid(format!("The parameter {name} must be {words}; its value is another: correct it."))
        })
    }
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
        for query in ["?secret=1", "?wait=secret&wait=secret", "?wait=1&secret=2"] {
            let problem = read(query).unwrap_err();
            assert!(problem.contains("wait, after") && !problem.contains("secret"), "{query}: {problem}");
        }
    }

    #[test]
    fn seconds_are_whole_and_within_their_bounds() {
        let seconds = |query| read(query).unwrap().seconds("wait", 1, 60).map_err(|problem| format!("{problem:?}"));
        assert_eq!(seconds(""), Ok(None));
        assert_eq!(seconds("?wait=1"), Ok(Some(Duration::from_secs(1))));
        assert_eq!(seconds("?wait=60s"), Ok(Some(Duration::from_secs(60))));
        for query in ["?wait=0", "?wait=61", "?wait=", "?wait=1.5", "?wait=s", "?wait"] {
            let problem = seconds(query).unwrap_err();
            assert!(problem.contains("wait") && problem.contains("from 1 to 60"), "{query}: {problem}");
        }
    }
}
