//! The local socket: how the commands of `hempuls-agent` speak to the one that runs.
//!
//! Whoever may open the socket may adopt devices and raise alarms, so its file says who that is: its owner and its group
//! (0660). It is put in its place when it listens already, so that there is no moment in which a command finds it and is
//! not answered, and so that a file that an earlier run left is no obstacle.

pub mod adopt;
mod alarm;
pub mod client;
pub mod devices;
pub mod status;
pub mod words;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub use self::alarm::Wires;
use self::words::{Also, Answer, Ask, Request, VERSION};
use crate::buffer::Buffer;
use crate::feedback::fates::Fates;
use crate::heartbeat::Reporter;
use crate::identity::Folder;
use crate::radio::passkeys::Passkeys;
use crate::settings::Desk;
use crate::stop::Stop;
use crate::watchdog::Pulse;

/// The parts of the running agent that commands ask about.
#[derive(Clone)]
pub struct Daemon {
    /// What is on flash.
    pub buffer: Buffer,
    /// What the heartbeat says.
    pub reporter: Reporter,
    /// Who the agent is.
    pub identity: Folder,
    /// Which devices it serves.
    pub desk: Desk,
    /// How far alarms have come.
    pub fates: watch::Receiver<Fates>,
    /// Numbers that devices show.
    pub passkeys: Passkeys,
    /// How fast wires and programs call.
    pub wires: Wires,
}

/// So many commands are answered at once: a script that runs wild must not eat the memory.
const MOST: usize = 64;
/// No command has more to say, in bytes.
const LONGEST: u64 = 4 << 10;
/// For a command to say what it wants, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A socket that cannot be opened is tried again: its folder may come later.
const AGAIN: Duration = Duration::from_secs(30);

/// Answers commands until the program stops.
pub async fn serve(socket: PathBuf, daemon: Daemon, mut pulse: Pulse, mut stop: Stop) {
    let mut said = String::new();
    loop {
        let problem = match listen(&socket) {
            Ok(listener) => {
                answer_all(&listener, &daemon, &mut pulse, stop.clone()).await;
                // Who looks for it now finds that no agent runs.
                drop(fs::remove_file(&socket));
                return;
            }
            Err(error) => error.to_string(),
        };
        if problem != said {
            let socket = socket.display();
            tracing::error!(%socket, problem, "the socket cannot be opened: the agent runs, but its commands do not reach it");
            said = problem;
        }
        tokio::select! {
            () = pulse.beside(sleep(AGAIN)) => {}
            () = stop.asked() => return,
        }
    }
}

fn listen(socket: &Path) -> io::Result<UnixListener> {
    let new = socket.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, Permissions::from_mode(0o660))?;
    fs::rename(&new, socket)?;
    Ok(listener)
}

async fn answer_all(listener: &UnixListener, daemon: &Daemon, pulse: &mut Pulse, mut stop: Stop) {
    let mut calls = Calls::default();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => calls.begin(stream, daemon.clone()),
                // No more open files: some will be closed.
                Err(error) => {
                    tracing::warn!(%error, "a command could not be answered");
                    sleep(Duration::from_secs(1)).await;
                }
            },
            () = pulse.asked() => {}
            () = stop.asked() => return,
        }
    }
}

/// The commands that are being answered, oldest first. Whoever comes is heard: it may be an alarm.
#[derive(Default)]
struct Calls(Vec<Call>);

struct Call {
    task: JoinHandle<()>,
    has_asked: Arc<AtomicBool>,
}

impl Calls {
    fn begin(&mut self, stream: UnixStream, daemon: Daemon) {
        self.0.retain(|call| !call.task.is_finished());
        if self.0.len() >= MOST {
            // Who says nothing goes first. An alarm that nobody follows any more is on flash all the same.
            let silent = self.0.iter().position(|call| !call.has_asked.load(Ordering::Relaxed));
            self.0.remove(silent.unwrap_or(0)).task.abort();
        }
        let has_asked = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(converse(stream, daemon, has_asked.clone()));
        self.0.push(Call { task, has_asked });
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        for call in &self.0 {
            call.task.abort();
        }
    }
}

/// One command, from its question to the last answer.
async fn converse(stream: UnixStream, daemon: Daemon, has_asked: Arc<AtomicBool>) {
    let (read, write) = stream.into_split();
    let mut caller = Caller { lines: BufReader::new(read.take(LONGEST)).lines(), answers: write };
    let last = match caller.question().await {
        Ok(ask) => {
            has_asked.store(true, Ordering::Relaxed);
            answer(ask, &daemon, &mut caller).await
        }
        Err(why) => Some(Answer::Refused(why)),
    };
    if let Some(last) = last {
        // Who has gone does not hear it.
        drop(caller.say(&last).await);
    }
}

/// Answers a question. Gives the last answer, unless the caller has gone.
async fn answer(ask: Ask, daemon: &Daemon, caller: &mut Caller) -> Option<Answer> {
    match ask {
        Ask::Status => Some(Answer::Status(Box::new(status::of(daemon)))),
        Ask::Devices => Some(Answer::Devices(devices::of(daemon))),
        Ask::Adopt(wish) => adopt::adopt(daemon, wish, caller).await,
        Ask::Forget { address } => Some(adopt::forget(daemon, &address).await),
        Ask::Alarm { name } => alarm::raise(daemon, &name, caller).await,
    }
}

/// Whoever speaks on one connection.
struct Caller {
    lines: Lines<BufReader<tokio::io::Take<OwnedReadHalf>>>,
    answers: OwnedWriteHalf,
}

/// The caller has gone.
struct Gone;

impl Caller {
    /// # Errors
    /// Why it is none, for whoever asked.
    async fn question(&mut self) -> Result<Ask, String> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let line = timeout(PATIENCE, self.lines.next_line()).await.ok().and_then(Result::ok).flatten();
        let line = line.ok_or("nothing was asked")?;
        let nonsense = |error: serde_json::Error| format!("this is no question to an agent: {error}");
        let Versioned { version } = serde_json::from_str(&line).map_err(nonsense)?;
        if version != VERSION {
            return Err(format!(
                "the agent that runs is version {} and was started before this command was installed, or after: \
                 restart it (systemctl restart hempuls-agent)",
                env!("CARGO_PKG_VERSION")
            ));
        }
        serde_json::from_str::<Request>(&line).map(|request| request.ask).map_err(nonsense)
    }

    async fn say(&mut self, answer: &Answer) -> Result<(), Gone> {
        let mut line = serde_json::to_vec(answer).map_err(|_| Gone)?;
        line.push(b'\n');
        let written = timeout(PATIENCE, self.answers.write_all(&line)).await;
        written.map_err(|_| Gone)?.map_err(|_| Gone)
    }

    /// What the caller says meanwhile. An error: it has gone.
    async fn also(&mut self) -> Result<Also, Gone> {
        loop {
            let line = self.lines.next_line().await.map_err(|_| Gone)?.ok_or(Gone)?;
            if let Ok(also) = serde_json::from_str(&line) {
                return Ok(also);
            }
        }
    }

    /// Waits until the caller has gone.
    async fn gone(&mut self) {
        while self.also().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::devices::DeviceKind;

    use super::adopt::{Step, Wish};
    use super::*;
    use crate::buffer;
    use crate::heartbeat::Vitals;

    const CUFF: [u8; 6] = [0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5];

    #[tokio::test]
    async fn an_installer_is_asked_for_the_number_that_a_device_shows_and_what_she_types_reaches_it() {
        let state = tempfile::tempdir().unwrap();
        let daemon = daemon(state.path());
        let (theirs, ours) = UnixStream::pair().unwrap();
        tokio::spawn(converse(ours, daemon.clone(), Arc::default()));
        let wish = Wish {
            address: "F0:F1:F2:F3:F4:F5".into(),
            kind: Some(DeviceKind::BloodPressure),
            key: None,
            beacon_s: None,
        };
        let mut installer = Installer::asks(theirs, Ask::Adopt(wish)).await;
        assert_eq!(installer.hears().await, Answer::Adopting(Step::Adopted(DeviceKind::BloodPressure)));
        let mut typed = daemon.passkeys.ask(CUFF);
        assert_eq!(installer.hears().await, Answer::Adopting(Step::ShowsANumber));

        installer.types("12345").await;
        assert!(matches!(installer.hears().await, Answer::Adopting(Step::NotTheNumber(_))));
        assert_eq!(installer.hears().await, Answer::Adopting(Step::ShowsANumber), "it still shows one");
        assert!(typed.try_recv().is_err());
        installer.types("042 137").await;
        assert_eq!(typed.await.unwrap().number(), 42_137);
        daemon.reporter.vitals.device_paired(&hempuls_protocol::ids::DeviceId::Address(CUFF));
        assert_eq!(installer.hears().await, Answer::Adopting(Step::Paired));
    }

    fn daemon(state: &Path) -> Daemon {
        let (buffer, writer) = Buffer::open(state, &buffer::Config::default()).unwrap();
        std::mem::forget(writer);
        let desk = Desk::open(state, Vec::new());
        let vitals = Vitals::default();
        let reporter = Reporter { vitals, buffer: buffer.clone(), desk: desk.clone(), state: state.to_owned() };
        Daemon {
            buffer,
            reporter,
            identity: Folder::in_state(state),
            desk,
            fates: watch::channel(Fates::default()).1,
            passkeys: Passkeys::default(),
            wires: Wires::default(),
        }
    }

    struct Installer(BufReader<UnixStream>);

    impl Installer {
        async fn asks(stream: UnixStream, ask: Ask) -> Self {
            let mut installer = Self(BufReader::new(stream));
            installer.say(&Request { version: VERSION, ask }).await;
            installer
        }

        async fn types(&mut self, what: &str) {
            self.say(&Also::Passkey(what.into())).await;
        }

        async fn say(&mut self, what: &impl serde::Serialize) {
            let line = serde_json::to_string(what).unwrap() + "\n";
            self.0.write_all(line.as_bytes()).await.unwrap();
        }

        async fn hears(&mut self) -> Answer {
            let mut line = String::new();
            timeout(PATIENCE, self.0.read_line(&mut line)).await.unwrap().unwrap();
            serde_json::from_str(&line).unwrap()
        }
    }
}
