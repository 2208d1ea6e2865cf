//! A home in the machine: the words of the scenarios.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};
use hempuls_simulators::system::Programs;
use serde::Deserialize;
use serde_json::{Value, json};

use super::machine::Machine;

const AGENT: &str = "/opt/hempuls/hempuls-agent";
const GATEWAY_PROGRAM: &str = "/opt/hempuls/hempuls-gateway";
/// The gateway's end of the cable.
const GATEWAY: &str = "192.0.2.1";
const GATEWAY_TOML: &str = r#"data = "/srv/gateway"
[broker]
listen = "192.0.2.1:8883"
advertise = "192.0.2.1:8883"
[enrolment]
listen = "192.0.2.1:8443"
[console]
listen = "127.0.0.1:8080"
"#;
/// All buttons have this key.
const KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
const LOGS: [&str; 5] = ["agent", "gateway", "bluetoothd", "home", "console"];

/// The one machine of this process. Scenarios take turns: each has a home, an agent and devices of its own in it.
static MACHINE: Mutex<State> = Mutex::new(State::Off);

enum State {
    Off,
    On { machine: Machine, homes: u8 },
    Impossible,
}

/// One scenario's home.
pub struct Home<'m> {
    /// The machine it is in.
    pub machine: &'m mut Machine,
    number: u8,
    pub(super) home: String,
    pub(super) agent: String,
    pub(super) devices: Vec<(String, &'static str)>,
    pub(super) since: usize,
    pub(super) alarms_before: u64,
}

/// A home as the gateway's command line has added it.
#[derive(Deserialize)]
struct Added {
    home: String,
    agent: String,
    code: String,
}

/// Plays a scenario in a home of the machine. Where there can be no machine it says so and checks nothing, except where
/// `CI=true`.
///
/// # Errors
/// What the scenario complains of, with the programs' last words.
pub fn in_a_real_home(scenario: impl FnOnce(&mut Home<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    // A scenario that failed leaves a machine that the next one can use.
    let mut state: MutexGuard<'_, State> = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    if let State::Off = *state {
        *state = match Programs::beside_this_one().and_then(|programs| Machine::boot(&programs)) {
            Ok(machine) => State::On { machine, homes: 0 },
            Err(why) => {
                say(&format!("NOT CHECKED: nothing here is held against the real BlueZ. {why:#}"))?;
                State::Impossible
            }
        };
    }
    let State::On { machine, homes } = &mut *state else {
        ensure!(std::env::var("CI").as_deref() != Ok("true"), "CI must check against the real BlueZ");
        return Ok(());
    };
    *homes += 1;
    let mut home = Home::furnish(machine, *homes)?;
    let outcome = scenario(&mut home).with_context(|| home.machine.last_words(&LOGS));
    home.clear_out()?;
    outcome
}

/// Says something also when the test is well; `println` is only shown when it fails.
///
/// # Errors
/// When there is nobody to say it to.
pub fn say(what: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{what}")?)
}

impl<'m> Home<'m> {
    fn furnish(machine: &'m mut Machine, number: u8) -> anyhow::Result<Self> {
        let since = machine.ledger(0)?.len();
        let mut home = Self {
            machine,
            number,
            home: String::new(),
            agent: String::new(),
            devices: Vec::new(),
            since,
            alarms_before: 0,
        };
        if !home.machine.is_running("gateway")? {
            home.start_gateway()?;
        }
        home.alarms_before = home.books()?.alarms;
        Ok(home)
    }

    fn start_gateway(&mut self) -> anyhow::Result<()> {
        fs::write(self.machine.folder().join("gateway.toml"), GATEWAY_TOML)?;
        self.machine.start("gateway", &[GATEWAY_PROGRAM, "run", "--config", "/share/gateway.toml"])?;
        let ready = self.machine.until("the gateway is ready", |machine| {
            Ok(machine.order::<Value>(&json!({"do": "get", "path": "/readyz"})).map_err(|error| error.to_string()))
        });
        ready.map(drop).with_context(|| self.machine.last_words(&["gateway"]))
    }

    fn clear_out(mut self) -> anyhow::Result<()> {
        if self.machine.is_running("agent")? {
            self.machine.stop("agent")?;
        }
        self.mend_the_cable()?;
        if !self.machine.is_running("bluetoothd")? {
            self.machine.start_bluetoothd()?;
        }
        for (address, _) in std::mem::take(&mut self.devices) {
            self.order_device(&address, "switch_off", json!({}))?;
        }
        // What the next scenario's last words are about is its own.
        self.machine.run(&["truncate", "--size=0", "/share/agent.log"]).map(drop)
    }

    // Devices.

    /// Puts a device near the radio: `cuff`, `oximeter`, `strap` or `button`; its habits are those of
    /// `guest/device.py`, where it has others than usual.
    ///
    /// # Errors
    /// When there is no such kind or habit.
    pub fn device(&mut self, kind: &str, habits: Value) -> anyhow::Result<String> {
        let served = match kind {
            "cuff" => "blood_pressure",
            "oximeter" => "pulse_oximeter",
            "strap" => "heart_rate",
            _ => "alarm_button",
        };
        // Static random addresses, as their two highest bits say.
        let address = format!("F0:00:00:00:{:02X}:{:02X}", self.number, self.devices.len() + 1);
        let mut order = json!({"do": "add", "kind": kind, "address": address});
        if kind == "button" {
            order["key"] = json!(KEY);
        }
        for (habit, value) in habits.as_object().context("habits are an object")? {
            order[habit] = value.clone();
        }
        self.machine.order::<()>(&order)?;
        self.devices.push((address.clone(), served));
        Ok(address)
    }

    /// Measures: a blood pressure or a saturation, another one for each number.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn measure(&mut self, device: &str, number: u16) -> anyhow::Result<()> {
        let kind = self.devices.iter().find(|(address, _)| address == device).map(|(_, kind)| *kind);
        let values = match kind {
            Some("pulse_oximeter") => json!({"saturation": 90 + number % 10, "pulse": 50 + number / 10}),
            _ => json!({"systolic": 100 + number % 100, "diastolic": 60 + number / 100}),
        };
        self.order_device(device, "measure", values)
    }

    /// Presses a button.
    ///
    /// # Errors
    /// When there is no such button.
    pub fn press(&mut self, button: &str) -> anyhow::Result<()> {
        self.order_device(button, "press", json!({}))
    }

    /// Anything else that is done with a device.
    ///
    /// # Errors
    /// When it cannot be done with it.
    pub fn order_device(&mut self, device: &str, deed: &str, how: Value) -> anyhow::Result<()> {
        let order = json!({"do": "device", "address": device, "deed": deed, "how": how});
        self.machine.order::<Value>(&order).map(drop)
    }

    /// From now on the device has these habits.
    ///
    /// # Errors
    /// When there is no such device or habit.
    pub fn habits(&mut self, device: &str, changed: Value) -> anyhow::Result<()> {
        self.machine.order(&json!({"do": "habits", "address": device, "changed": changed}))
    }

    // The agent and its cable.

    /// Enrols this home's agent as an installer does, tells it which devices it serves, and starts it. It hears the air
    /// when this returns.
    ///
    /// # Errors
    /// When a command fails, or the agent does not scan.
    pub fn agent_moves_in(&mut self) -> anyhow::Result<()> {
        let name = format!("home {}", self.number);
        let said = self.gateway_command(&["home", "add", &name, "--json"])?;
        let added: Added = serde_json::from_str(&said).with_context(|| format!("reading {said}"))?;
        let mut config = format!("state = \"/srv/home-{}\"\nheartbeat = \"2s\"\nlog = \"stderr\"\n", self.number);
        for (address, kind) in &self.devices {
            write!(config, "[[device]]\naddress = \"{address}\"\nkind = \"{kind}\"\n")?;
            if *kind == "alarm_button" {
                writeln!(config, "key_file = \"button.key\"")?;
            }
        }
        fs::write(self.machine.folder().join("agent.toml"), config)?;
        fs::write(self.machine.folder().join("button.key"), KEY)?;
        let enrolment = format!("{GATEWAY}:8443");
        let mut enrol = in_the_home(&[AGENT, "enrol", "--config", "/share/agent.toml"]);
        enrol.extend(["--gateway", &enrolment, "--code", &added.code]);
        self.machine.run(&enrol)?;
        (self.home, self.agent) = (added.home, added.agent);
        self.agent_starts()
    }

    /// An installer adopts a device at the box, and types the number that it shows. Gives what she was told.
    ///
    /// # Errors
    /// When the device has not said anything in the end.
    pub fn installer_adopts(&mut self, device: &str) -> anyhow::Result<String> {
        let argv = in_the_home(&[AGENT, "adopt", "--config", "/share/agent.toml", device]);
        self.machine.adopt(&argv, device)
    }

    /// Starts the agent, and waits until it hears the air.
    ///
    /// # Errors
    /// When it runs already, or does not scan.
    pub fn agent_starts(&mut self) -> anyhow::Result<()> {
        let run =
            in_the_home(&["env", "RUST_LOG=info,hempuls_agent=debug", AGENT, "run", "--config", "/share/agent.toml"]);
        self.machine.start("agent", &run)?;
        self.somebody_scans()
    }

    /// Ends the agent without a warning. BlueZ ends its scan with it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn agent_is_killed(&mut self) -> anyhow::Result<()> {
        self.machine.kill("agent")
    }

    /// As [`Home::agent_is_killed`], in the moment in which the next such thing happens to a device.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn agent_is_killed_when(&mut self, device: &str, what: &str) -> anyhow::Result<()> {
        let when = json!({"device": device, "what": what});
        self.machine.order(&json!({"do": "end", "program": "agent", "how": "KILL", "when": when}))
    }

    fn gateway_command(&mut self, arguments: &[&str]) -> anyhow::Result<String> {
        let command = [GATEWAY_PROGRAM, "--config", "/share/gateway.toml"];
        self.machine.run(&[&command, arguments].concat())
    }

    /// Kills bluetoothd in the moment in which the next such thing happens to a device, and starts it again.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn bluetoothd_is_killed_when(&mut self, device: &str, what: &str) -> anyhow::Result<()> {
        let when = json!({"device": device, "what": what});
        self.machine.order::<()>(&json!({"do": "end", "program": "bluetoothd", "how": "KILL", "when": when}))?;
        self.machine.start_bluetoothd()
    }

    /// Waits until the radio listens.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn somebody_scans(&mut self) -> anyhow::Result<()> {
        self.machine.until("the radio listens", |machine| {
            let hears: bool = machine.order(&json!({"do": "hears"}))?;
            Ok(if hears { Ok(()) } else { Err("it does not".into()) })
        })
    }

    /// Cuts the cable: everything that is sent vanishes.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn cut_the_cable(&mut self) -> anyhow::Result<()> {
        self.machine.run(&["ip", "-netns", "home", "link", "set", "cable", "down"]).map(drop)
    }

    /// Mends the cable.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn mend_the_cable(&mut self) -> anyhow::Result<()> {
        self.machine.run(&["ip", "-netns", "home", "link", "set", "cable", "up"]).map(drop)
    }

    /// Makes the cable lose packets, in both directions, and take its time.
    ///
    /// # Errors
    /// When the machine's kernel cannot do it.
    pub fn cable_loses(&mut self, percent: u8, delay_ms: u16) -> anyhow::Result<()> {
        let (loss, delay) = (format!("{percent}%"), format!("{delay_ms}ms"));
        let netem = ["netem", "loss", &loss, "delay", &delay];
        let here = ["tc", "qdisc", "replace", "dev", "gateway", "root"];
        let there = ["tc", "-netns", "home", "qdisc", "replace", "dev", "cable", "root"];
        self.machine.run(&[&here[..], &netem].concat())?;
        self.machine.run(&[&there[..], &netem].concat()).map(drop)
    }

    /// As a cable should be.
    ///
    /// # Errors
    /// When it was in order.
    pub fn cable_is_well(&mut self) -> anyhow::Result<()> {
        self.machine.run(&["tc", "qdisc", "del", "dev", "gateway", "root"])?;
        self.machine.run(&["tc", "-netns", "home", "qdisc", "del", "dev", "cable", "root"]).map(drop)
    }
}

fn in_the_home<'a>(argv: &[&'a str]) -> Vec<&'a str> {
    [&["ip", "netns", "exec", "home"], argv].concat()
}
