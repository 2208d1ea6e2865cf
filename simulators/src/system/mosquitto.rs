//! Debian's Mosquitto as the broker between homes and gateway, configured as `packaging/mosquitto` tells operators to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpStream;

use super::gateway::path_text;
use super::{Gateway, Program, until};

const CONFIGURATION: &str = include_str!("../../../packaging/mosquitto/hempuls.conf");
const RULES: &str = include_str!("../../../packaging/mosquitto/hempuls.acl");

/// A Mosquitto.
#[derive(Debug)]
pub struct Mosquitto {
    port: u16,
    program: Program,
}

impl Mosquitto {
    /// Sets one up in this folder for a gateway that has been started once, and starts it.
    ///
    /// # Errors
    /// When it is not installed or does not take connections, with its last words.
    pub async fn start(folder: &Path, port: u16, gateway: &Gateway) -> anyhow::Result<Self> {
        let path = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.is_file())
            .context("Mosquitto is not installed: sudo apt-get install mosquitto")?;
        std::fs::create_dir_all(folder)?;
        let own = gateway.data().join("ca");
        until(Duration::from_secs(20), "the gateway has made the broker's certificate", || async {
            if own.join("server.pem").exists() { Ok(()) } else { Err("not yet".into()) }
        })
        .await?;
        for name in ["ca.pem", "server.pem", "server-key.pem"] {
            std::fs::copy(own.join(name), folder.join(name))?;
        }
        std::fs::write(folder.join("hempuls.acl"), RULES)?;
        let config = folder.join("mosquitto.conf");
        let mut text = CONFIGURATION
            .replace("/etc/mosquitto/hempuls", path_text(folder)?)
            .replace("listener 8883", &format!("listener {port} 127.0.0.1"));
        // What it counts, it says each second.
        text += "sys_interval 1\n";
        if rustix::process::geteuid().is_root() {
            // Otherwise it would become a user who may not read this folder.
            text += "user root\n";
        }
        std::fs::write(&config, text)?;
        let program = Program::new(&path, &["-c", path_text(&config)?], folder.join("mosquitto.log"));
        let mut mosquitto = Self { port, program };
        mosquitto.program.start()?;
        let up = until(Duration::from_secs(20), "Mosquitto takes connections", || async {
            TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|error| error.to_string())
        });
        up.await.with_context(|| mosquitto.program.last_words())?;
        Ok(mosquitto)
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The program, to stop or kill it.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }
}
