//! The command that answers, found before the first request comes.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::exit::Quit;

/// A command and its arguments.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: OsString,
    pub(crate) arguments: Vec<OsString>,
}

impl Program {
    /// Finds the command as a shell would, so that a misspelt one is told now and not to every requester.
    pub(crate) fn find(command: Vec<OsString>) -> Result<Self, Quit> {
        let mut words = command.into_iter();
        let name = words.next().unwrap_or_default();
        let search = env::var_os("PATH").unwrap_or_default();
        if !is_there(&name, &search) {
            return Err(Quit::usage(format!(
                "there is no command {}: name one that is in PATH, or its file",
                name.to_string_lossy()
            )));
        }
        Ok(Self { name, arguments: words.collect() })
    }
}

fn is_there(name: &OsStr, search: &OsStr) -> bool {
    if name.is_empty() {
        return false;
    }
    if Path::new(name).components().count() > 1 || Path::new(name).is_absolute() {
        return Path::new(name).is_file();
    }
    env::split_paths(search).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_in_the_path_or_by_its_file() {
        let search = OsStr::new("/no/such/folder:/bin:/usr/bin");
        assert!(is_there(OsStr::new("sh"), search));
        assert!(is_there(OsStr::new("/bin/sh"), OsStr::new("")));
        assert!(!is_there(OsStr::new("no-such-command"), search));
        assert!(!is_there(OsStr::new(""), search));
    }
}
