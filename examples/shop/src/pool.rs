//! A pool of SQLite connections: as many as it was made with, handed out one by one, waited for within a limit.
//!
//! The waits are real, and so are the two ways to spoil it: a connection that holds the write lock, connections that are
//! taken and not given back.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aplomb_lifecycle::{InFlight, IoBudget, Resource};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Failure;

/// Somebody still waits for the answer; dropped with the future when its budget is over.
struct Asked(Arc<()>);

/// How many connections there are.
pub(crate) const SIZE: usize = 8;

#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    leaked: Mutex<Vec<(Connection, OwnedSemaphorePermit, Option<InFlight>)>>,
    locker: Mutex<Option<Connection>>,
    file: std::path::PathBuf,
    lender: Lender,
}

/// The resource this pool is: known once it is registered, which is before it is open.
pub(crate) type Lender = Arc<OnceLock<Resource<Pool>>>;

impl Pool {
    pub(crate) fn open(file: &Path, lender: Lender) -> Result<Self, rusqlite::Error> {
        let mut free = Vec::new();
        for _ in 0..SIZE {
            free.push(connect(file)?);
        }
        free[0].execute_batch(include_str!("schema.sql"))?;
        Ok(Self(Arc::new(Inner {
            free: Mutex::new(free),
            permits: Arc::new(Semaphore::new(SIZE)),
            leaked: Mutex::default(),
            locker: Mutex::default(),
            file: file.to_owned(),
            lender,
        })))
    }

    /// Connections that are out.
    pub(crate) fn out(&self) -> usize {
        SIZE - self.0.permits.available_permits()
    }

    /// Runs `work` with a connection, on a thread that may block.
    pub(crate) async fn with<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    {
        let within = IoBudget::DATABASE.connect;
        let permit =
            tokio::time::timeout(within, Arc::clone(&self.0.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Failure::PoolEmpty { within });
        };
        let Some(mut connection) = self.take() else {
            return Err(Failure::PoolEmpty { within });
        };
        let (pool, loan) = (self.clone(), self.lend());
        let asked = Asked(Arc::default());
        let wanted = Arc::clone(&asked.0);
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut connection);
            if Arc::strong_count(&wanted) > 1 {
                pool.give_back(connection);
            } else {
                // Over its budget: nobody waits for the answer, and what the connection is left in is unknown.
                pool.replace(connection);
            }
            drop((permit, loan));
            done
        })
        .await?;
        drop(asked);
        done
    }

    /// A connection that cannot be trusted is closed, and a fresh one takes its place.
    fn replace(&self, connection: Connection) {
        drop(connection);
        match connect(&self.0.file) {
            Ok(fresh) => self.give_back(fresh),
            Err(error) => eprintln!("shop: a connection is lost for good: {error}"),
        }
    }

    /// Says that a connection is out, from here on.
    #[track_caller]
    fn lend(&self) -> Option<InFlight> {
        // Not `map(Resource::lend)`: that would be called from inside `map`.
        let lender = self.0.lender.get()?;
        Some(lender.lend())
    }

    fn take(&self) -> Option<Connection> {
        self.0
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn give_back(&self, connection: Connection) {
        self.0
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }

    /// Waits for all connections, then closes them.
    pub(crate) async fn close(&self) -> Result<(), Failure> {
        let count = u32::try_from(SIZE).unwrap_or(u32::MAX);
        let all = self.0.permits.acquire_many(count).await;
        drop(all.map(|permits| permits.forget()));
        self.0.permits.close();
        self.0
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        Ok(())
    }

    /// Takes the write lock of the database and keeps it.
    pub(crate) fn hold_the_lock(&self) {
        let held = connect(&self.0.file).and_then(|connection| {
            connection.execute_batch("BEGIN EXCLUSIVE")?;
            Ok(connection)
        });
        match held {
            Ok(connection) => {
                *self.0.locker.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection)
            }
            Err(error) => eprintln!("shop: cannot take the database lock: {error}"),
        }
    }

    pub(crate) fn release_the_lock(&self) {
        // Closing the connection rolls its transaction back.
        drop(
            self.0
                .locker
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    /// Takes every free connection and gives none back.
    pub(crate) fn leak(&self) {
        while let Ok(permit) = Arc::clone(&self.0.permits).try_acquire_owned() {
            let Some(connection) = self.take() else {
                return;
            };
            self.0
                .leaked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((connection, permit, self.lend()));
        }
    }

    pub(crate) fn mend(&self) {
        let leaked =
            std::mem::take(&mut *self.0.leaked.lock().unwrap_or_else(PoisonError::into_inner));
        for (connection, permit, loan) in leaked {
            self.give_back(connection);
            drop((permit, loan));
        }
    }
}

fn connect(file: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(IoBudget::DATABASE.read)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    Ok(connection)
}
