//! Requests under an idempotency key: submitted at once, again, and after everything is over. One key, one request.

use super::life::{Desk, Open, Wish};
use super::requester::{end, wish};

pub(super) async fn lead(desk: &Desk) {
    let wish = wish(desk);
    let number = desk.chance(|chance| chance.bits());
    let wish = Wish { key: Some(format!("key-{number:x}")), ..wish };
    let (twice, again, late) = desk.chance(|chance| (chance.percent(50), chance.percent(30), chance.percent(30)));
    let first = if twice {
        let (first, second) = tokio::join!(desk.submit(&wish), desk.submit(&wish));
        follow_another(desk, &first, &second).await;
        first
    } else {
        desk.submit(&wish).await
    };
    if again {
        desk.rest((0, 300)).await;
        follow_another(desk, &first, &desk.submit(&wish).await).await;
    }
    end(desk, &first).await;
    if late {
        // The key is known after the acknowledgement, and so is the outcome.
        desk.rest((0, 900)).await;
        let third = desk.submit(&wish).await;
        if third.id() == first.id() {
            desk.outcome(&third).await;
        }
        follow_another(desk, &first, &third).await;
    }
}

/// What should be the same request and is none is brought to its end: the ledger says what it thinks of it.
async fn follow_another(desk: &Desk, first: &Open, other: &Open) {
    if other.id() != first.id() {
        end(desk, other).await;
    }
}
