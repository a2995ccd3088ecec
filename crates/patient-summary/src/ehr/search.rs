//! The one search there is: a patient's resources of one type, page by page.

use axum::Json;
use axum::response::{IntoResponse, Response};
use reqwest::Url;
use serde::Serialize;
use serde_json::Value;

use super::Upstream;
use super::outcome::{FHIR, Refusal};
use crate::fhir;
use crate::patients::Records;

const DEFAULT_COUNT: usize = 50;
const MOST: usize = 1000;

/// A search that can be answered.
#[derive(Debug)]
pub(super) struct Search {
    resource_type: &'static str,
    patient: String,
    category: Option<String>,
    count: usize,
    offset: usize,
}

impl Search {
    /// Reads a search from a request. Parameters that it does not know are left out of account and of `link.self`, as FHIR
    /// has it.
    pub(super) fn read(
        upstream: Upstream,
        resource_type: &str,
        parameters: &[(String, String)],
    ) -> Result<Self, Refusal> {
        let served = upstream.serves();
        let resource_type =
            served.iter().copied().find(|name| *name == resource_type).ok_or(Refusal::UnknownType { served })?;

        let (mut patient, mut category, mut count, mut offset) = (None, None, DEFAULT_COUNT, 0);
        for (name, value) in parameters {
            match name.as_str() {
                "patient" => {
                    let id = value.strip_prefix("Patient/").unwrap_or(value);
                    set_once(&mut patient, id, "patient")?;
                }
                "_id" if resource_type == "Patient" => set_once(&mut patient, value, "_id")?,
                "category" if resource_type == "Observation" => {
                    let code = value.rsplit_once('|').map_or(value.as_str(), |(_system, code)| code);
                    set_once(&mut category, code, "category")?;
                }
                "_count" => {
                    count = value.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or(Refusal::BadCount)?;
                }
                "_page" => offset = read_page(value).ok_or(Refusal::BadPage)?,
                _ => {}
            }
        }
        let expected = if resource_type == "Patient" { "`_id` or `patient`" } else { "`patient`" };
        let patient = patient.filter(|id| !id.is_empty()).ok_or(Refusal::MissingPatient { expected })?;
        Ok(Self { resource_type, patient, category, count, offset })
    }

    /// The URL of the page at an offset, under the upstream's base.
    fn url(&self, base: &str, offset: usize) -> String {
        let bare = format!("{base}/{}", self.resource_type);
        let (parameter, count) =
            (if self.resource_type == "Patient" { "_id" } else { "patient" }, self.count.to_string());
        // The base has the Host header in it, which may be nonsense; then the link is as bare as that.
        let Ok(mut url) = Url::parse(&bare) else {
            return bare;
        };
        url.query_pairs_mut()
            .append_pair(parameter, &self.patient)
            .extend_pairs(self.category.iter().map(|category| ("category", category)))
            .append_pair("_count", &count)
            .extend_pairs((offset > 0).then(|| ("_page", page(offset))));
        url.into()
    }
}

/// Answers a search from the records.
pub(super) fn searchset(records: &Records, search: &Search, base: &str) -> Response {
    let resources = records.patient(&search.patient).map_or(&[][..], |record| record.resources(search.resource_type));
    let matching: Vec<&Value> = resources
        .iter()
        .filter(|resource| search.category.as_ref().is_none_or(|category| fhir::categorised(resource, category)))
        .collect();

    let end = search.offset.saturating_add(search.count);
    let mut link = vec![Link { relation: "self", url: search.url(base, search.offset) }];
    if end < matching.len() {
        link.push(Link { relation: "next", url: search.url(base, end) });
    }
    let entry = matching.iter().skip(search.offset).take(search.count).map(|resource| Entry {
        full_url: format!("{base}/{}/{}", search.resource_type, fhir::id(resource).unwrap_or_default()),
        resource,
        search: Mode { mode: "match" },
    });
    let bundle =
        Searchset { resource_type: "Bundle", r#type: "searchset", total: matching.len(), link, entry: entry.collect() };
    (FHIR, Json(bundle)).into_response()
}

fn set_once(place: &mut Option<String>, value: &str, parameter: &'static str) -> Result<(), Refusal> {
    match place.replace(value.to_owned()) {
        Some(before) if before != value => Err(Refusal::Contradiction { parameter }),
        _ => Ok(()),
    }
}

/// The offset in a form that nobody is tempted to count in: a page is followed, not made up.
fn page(offset: usize) -> String {
    format!("p{offset:x}")
}

fn read_page(page: &str) -> Option<usize> {
    usize::from_str_radix(page.strip_prefix('p')?, 16).ok()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Searchset<'a> {
    resource_type: &'static str,
    r#type: &'static str,
    total: usize,
    link: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Link {
    relation: &'static str,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    full_url: String,
    resource: &'a Value,
    search: Mode,
}

#[derive(Serialize)]
struct Mode {
    mode: &'static str,
}
