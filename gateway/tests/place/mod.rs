//! Where a test's store is: in a file, or, while `tests/postgres` runs the tests, in a database of its own there.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use hempuls_gateway::store::{Connection, Postgres, Store, StoreError, query};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tempfile::TempDir;

/// A folder, with the name of the database that goes with it. Both are a test's own and end with it.
pub(crate) struct Place {
    folder: TempDir,
    database: Option<Postgres>,
}

/// Databases whose tests are over.
static OVER: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Place {
    /// A new one.
    #[allow(dead_code, reason = "some tests are about files alone")]
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let database = match std::env::var("HEMPULS_TEST_POSTGRES") {
            Ok(socket) => Some(database(&socket).await),
            Err(_) => None,
        };
        Self { folder, database }
    }

    /// A new one, whose store is a file whatever runs the test.
    #[allow(dead_code, reason = "not every test is about files")]
    pub(crate) fn in_a_file() -> Self {
        Self { folder: tempfile::tempdir().expect("there is room for a folder"), database: None }
    }

    /// As [`new`](Self::new), for tests that wait for programs.
    #[allow(dead_code, reason = "not every test waits for programs")]
    pub(crate) fn new_and_wait() -> Self {
        tokio::runtime::Runtime::new().expect("it can be waited").block_on(Self::new())
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Opens the store, anew or again.
    #[allow(dead_code, reason = "not every test opens it itself")]
    pub(crate) async fn open(&self) -> Store {
        self.try_to_open().await.expect("it opens")
    }

    /// As [`open`](Self::open), where it may not.
    pub(crate) async fn try_to_open(&self) -> Result<Store, StoreError> {
        match &self.database {
            Some(database) => Store::connect(database).await,
            None => Store::open(&self.path().join("store.sqlite")).await,
        }
    }

    /// Lets the store refuse something: `INSERT ON alert`, or with a condition `INSERT ON alert WHEN new.person = '…'`.
    #[allow(dead_code, reason = "not every test forbids")]
    pub(crate) async fn forbid(&self, work: &mut Connection, name: &str, what: &str) {
        let (what, condition) = what.split_once(" WHEN ").unwrap_or((what, "1 = 1"));
        let statements = if self.is_on_a_server() {
            vec![
                format!(
                    "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
                     BEGIN RAISE EXCEPTION '{name}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
                ),
                format!(
                    "CREATE TRIGGER {name} BEFORE {what} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {name}()"
                ),
            ]
        } else {
            vec![format!(
                "CREATE TRIGGER {name} BEFORE {what} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{name}'); END"
            )]
        };
        for statement in statements {
            query(AssertSqlSafe(statement)).execute(&mut *work).await.expect("it can be forbidden");
        }
    }

    /// Takes back what is forbidden, by a test or by the store itself.
    #[allow(dead_code, reason = "not every test forbids")]
    pub(crate) async fn allow(&self, work: &mut Connection, name: &str, table: &str) {
        let of = if self.is_on_a_server() { format!(" ON {table}") } else { String::new() };
        query(AssertSqlSafe(format!("DROP TRIGGER {name}{of}"))).execute(work).await.expect("it was forbidden");
    }

    /// Whether it is on a server.
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn is_on_a_server(&self) -> bool {
        self.database.is_some()
    }

    /// What a configuration says of it.
    #[allow(dead_code, reason = "not every test starts a gateway")]
    pub(crate) fn settings(&self) -> String {
        self.database.as_ref().map_or_else(String::new, |Postgres { host, database, user, .. }| {
            format!("[store.postgres]\nhost = \"{host}\"\ndatabase = \"{database}\"\nuser = \"{user}\"\n")
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some(database), Ok(mut over)) = (self.database.take(), OVER.lock()) {
            over.push(database.database);
        }
    }
}

/// Makes a database as a gateway makes it, by copying one.
pub(crate) async fn database(socket: &str) -> Postgres {
    const TEMPLATE: &str = "like_new";
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let named = |database: String| Postgres {
        host: socket.to_owned(),
        port: 5432,
        database,
        user: "hempuls".into(),
        password_file: None,
        ca_file: None,
    };
    let mut server = PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .username("hempuls")
        .database("postgres")
        .connect()
        .await
        .expect("the server of tests/postgres runs");
    sqlx::query("SELECT pg_advisory_lock(1)").execute(&mut server).await.expect("it can be waited");
    let is_there: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(TEMPLATE)
        .fetch_optional(&mut server)
        .await
        .expect("databases can be listed");
    if is_there.is_none() {
        run(&mut server, format!("CREATE DATABASE {TEMPLATE}")).await;
        Store::connect(&named(TEMPLATE.into())).await.expect("a new store opens").close().await;
    }
    let over = std::mem::take(&mut *OVER.lock().expect("no test fails here"));
    for database in over {
        run(&mut server, format!("DROP DATABASE {database} WITH (FORCE)")).await;
    }
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    run(&mut server, format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")).await;
    server.close().await.expect("it ends");
    named(name)
}

async fn run(server: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql)).execute(server).await.expect("the server does it");
}
