//! Who can reach what listens: this machine alone, unless somebody insists.

use std::net::SocketAddr;

use crate::exit::Quit;
use crate::output::tell;

/// Refuses an address that others can reach, or warns if they may.
pub(crate) fn insist(listen: SocketAddr, insecure: bool) -> Result<(), Quit> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    if !insecure {
        return Err(Quit::usage(format!(
            "{listen} can be reached from other machines, and there are no permissions and no encryption yet: listen on \
             127.0.0.1, or add --insecure if everybody who can reach it may read and send everything"
        )));
    }
    tell(&format!(
        "warning: everybody who can reach {listen} may read and send everything: no permissions, no encryption"
    ));
    Ok(())
}
