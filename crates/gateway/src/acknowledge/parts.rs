//! `POST /v1/requests/{ticket}/parts/{part}/acknowledge`: the parts up to this one were handled.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use futures_core::Stream;

use crate::answer::within;
use crate::events::EventId;
use crate::gateway::Shared;
use crate::path::{self, OfPart, OfTicket, Segments};
use crate::problem::Problem;
use crate::refusal::OfRequest;
use crate::requester;

/// The parts up to this one were handled
///
/// The broker may forget them, which makes room for others. Under another's name it does nothing, and does not say so.
#[utoipa::path(
    post,
    path = "/v1/requests/{ticket}/parts/{part}/acknowledge",
    operation_id = "acknowledge_parts",
    params(
        OfTicket,
        OfPart,
        ("Roundtrip-Requester" = String, Header, description = "The requester's name.", max_length = 128,
         pattern = r"^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$", example = "night-shift")
    ),
    responses(OfRequest, (status = 204, description = "They are acknowledged, if that is their requester."))
)]
pub(crate) async fn parts(
    State(shared): State<Arc<Shared>>,
    part: Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (id, part) = path::part(part)?;
    let Some(EventId::Part { delivery, number }) = EventId::parse(&part) else {
        return Err(Problem::invalid(
            "/v1/requests/{ticket}/parts/{part} needs the id of a part as it was told, such as 1.3; it is another: send \
             it as it came.",
        ));
    };
    let Some(requester) = requester::named(&headers)? else {
        return Err(Problem::invalid(
            "Parts are acknowledged under their requester's name: send it in Roundtrip-Requester. Those of a request \
             without one make room by themselves.",
        ));
    };
    let ticket = shared.client.requester(requester.as_str()).attach_raw(id);
    within(shared.answer_timeout, ticket.state()).await?;
    // Whoever asks for what is behind a part has handled it.
    let mut behind = ticket.parts_after(delivery, number);
    poll_fn(|context| {
        let _ = Pin::new(&mut behind).poll_next(context);
        Poll::Ready(())
    })
    .await;
    // It has no answer: what is asked behind it is answered behind it.
    within(shared.answer_timeout, ticket.state()).await?;
    Ok(StatusCode::NO_CONTENT)
}
