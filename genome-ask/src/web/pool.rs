//! Open handles of one index, lent to one question each.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Result;
use crate::index::Index;

/// Why a question was not asked, or has no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Too many others are waiting, or it waited too long.
    Busy,
    /// A bug: the work panicked.
    Broken,
}

/// Handles of an index.
#[derive(Debug)]
pub(super) struct Pool {
    handles: Mutex<Vec<Index>>,
    /// One for each handle.
    free: Arc<Semaphore>,
    /// One for each question that may wait or run.
    room: Arc<Semaphore>,
    patience: Duration,
}

impl Pool {
    /// Opens handles beside the first one; an index in memory has just that one. Up to `waiting` questions wait, each up to
    /// `patience`.
    pub(super) fn new(index: Index, handles: usize, waiting: usize, patience: Duration) -> Result<Self> {
        let mut all = Vec::new();
        if index.path() != Path::new(":memory:") {
            for _ in 1..handles.max(1) {
                all.push(Index::open_file(index.path())?);
            }
        }
        all.push(index);
        let free = Arc::new(Semaphore::new(all.len()));
        let room = Arc::new(Semaphore::new(all.len() + waiting));
        Ok(Self { handles: Mutex::new(all), free, room, patience })
    }

    /// Runs work with a handle, away from the threads that serve.
    pub(super) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Index) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let room = self.room.clone().try_acquire_owned().map_err(|_| Refusal::Busy)?;
        let free = tokio::time::timeout(self.patience, self.free.clone().acquire_owned()).await;
        let Ok(Ok(free)) = free else { return Err(Refusal::Busy) };
        let index = self.handles.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let lent = Lent { index, pool: self.clone(), _permits: [room, free] };
        // Goes on if the one who asked goes away: the limits of the query end it.
        tokio::task::spawn_blocking(move || work(lent.index())).await.map_err(|_| Refusal::Broken)
    }
}

/// A handle that goes back when it is dropped, after a panic too; its permits after it.
struct Lent {
    index: Option<Index>,
    pool: Arc<Pool>,
    _permits: [OwnedSemaphorePermit; 2],
}

impl Lent {
    fn index(&self) -> &Index {
        self.index.as_ref().expect("there is a handle for each permit")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(index) = self.index.take() {
            self.pool.handles.lock().unwrap_or_else(PoisonError::into_inner).push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Source, Store};

    fn pool(waiting: usize, patience: Duration) -> Arc<Pool> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.gff3");
        std::fs::write(&file, "##gff-version 3\nc\t.\tgene\t5\t40\t.\t+\t.\tID=g1\n").unwrap();
        let index = Index::open(&[Source::new(&file)], &Store::Memory).unwrap();
        Arc::new(Pool::new(index, 4, waiting, patience).unwrap())
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn a_handle_comes_back_after_a_panic() {
        runtime().block_on(async {
            let pool = pool(0, Duration::from_secs(5));
            let broken = pool.with(|_| panic!("on purpose")).await;
            assert!(matches!(broken, Err(Refusal::Broken)), "{broken:?}");
            assert_eq!(pool.with(|index| index.genomes().unwrap().len()).await.unwrap(), 1);
        });
    }

    #[test]
    fn who_comes_too_late_is_sent_away() {
        runtime().block_on(async {
            let pool = pool(1, Duration::from_millis(50));
            let (go, wait) = std::sync::mpsc::channel::<()>();
            let first = tokio::spawn({
                let pool = pool.clone();
                async move { pool.with(move |_| wait.recv().is_ok()).await.unwrap() }
            });
            tokio::task::yield_now().await;
            let second = tokio::spawn({
                let pool = pool.clone();
                async move { pool.with(|_| ()).await.is_err() } // waits, and loses patience
            });
            tokio::task::yield_now().await;
            assert!(matches!(pool.with(|_| ()).await, Err(Refusal::Busy))); // no room to wait
            assert!(second.await.unwrap());
            go.send(()).unwrap();
            assert!(first.await.unwrap());
            assert!(pool.with(|_| ()).await.is_ok());
        });
    }
}
