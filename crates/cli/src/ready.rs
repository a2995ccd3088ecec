//! The one line that says where something listens, for whoever waits for it.

use std::net::SocketAddr;

use serde::Serialize;

use crate::exit::Quit;
use crate::output;

/// Where it listens.
pub(crate) struct Ready {
    pub(crate) listen: SocketAddr,
    /// Where for HTTP, if that is another place.
    pub(crate) http: Option<SocketAddr>,
}

/// Prints the line.
pub(crate) fn tell(ready: &Ready, json: bool) -> Result<(), Quit> {
    #[derive(Serialize)]
    struct Line {
        event: &'static str,
        listen: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        http: Option<String>,
    }
    let Ready { listen, http } = *ready;
    let printed = match (json, http) {
        (true, http) => {
            output::json_line(&Line { event: "ready", listen: listen.to_string(), http: http.map(|it| it.to_string()) })
        }
        (false, None) => output::line(&format!("ready on {listen}")),
        (false, Some(http)) => output::line(&format!("ready on {listen}, and on http://{http}")),
    };
    match printed {
        // Nobody reads the line: that is no reason not to serve.
        Err(Quit::PipeClosed) => Ok(()),
        printed => printed,
    }
}
