//! The command's side of the socket.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::words::{Also, Answer, Ask, Request, VERSION};

/// A question that is being answered.
pub struct Talk {
    answers: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

/// Why the running agent does not answer.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// None runs.
    #[error(
        "no agent runs here (nothing listens at {0}), so there is nobody to ask. Start it with \
         `systemctl start hempuls-agent`; `hempuls-agent doctor` works without it"
    )]
    NotRunning(PathBuf),
    /// This user may not ask.
    #[error(
        "this user may not speak to the agent at {0}: use sudo, or become a member of the group that owns that file"
    )]
    NotAllowed(PathBuf),
    /// Something else is wrong with the socket.
    #[error("the agent at {socket} cannot be spoken to: {error}")]
    Socket {
        /// Where.
        socket: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The answer ended.
    #[error("the agent stopped while it answered; is it being restarted? Try again in a moment")]
    Ended,
    /// The answer is none.
    #[error(
        "the agent's answer makes no sense ({0}); it is of another version than this command: restart it \
         (systemctl restart hempuls-agent)"
    )]
    Nonsense(serde_json::Error),
}

impl Talk {
    /// Asks the running agent something.
    ///
    /// # Errors
    /// [`TalkError`].
    pub async fn begin(socket: &Path, ask: Ask) -> Result<Self, TalkError> {
        let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => TalkError::NotRunning(socket.to_owned()),
            io::ErrorKind::PermissionDenied => TalkError::NotAllowed(socket.to_owned()),
            _ => TalkError::Socket { socket: socket.to_owned(), error },
        })?;
        let (read, write) = stream.into_split();
        let mut talk = Self { answers: BufReader::new(read).lines(), write };
        talk.write(&Request { version: VERSION, ask }).await?;
        Ok(talk)
    }

    /// The next answer.
    ///
    /// # Errors
    /// [`TalkError`].
    pub async fn answer(&mut self) -> Result<Answer, TalkError> {
        let line = self.answers.next_line().await.ok().flatten().ok_or(TalkError::Ended)?;
        serde_json::from_str(&line).map_err(TalkError::Nonsense)
    }

    /// Says something while the agent answers.
    ///
    /// # Errors
    /// [`TalkError`].
    pub async fn also(&mut self, also: &Also) -> Result<(), TalkError> {
        self.write(also).await
    }

    async fn write(&mut self, what: &impl serde::Serialize) -> Result<(), TalkError> {
        let mut line = serde_json::to_vec(what).map_err(TalkError::Nonsense)?;
        line.push(b'\n');
        self.write.write_all(&line).await.map_err(|_| TalkError::Ended)
    }
}
