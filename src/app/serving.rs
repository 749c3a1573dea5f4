//! Threads of their own for those who ask: connections, pages, posts, and the queries behind them.
//!
//! Probing, diagnosis and dispatch have the program's runtime to themselves. Whatever is asked here, however long it takes
//! and however often it comes, keeps only these threads from their work: what they hand over to the others goes through
//! bounded channels.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// Threads that read requests and write answers. What takes long goes to threads that may block.
const WORKERS: usize = 2;
/// Threads that may block: queries that run (`max_concurrency`), and answers that are written or read from the store.
const BLOCKING_MAX: usize = 128;
/// What each of the threads may use as stack. The deepest expression that `promql` takes needs less than a quarter of it,
/// even without optimisation; only what is touched takes memory.
const STACK_BYTES: usize = 4 << 20;

/// The runtime on which HTTP is served. It ends when its last owner drops it, without waiting for what it still does.
#[derive(Debug)]
pub struct Serving {
    handle: Handle,
    /// Until it is dropped.
    runtime: Option<Runtime>,
}

impl Serving {
    /// Starts its threads.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(WORKERS).max_blocking_threads(BLOCKING_MAX).thread_stack_size(STACK_BYTES);
        let runtime = builder.thread_name("serving").enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Returns where its tasks are spawned.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Waiting is not allowed on another runtime's threads, where the last owner may be.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn requests_that_hold_all_its_threads_hold_nobody_else() {
        let serving = Serving::start().unwrap();
        let (holds, held) = mpsc::channel();
        let blocked: Vec<_> = (0..WORKERS)
            .map(|_| {
                let (release, until) = mpsc::channel::<()>();
                let holds = holds.clone();
                serving.handle().spawn(async move { (holds.send(()).is_ok(), until.recv().is_ok()) });
                release
            })
            .collect();
        (0..WORKERS).for_each(|_| held.recv().unwrap());
        // This thread's own runtime goes on, and so does the end of the other, which waits for nobody.
        tokio::task::yield_now().await;
        drop(serving);
        drop(blocked);
    }
}
