//! Shows the console with a made-up ward: `cargo run -p hempuls-gateway --example console [PORT] [LOGIN_FILE]`.
//!
//! Nothing is kept. The login is made anew each time, and also written to `LOGIN_FILE` for the browser check.

#[path = "../tests/fixture/mod.rs"]
#[allow(dead_code, reason = "the tests look at more of it")]
mod fixture;

use std::net::SocketAddr;

use hempuls_gateway::store::Store;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("store.sqlite")).await.expect("a new store opens");
    let ward = fixture::ward(store).await;
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let console = fixture::serve(&ward.store, folder.path(), SocketAddr::from(([127, 0, 0, 1], port))).await;
    println!("http://{}/  name: {}  password: {}", console.address, console.login.name, console.login.password);
    if let Some(file) = arguments.next() {
        std::fs::write(file, format!("{}\n{}\n", console.login.name, console.login.password))?;
    }
    tokio::signal::ctrl_c().await?;
    console.stop().await;
    Ok(())
}
