//! What is known of the parts of requests: they come in order, and none is lost.

use roundtrip_protocol::RequestId;

use super::request::RequestBook;
use super::{Books, Invariant, short_of};

/// What a reader of a request's parts has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PartsRead {
    delivery: u32,
    last: u32,
    /// Whether a part of that delivery was read.
    has_read: bool,
}

impl PartsRead {
    /// The reader is told that parts before `first` are gone.
    pub(crate) fn skip_to(&mut self, first: u32) {
        self.last = first.saturating_sub(1);
    }
}

impl Books {
    /// A service is told that a part of its delivery is kept.
    pub(crate) fn kept_part(&mut self, id: RequestId, delivery: u32, number: u32) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let kept = request.parts_kept.entry(delivery).or_default();
        *kept = number.max(*kept);
    }

    /// Somebody begins to read the parts of a request.
    pub(crate) fn reads_parts(&mut self, id: RequestId) -> PartsRead {
        if let Some(request) = self.requests.get_mut(&id) {
            request.parts_readers += 1;
        }
        PartsRead::default()
    }

    /// A reader is given a part; `named` is what its payload says.
    pub(crate) fn told_part(
        &mut self,
        id: RequestId,
        read: &mut PartsRead,
        (delivery, number): (u32, u32),
        named: Option<(RequestId, u32)>,
    ) {
        // Where none of the former delivery's parts was read, nobody has to be told that they are void.
        let is_new = !read.has_read && delivery >= read.delivery && number == 1;
        let is_next = read.delivery == delivery && number == read.last + 1;
        let is_first = read.delivery == 0 && number == read.last + 1;
        if !(is_new || is_next || is_first) {
            let how = format!("{}: part {number} of delivery {delivery} comes behind {read:?}", short_of(id));
            self.violate(Invariant::Parts, how);
        }
        if named != Some((id, delivery)) {
            let how = format!("{}: part {number} of delivery {delivery} is another's", short_of(id));
            self.violate(Invariant::Parts, how);
        }
        *read = PartsRead { delivery, last: number, has_read: true };
    }

    /// A reader is told that a new delivery makes the parts before void.
    pub(crate) fn told_restarted(&mut self, id: RequestId, read: &mut PartsRead, delivery: u32) {
        self.coverage.restarted += 1;
        if delivery <= read.delivery {
            let how = format!("{}: parts restart with delivery {delivery} behind {read:?}", short_of(id));
            self.violate(Invariant::Parts, how);
        }
        *read = PartsRead { delivery, last: 0, has_read: false };
    }

    /// A reader is told that parts are gone: somebody else read and acknowledged them, or nobody has to.
    pub(crate) fn told_gone(&mut self, id: RequestId, read: &mut PartsRead, first: u32) {
        let is_alone = |request: &RequestBook| request.parts_readers == 1 && !request.is_one_way && !request.is_damaged;
        if self.requests.get(&id).is_some_and(|request| is_alone(request) && !request.is_acknowledged) {
            let how = format!("{}: parts before {first} are gone, and nobody read them", short_of(id));
            self.violate(Invariant::Parts, how);
        }
        read.skip_to(first);
    }

    /// A reader comes to the end: the outcome is behind the last part.
    pub(crate) fn told_last_part(&mut self, id: RequestId, read: PartsRead) {
        let Some(request) = self
            .requests
            .get(&id)
            .filter(|request| !(request.is_one_way || request.is_acknowledged || request.is_damaged))
        else {
            return;
        };
        let Some(by) = request.settled_by else { return };
        let kept = request.parts_kept.get(&by).copied().unwrap_or_default();
        let last = if read.delivery == by || read.delivery == 0 { read.last } else { 0 };
        if last < kept && request.parts_readers == 1 {
            let how = format!("{}: {kept} parts were kept of delivery {by}, read is {read:?}", short_of(id));
            self.violate(Invariant::Parts, how);
        }
    }
}
