//! What a program writes, as it comes.

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

use super::LIMIT;

/// One of a program's outputs.
pub(crate) struct Feed {
    written: watch::Receiver<Written>,
    /// Where the first line begins that was not asked for yet.
    next: usize,
}

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    ended: bool,
}

impl Feed {
    pub(super) fn of(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, written) = watch::channel(Written::default());
        tokio::spawn(async move {
            let mut chunk = vec![0; 64 * 1024];
            loop {
                let read = pipe.read(&mut chunk).await.unwrap_or(0);
                sender.send_modify(|written| {
                    written.bytes.extend_from_slice(&chunk[..read]);
                    written.ended = read == 0;
                });
                if read == 0 {
                    return;
                }
            }
        });
        Self { written, next: 0 }
    }

    /// A feed of what is not to be looked at.
    pub(super) fn nothing() -> Self {
        Self { written: watch::channel(Written { bytes: Vec::new(), ended: true }).1, next: 0 }
    }

    /// Waits for the next line that is wanted; what stands before it is passed over.
    pub(crate) async fn line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        let next = &mut self.next;
        let waited = self.written.wait_for(|written| {
            while let Some(length) = written.bytes[*next..].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&written.bytes[*next..*next + length]).into_owned();
                *next += length + 1;
                if wanted(&line) {
                    found = Some(line);
                    return true;
                }
            }
            written.ended
        });
        let in_time = tokio::time::timeout(LIMIT, waited).await.is_ok();
        found.unwrap_or_else(|| {
            let why = if in_time { "the output ended" } else { "it did not come" };
            let bytes = &self.written.borrow().bytes;
            panic!("no such line, {why}; all there is:\n{}", String::from_utf8_lossy(bytes))
        })
    }

    /// Everything, once the output has ended.
    pub(crate) async fn whole(&mut self) -> Vec<u8> {
        let whole = async { self.written.wait_for(|written| written.ended).await.map(|all| all.bytes.clone()) };
        tokio::time::timeout(LIMIT, whole).await.expect("the output does not end").expect("its reader sees its end")
    }
}
