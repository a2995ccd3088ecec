//! What a web page anywhere tries, and does not get.

use roundtrip_broker::Broker;
use roundtrip_gateway::Gateway;

use crate::stage::Stage;

fn submission(host: &str, more: &str) -> String {
    format!(
        "POST /v1/channels/a_request/requests HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{more}Content-Length: 3\r\n\r\na=b"
    )
}

#[tokio::test]
async fn a_page_that_made_its_own_name_point_here_is_misdirected() {
    let stage = Stage::new().await;
    let port = stage.address.rsplit(':').next().unwrap();
    for host in [format!("attacker.example:{port}"), "attacker.example".into(), "127.0.0.1.attacker.example".into()] {
        let answer = stage.raw(&submission(&host, &format!("Origin: http://{host}\r\n"))).await;
        assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("--host"), "{answer}");
        assert!(!answer.contains("attacker"), "{answer}");
    }
    assert_eq!(stage.channels(), Vec::<String>::new());
}

#[tokio::test]
async fn no_path_is_left_out_of_the_guard() {
    let stage = Stage::new().await;
    for path in ["/healthz", "/readyz", "/openapi.json", "/nothing", "/v1/requests/x/reply"] {
        let call = format!("GET {path} HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n");
        let answer = stage.raw(&call).await;
        assert!(answer.starts_with("HTTP/1.1 421 "), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_form_on_a_foreign_page_submits_nothing() {
    let stage = Stage::new().await;
    for origin in ["http://attacker.example", "http://127.0.0.1:1", "null"] {
        let answer = stage.raw(&submission(&stage.address, &format!("Origin: {origin}\r\n"))).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(!answer.to_lowercase().contains("access-control-"), "{answer}");
    }
    let answer = stage.raw(&submission(&stage.address, "Sec-Fetch-Site: cross-site\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(stage.channels(), Vec::<String>::new());
}

#[tokio::test]
async fn a_foreign_page_is_not_told_that_it_might_ask() {
    let stage = Stage::new().await;
    let call = format!(
        "OPTIONS /v1/channels/a_request/requests HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Origin: http://attacker.example\r\nAccess-Control-Request-Method: POST\r\n\r\n",
        stage.address
    );
    let answer = stage.raw(&call).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(!answer.to_lowercase().contains("access-control-"), "{answer}");
}

#[tokio::test]
async fn a_page_of_the_same_host_and_a_listed_name_are_let_in() {
    let gateway = Gateway::builder().host("broker.example".parse().unwrap());
    let stage = Stage::with(Broker::builder(), gateway).await;
    let own = format!("Origin: http://{}\r\n", stage.address);
    for call in [submission(&stage.address, &own), submission("Broker.Example:80", "Origin: http://broker.example\r\n")]
    {
        let answer = stage.raw(&call).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }
}

#[tokio::test]
async fn a_page_of_a_listed_origin_may_ask_and_see_the_answers() {
    let gateway = Gateway::builder().cors_origin("https://ward.example".parse().unwrap());
    let stage = Stage::with(Broker::builder(), gateway).await;
    let asks = format!(
        "OPTIONS /v1/channels/a_request/requests HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Origin: https://ward.example\r\nSec-Fetch-Site: cross-site\r\nAccess-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: idempotency-key,roundtrip-meta-ward\r\n\
         Access-Control-Request-Private-Network: true\r\n\r\n",
        stage.address
    );
    let answer = stage.raw(&asks).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for line in [
        "access-control-allow-origin: https://ward.example",
        "access-control-allow-methods: GET,POST,DELETE",
        "access-control-allow-headers: idempotency-key,roundtrip-meta-ward",
        "access-control-allow-private-network: true",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
    let answer = stage.raw(&submission(&stage.address, "Origin: https://ward.example\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    for line in ["access-control-allow-origin: https://ward.example", "access-control-expose-headers: *"] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
    let answer = stage.raw(&submission(&stage.address, "Origin: https://other.example\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && !answer.contains("access-control-"), "{answer}");
}

#[tokio::test]
async fn where_no_origin_is_listed_nothing_is_said_of_any() {
    let stage = Stage::new().await;
    let own = format!("Origin: http://{}\r\n", stage.address);
    let answer = stage.raw(&submission(&stage.address, &own)).await;
    assert!(answer.starts_with("HTTP/1.1 202 ") && !answer.contains("access-control-"), "{answer}");
    let asks = format!("OPTIONS /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{own}\r\n");
    assert!(stage.raw(&asks.replace("localhost", &stage.address)).await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn a_call_without_a_host_or_with_two_is_bad_input() {
    let stage = Stage::new().await;
    for hosts in ["", "Host: localhost\r\nHost: localhost\r\n", "Host: local host\r\n"] {
        let answer = stage.raw(&format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}
