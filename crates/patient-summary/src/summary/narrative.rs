//! The XHTML that people read. Whatever comes from a source is escaped; there is no other markup than what stands here.

use serde_json::Value;

use super::document::Narrative;
use super::reading;
use super::selection::Listing;
use crate::sections::SectionName;

/// What a section says.
pub(super) fn of_section(section: SectionName, listing: &Listing<'_>) -> Narrative {
    match listing {
        Listing::Current(resources) => narrative(&table(section, resources)),
        Listing::OnlyEnded(resources) => {
            narrative(&format!("<p>None is current. These have ended:</p>{}", table(section, resources)))
        }
        Listing::NoneKnown => narrative("<p>No information available: the source was asked and has no record.</p>"),
        Listing::Unavailable | Listing::LeftOut => narrative(
            "<p>Unavailable: the source could not be asked. This does not mean that there is nothing to know.</p>",
        ),
    }
}

/// Whose document it is.
pub(super) fn of_document(patient: &Value) -> Narrative {
    narrative(&format!(
        "<p>International Patient Summary of {}, born {}. Assembled by software from the record systems' answers; not \
         reviewed by a person.</p>",
        escape(&reading::name(patient)),
        escape(&reading::code(&patient["birthDate"])),
    ))
}

fn narrative(content: &str) -> Narrative {
    Narrative { status: "generated", div: format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{content}</div>") }
}

fn table(section: SectionName, resources: &[&Value]) -> String {
    let mut table = "<table><thead><tr>".to_owned();
    for title in titles(section) {
        table.push_str(&format!("<th>{title}</th>"));
    }
    table.push_str("</tr></thead><tbody>");
    for resource in resources {
        table.push_str("<tr>");
        for cell in cells(section, resource) {
            table.push_str(&format!("<td>{}</td>", escape(&cell)));
        }
        table.push_str("</tr>");
    }
    table.push_str("</tbody></table>");
    table
}

fn titles(section: SectionName) -> [&'static str; 4] {
    match section {
        SectionName::Problems => ["Problem", "Status", "Verification", "Since"],
        SectionName::Allergies => ["Allergy or intolerance", "Status", "Verification", "Since"],
        SectionName::Medications => ["Medication", "Status", "Dosage", "Ordered"],
        SectionName::Immunizations => ["Vaccine", "Status", "Lot", "Given"],
        SectionName::Results => ["Test", "Result", "Status", "Date"],
        SectionName::Procedures => ["Procedure", "Status", "Outcome", "Date"],
    }
}

fn cells(section: SectionName, resource: &Value) -> [String; 4] {
    use reading::{code, concept};
    let time = reading::time(section, resource);
    let status = || code(&resource["status"]);
    match section {
        SectionName::Problems | SectionName::Allergies => [
            concept(&resource["code"]),
            concept(&resource["clinicalStatus"]),
            concept(&resource["verificationStatus"]),
            time,
        ],
        SectionName::Medications => {
            [reading::medication(resource), reading::order_status(resource), reading::dosage(resource), time]
        }
        SectionName::Immunizations => [concept(&resource["vaccineCode"]), status(), code(&resource["lotNumber"]), time],
        SectionName::Results => [concept(&resource["code"]), reading::result(resource), status(), time],
        SectionName::Procedures => [concept(&resource["code"]), status(), concept(&resource["outcome"]), time],
    }
}

/// Text as XHTML content. Characters that XML cannot hold at all become the replacement character.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_quotes_and_what_xml_cannot_hold_do_not_get_through() {
        assert_eq!(
            escape("<script>\"&'\u{1}\u{b}</script>"),
            "&lt;script&gt;&quot;&amp;&#39;\u{fffd}\u{fffd}&lt;/script&gt;"
        );
        assert_eq!(escape("Ünal, 5 µg/dl\n"), "Ünal, 5 µg/dl\n");
    }
}
