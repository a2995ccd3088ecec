//! How many files and sockets the process may hold.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes as many as the system lets it have without being asked: a connection is one, and what people have set is mostly
/// meant for programs that hold a few.
pub(crate) fn take_all() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // If it may not, it goes on with those it has: a connection beyond them waits.
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
    }
}
