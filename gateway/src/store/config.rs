//! Where the store is.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Where the store is: in a file of the data folder, unless said otherwise.
#[derive(Clone, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// On a PostgreSQL server, 15 or later, which several gateways can share.
    pub postgres: Option<Postgres>,
}

/// A database on a PostgreSQL server.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// The server's name or address, or the folder of its socket. Over a network it must do TLS.
    pub host: String,
    /// Its port.
    #[serde(default = "usual_port")]
    pub port: u16,
    /// The database, which is there already and the user's own.
    #[serde(default = "hempuls")]
    pub database: String,
    /// As whom.
    #[serde(default = "hempuls")]
    pub user: String,
    /// The user's password, in a file of its own. Relative to the configuration file.
    pub password_file: Option<PathBuf>,
    /// Who vouches for the server: certificates in PEM, where no public authority does. Relative to the configuration file.
    pub ca_file: Option<PathBuf>,
}

fn usual_port() -> u16 {
    5432
}

fn hempuls() -> String {
    "hempuls".into()
}

impl Config {
    /// Whether it can be used, as far as the text tells.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn check(&self) -> Result<(), String> {
        match &self.postgres {
            Some(postgres) if postgres.host.contains("://") || postgres.host.is_empty() => Err(format!(
                "store.postgres.host = \"{}\" is neither a name or address nor the folder of a socket. Database, user and \
                 password have settings of their own",
                if postgres.host.is_empty() { "" } else { "…" }
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes files that are named without a whole path from this folder.
    pub fn within(&mut self, folder: &Path) {
        if let Some(postgres) = &mut self.postgres {
            for file in [&mut postgres.password_file, &mut postgres.ca_file].into_iter().flatten() {
                *file = folder.join(&*file);
            }
        }
    }
}

impl Postgres {
    /// How it is connected to. Only a socket and this machine itself need no TLS; everybody else must show a certificate for
    /// the name that stands here.
    ///
    /// # Errors
    /// When the password's file cannot be read.
    pub fn options(&self) -> Result<PgConnectOptions, Unreadable> {
        let mut options = PgConnectOptions::new_without_pgpass().port(self.port).username(&self.user);
        options = options.database(&self.database);
        let is_socket = self.host.starts_with('/');
        options = if is_socket { options.socket(&self.host) } else { options.host(&self.host) };
        let is_here = self.host == "localhost" || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        options = options.ssl_mode(if is_socket || is_here { PgSslMode::Prefer } else { PgSslMode::VerifyFull });
        if let Some(file) = &self.ca_file {
            options = options.ssl_root_cert(file);
        }
        if let Some(file) = &self.password_file {
            let password = std::fs::read_to_string(file).map_err(|source| Unreadable { file: file.clone(), source })?;
            options = options.password(password.trim_end_matches(['\r', '\n']));
        }
        Ok(options)
    }

    /// What a person knows it by. No password is in it.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{} on {}:{}", self.database, self.host, self.port)
    }
}

/// The password's file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {file}: {source}")]
pub struct Unreadable {
    file: PathBuf,
    source: std::io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crosses_a_network_is_encrypted_and_whoever_answers_is_known() {
        for (host, mode) in [
            ("/run/postgresql", PgSslMode::Prefer),
            ("127.0.0.1", PgSslMode::Prefer),
            ("localhost", PgSslMode::Prefer),
            ("10.0.0.7", PgSslMode::VerifyFull),
            ("db.example.se", PgSslMode::VerifyFull),
        ] {
            let postgres: Postgres = toml::from_str(&format!("host = \"{host}\"")).unwrap();
            let options = postgres.options().unwrap();
            assert_eq!(format!("{:?}", options.get_ssl_mode()), format!("{mode:?}"), "{host}");
            assert_eq!((options.get_username(), options.get_database()), ("hempuls", Some("hempuls")));
        }
    }

    #[test]
    fn a_password_stands_in_a_file_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("word"), "s3cret\n").unwrap();
        let text = "postgres = { host = \"/run/postgresql\", password_file = \"word\" }";
        let mut config: Config = toml::from_str(text).unwrap();
        config.within(folder.path());
        let postgres = config.postgres.unwrap();
        assert!(postgres.options().is_ok());
        assert!(!format!("{postgres:?} {}", postgres.place()).contains("s3cret"));

        let missing = Postgres { password_file: Some(folder.path().join("nowhere")), ..postgres };
        assert!(missing.options().unwrap_err().to_string().contains("nowhere"));
        assert!(toml::from_str::<Config>("postgres = { host = \"h\", password = \"s3cret\" }").is_err());
        let url: Config = toml::from_str("postgres = { host = \"postgres://u:s3cret@h/d\" }").unwrap();
        let said = url.check().unwrap_err();
        assert!(said.contains("settings of their own") && !said.contains("s3cret"), "{said}");
    }
}
