//! What keeps a web page anywhere from reaching a broker on this machine: who is let in, and what an answer may do.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Type};
use utoipa::openapi::{ContentBuilder, Header, RefOr, ResponseBuilder};

use crate::field;
use crate::gateway::Shared;
use crate::host::{Authority, Host};
use crate::origin::Origin;
use crate::problem::Problem;

/// What every answer has.
const CONFINED: [(HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'"),
];

/// Lets a call in that means this gateway and comes from no foreign page.
pub(crate) async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match check(&shared.hosts, &shared.origins, request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// A payload is whatever its sender made it, so that a browser shall neither run, nor guess at, nor keep it.
pub(crate) async fn confine(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in CONFINED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The headers that every answer has, as they are described.
pub(crate) fn confined() -> impl Iterator<Item = (String, RefOr<Header>)> {
    CONFINED.into_iter().map(|(name, value)| {
        let only = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([value])).build();
        (name.to_string(), Header::new(only).into())
    })
}

/// Completes the description of a call: what is refused here and what every answer has.
pub(crate) fn describe(call: &mut Operation) {
    let refused = [
        ("400", "`invalid`: the detail says what was expected"),
        ("403", "`foreign_origin`: the call comes from a web page"),
        ("421", "`unknown_host`: the gateway is not reached under this host"),
    ];
    let answers = &mut call.responses.responses;
    for (status, description) in refused {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let refusal = ResponseBuilder::new().description(description).content("application/json", problem);
        answers.entry(status.to_owned()).or_insert_with(|| refusal.build().into());
    }
    for answer in answers.values_mut() {
        let RefOr::T(answer) = answer else { continue };
        for (name, _) in CONFINED {
            let described = Ref::new(format!("#/components/headers/{name}"));
            answer.headers.insert(name.to_string(), RefOr::Ref(described));
        }
    }
}

/// What a page of a listed origin may ask, and see of the answers. The guard lets no other in, so that there is nothing to
/// say where none is listed.
pub(crate) fn cors(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let listed = origins.iter().filter_map(|origin| HeaderValue::try_from(origin.to_string()).ok());
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(listed))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(ExposeHeaders::any())
        .allow_private_network(true)
        .max_age(Duration::from_secs(600));
    Some(layer)
}

fn check(hosts: &[Host], origins: &[Origin], uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let host = field::single(headers, "host")?;
    let Some(host) = host.as_deref().and_then(Authority::parse) else {
        return Err(Problem::invalid(
            "The header Host must name the host that is asked, such as 127.0.0.1:7480; there is none, or it is none: \
             send it as the URL has it.",
        ));
    };
    // A request line with a whole URL goes before the header: both have to be good.
    let named = uri.authority().map(|authority| Authority::parse(authority.as_str()));
    let is_known =
        |authority: &Authority| authority.is_loopback() || hosts.iter().any(|known| known.is(&authority.host));
    if !is_known(&host) || named.is_some_and(|named| named.is_none_or(|named| !is_known(&named))) {
        return Err(misdirected());
    }
    if let Some(origin) = field::single(headers, "origin")? {
        let origin: Origin = origin.parse().map_err(|_| foreign())?;
        return if origin.is_of(&host) || origins.contains(&origin) { Ok(()) } else { Err(foreign()) };
    }
    // What a browser says where it leaves out the origin.
    match field::single(headers, "sec-fetch-site")?.as_deref() {
        Some("cross-site" | "same-site") => Err(foreign()),
        _ => Ok(()),
    }
}

fn misdirected() -> Problem {
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "unknown_host",
        "This gateway is not reached under that host.",
        "The host in Host and in the URL must be localhost, a loopback address, or one that the gateway was started \
         with: ask for 127.0.0.1, or start it with --host NAME.",
    )
}

fn foreign() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        "Pages of other origins may not ask this gateway.",
        "The call comes from a web page that was not served under this host and port, and whose origin is not listed: start \
         the gateway with --cors-origin ORIGIN, or ask through a server of your own.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uri: &str, pairs: &[(&'static str, &'static str)]) -> Option<StatusCode> {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let hosts = ["broker.example".parse().unwrap()];
        let origins = ["https://ward.example".parse().unwrap()];
        check(&hosts, &origins, &uri.parse().unwrap(), &headers.collect()).err().map(|problem| problem.status())
    }

    #[test]
    fn loopback_and_listed_hosts_are_let_in() {
        for host in ["127.0.0.1:7480", "localhost", "[::1]:7480", "broker.example:1", "BROKER.example"] {
            assert_eq!(status("/", &[("host", host)]), None, "{host}");
        }
    }

    #[test]
    fn other_hosts_are_misdirected_in_the_url_too() {
        for host in ["attacker.example", "broker.example.attacker.example", "192.0.2.7:7480"] {
            assert_eq!(status("/", &[("host", host)]), Some(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
        let url = "http://attacker.example/healthz";
        assert_eq!(status(url, &[("host", "localhost")]), Some(StatusCode::MISDIRECTED_REQUEST));
        assert_eq!(status("http://localhost/healthz", &[("host", "localhost")]), None);
    }

    #[test]
    fn no_host_or_one_that_is_none_is_bad_input() {
        assert_eq!(status("/", &[]), Some(StatusCode::BAD_REQUEST));
        assert_eq!(status("/", &[("host", "a b")]), Some(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn only_a_page_of_the_same_host_and_port_is_let_in() {
        let of = |origin| status("/", &[("host", "localhost:7480"), ("origin", origin)]);
        assert_eq!(of("http://localhost:7480"), None);
        let foreign = [
            "http://localhost:3000",
            "http://localhost",
            "http://attacker.example",
            "null",
            "",
            "file://localhost:7480",
        ];
        for origin in foreign {
            assert_eq!(of(origin), Some(StatusCode::FORBIDDEN), "{origin}");
        }
        assert_eq!(status("/", &[("host", "broker.example"), ("origin", "https://broker.example")]), None);
        assert_eq!(status("/", &[("host", "broker.example:443"), ("origin", "https://broker.example")]), None);
    }

    #[test]
    fn a_page_of_a_listed_origin_is_let_in() {
        let of =
            |origin| status("/", &[("host", "localhost:7480"), ("origin", origin), ("sec-fetch-site", "cross-site")]);
        assert_eq!(of("https://ward.example"), None);
        for origin in ["http://ward.example", "https://ward.example:8443", "https://a.ward.example"] {
            assert_eq!(of(origin), Some(StatusCode::FORBIDDEN), "{origin}");
        }
    }

    #[test]
    fn what_a_browser_says_of_the_site_counts_without_an_origin() {
        let of = |site| status("/", &[("host", "localhost:7480"), ("sec-fetch-site", site)]);
        assert_eq!((of("none"), of("same-origin")), (None, None));
        assert_eq!((of("cross-site"), of("same-site")), (Some(StatusCode::FORBIDDEN), Some(StatusCode::FORBIDDEN)));
    }
}
