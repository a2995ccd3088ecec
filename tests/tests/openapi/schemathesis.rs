//! Schemathesis, as it is run here.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use roundtrip_tests::skip;
use tokio::process::Command;

use crate::stage::Stage;

/// How long a run may take before it counts as one that hangs.
const LIMIT: Duration = Duration::from_secs(180);

/// What is tried is the same in each run; `ROUNDTRIP_SEED` says another.
const SEED: u32 = 1;

/// A schemathesis that was found.
pub(crate) struct Schemathesis;

impl Schemathesis {
    pub(crate) async fn found() -> Option<Self> {
        let version = Command::new("schemathesis").arg("--version").stdin(Stdio::null()).output().await;
        if version.is_ok_and(|output| output.status.success()) {
            return Some(Self);
        }
        let needed = "schemathesis is needed and does not run: `.ci/run` installs it";
        skip(needed, "the gateway was not compared with its description");
        None
    }

    /// Runs it against the stage's gateway.
    pub(crate) async fn finds_nothing(&self, stage: &Stage) {
        let Stage { address, tickets, deliveries, fresh, holder, .. } = stage;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("openapi-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let settings = folder.join("schemathesis.toml");
        let fixed = std::fs::read_to_string(part("schemathesis.toml")).unwrap();
        let dictionaries = [
            ("tickets", tickets.concat()),
            ("deliveries", [fresh.clone(), deliveries.concat()].concat()),
            ("holders", vec![holder.clone()]),
        ];
        let dictionaries = dictionaries.map(|(name, values)| format!("\n[dictionaries.{name}]\nvalues = {values:?}\n"));
        std::fs::write(&settings, fixed + &dictionaries.concat()).unwrap();

        let seed = std::env::var("ROUNDTRIP_SEED").unwrap_or_else(|_| SEED.to_string());
        let mut command = Command::new("schemathesis");
        command
            .arg("--config-file")
            .arg(&settings)
            .args(["run", "--no-color", "--seed", &seed, &format!("http://{address}/openapi.json")])
            .current_dir(&folder)
            .env("PYTHONPATH", part(""))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUTF8", "1")
            .env("ROUNDTRIP_TICKETS", serde_json::to_string(tickets).unwrap())
            .env("ROUNDTRIP_DELIVERIES", serde_json::to_string(deliveries).unwrap())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let ended = tokio::time::timeout(LIMIT, command.output()).await.expect("schemathesis does not end").unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let told = String::from_utf8_lossy(&ended.stdout);
        println!("{told}");
        assert!(ended.status.success(), "{}\n{told}\n{}", ended.status, String::from_utf8_lossy(&ended.stderr));
    }
}

fn part(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/openapi").join(name)
}
