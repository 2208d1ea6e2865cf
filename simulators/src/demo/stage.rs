//! The home, the network and the gateway that the demonstration plays with.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tempfile::TempDir;

use super::step::Step;
use crate::bluez::{Bluez, Options};
use crate::bus::Bus;
use crate::clock::Moment;
use crate::home::{self, Use};
use crate::system::{Agent, Api, Books, BooksLine, Cable, Gateway, Home, Programs, Settings, free_port, until};

/// How often the home proves its way to people, which is to be seen while somebody looks, and how old that may become.
const SILENT_TESTS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(72 * 60 * 60));

const EFFECT_WITHIN: Duration = Duration::from_secs(30);
const REPEAT_WITHIN: Duration = Duration::from_secs(20);
/// Two measurements of a cuff are never in the same second.
const BETWEEN_MEASUREMENTS: Duration = Duration::from_millis(1100);

pub(super) struct Stage {
    agent: Agent,
    gateway: Gateway,
    cable: Cable,
    /// Ada's devices, and Ada.
    house: home::Home,
    _bus: Bus,
    home: Home,
    is_cut: bool,
    /// Goes last: the programs above write into it.
    _folder: Option<TempDir>,
}

/// What the demonstration prints last.
#[derive(Serialize)]
pub(super) struct Summary {
    homes: Vec<BooksLine>,
    measured: usize,
    pressed: usize,
    records: u64,
    alarms: u64,
    balanced: bool,
}

impl Summary {
    pub(super) fn is_right(&self) -> bool {
        let settled = self.homes.iter().all(|line| line.waiting == 0 && line.lost == 0);
        let complete = self.records == self.measured as u64 && self.alarms == self.pressed as u64;
        settled && complete && self.balanced
    }
}

impl Stage {
    /// Starts everything and waits until the agent is connected and hears the air.
    pub(super) async fn set(keep: Option<&Path>) -> anyhow::Result<Self> {
        let programs = Programs::beside_this_one()?;
        let temporary = match keep {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("hempuls-demo-").tempdir()?),
        };
        let folder = keep.unwrap_or_else(|| temporary.as_ref().expect("one of them is there").path());

        println!("Starting the gateway …");
        let broker_port = free_port()?;
        let cable = Cable::lay(broker_port).await?;
        let settings = Settings {
            repeat_within: REPEAT_WITHIN,
            advertised_port: Some(cable.port()),
            silent_tests: Some(SILENT_TESTS),
            ..Settings::default()
        };
        let mut gateway = Gateway::install(&programs, &folder.join("gateway"), broker_port, &settings)?;
        gateway.start().await?;
        let home = gateway.add_home("Björkgatan 3").await?;
        let ada = gateway.add_person("Ada Lind", &home).await?;

        println!(
            "Starting the home: a message bus, a simulated BlueZ, a cuff, an oximeter, a thermometer, a scale, an alarm \
             button, the agent …"
        );
        let bus = Bus::start().await?;
        let house = home::Home::furnish(Bluez::start(&bus, Options::default()).await?, 1);
        let devices = house.served();
        for device in &devices {
            gateway.add_device(&device.address, device.kind, &home).await?;
            gateway.assign(&device.address, &ada, None).await?;
        }
        let mut agent =
            Agent::install(&programs, &folder.join("agent"), bus.address(), Duration::from_secs(1), &devices)?;
        agent.enrol(&gateway, &home).await?;
        agent.start()?;

        let stage = Self { agent, gateway, cable, house, _bus: bus, home, is_cut: false, _folder: temporary };
        stage.agent_is_back().await?;
        Ok(stage)
    }

    pub(super) fn console(&self) -> String {
        self.gateway.api().base().to_owned()
    }

    pub(super) fn login(&self) -> anyhow::Result<String> {
        self.gateway.login()
    }

    /// Does one thing and waits for its effect, which it gives in words.
    pub(super) async fn perform(&mut self, step: Step) -> anyhow::Result<String> {
        let done = match step {
            Step::Measure => self.measure(Use::BloodPressure).await,
            Step::SpotCheck => self.measure(Use::SpotCheck).await,
            Step::Weigh => self.measure(Use::Weight).await,
            Step::Temperature => self.measure(Use::Temperature { has_fever: false }).await,
            Step::High => self.measure_high().await,
            Step::Press => self.press().await,
            Step::Cut => self.cut().await,
            Step::Restore => self.restore().await,
            Step::KillGateway => self.kill_gateway().await,
            Step::KillAgent => self.kill_agent().await,
            Step::Books => self.books().await,
            Step::Quit => Ok("nothing left to do".into()),
        };
        done.with_context(|| {
            let (agent, gateway) = (self.agent.program().last_words(), self.gateway.program().last_words());
            format!("{step}\n— the agent's last words —\n{agent}\n— the gateway's last words —\n{gateway}\n—")
        })
    }

    async fn measure(&mut self, what: Use) -> anyhow::Result<String> {
        self.house.perform(what, Moment::now().wall()).await?;
        tokio::time::sleep(BETWEEN_MEASUREMENTS).await;
        self.measurements_arrived().await
    }

    async fn measure_high(&mut self) -> anyhow::Result<String> {
        for _ in 0..3 {
            self.house.perform(Use::HighBloodPressure, Moment::now().wall()).await?;
            tokio::time::sleep(BETWEEN_MEASUREMENTS).await;
        }
        let arrived = self.measurements_arrived().await?;
        if self.is_cut {
            return Ok(arrived);
        }
        let api = self.gateway.api();
        until(EFFECT_WITHIN, "the high blood pressure is on the work list", || has_alert(api.clone(), "above_limit"))
            .await?;
        Ok("on the work list, confirmed by its repeats".into())
    }

    /// On the console; while the network is cut: confirmed to the device.
    async fn measurements_arrived(&self) -> anyhow::Result<String> {
        let measured = self.measured();
        if self.is_cut {
            until(EFFECT_WITHIN, "the devices' readings are confirmed", || async {
                let confirmed = self.house.truth().heard;
                if confirmed >= measured { Ok(()) } else { Err(format!("{confirmed} of {measured} are")) }
            })
            .await?;
            return Ok("the agent has it; the network is cut".into());
        }
        let api = self.gateway.api();
        until(EFFECT_WITHIN, "the reading is on the console", || {
            arrived(api.clone(), |books| books.records, measured as u64, "readings")
        })
        .await?;
        Ok(format!("on the console: {}", self.gateway.api().base()))
    }

    async fn press(&mut self) -> anyhow::Result<String> {
        self.house.perform(Use::Press, Moment::now().wall()).await?;
        let pressed = self.pressed();
        if self.is_cut {
            until(EFFECT_WITHIN, "the button has sent its burst", || async {
                if self.house.button.ledger().bursts().len() >= pressed { Ok(()) } else { Err("it has not".into()) }
            })
            .await?;
            return Ok("the button has sent it; the network is cut".into());
        }
        self.presses_arrived().await?;
        Ok("on the work list".into())
    }

    async fn presses_arrived(&self) -> anyhow::Result<()> {
        let (api, pressed) = (self.gateway.api(), self.pressed());
        until(EFFECT_WITHIN, "the alarm is on the work list", || {
            let api = api.clone();
            async move {
                let alerts = api.alerts().await.map_err(|error| format!("{error:#}"))?;
                let lines = alerts.iter().filter(|alert| alert.rule == "alarm_pressed").flat_map(|alert| &alert.lines);
                let shown = lines.filter(|line| line.record.is_some()).count();
                if shown >= pressed { Ok(()) } else { Err(format!("{shown} of {pressed} presses are")) }
            }
        })
        .await
    }

    async fn cut(&mut self) -> anyhow::Result<String> {
        self.is_cut = true;
        self.cable.cut();
        self.agent_is_gone().await?;
        Ok("the broker has lost the agent".into())
    }

    async fn restore(&mut self) -> anyhow::Result<String> {
        self.is_cut = false;
        self.cable.restore();
        self.settled().await?;
        Ok("nothing waits, and all of it is on the console".into())
    }

    async fn kill_gateway(&mut self) -> anyhow::Result<String> {
        self.gateway.program().kill().await;
        self.gateway.start().await?;
        self.agent_is_back().await?;
        Ok("it runs again, and the agent is connected".into())
    }

    async fn kill_agent(&mut self) -> anyhow::Result<String> {
        self.agent.program().kill().await;
        self.agent_is_gone().await?;
        self.agent.start()?;
        self.agent_is_back().await?;
        Ok("it runs again, connected and scanning".into())
    }

    async fn books(&mut self) -> anyhow::Result<String> {
        let books = if self.is_cut { self.gateway.api().books().await? } else { self.settled().await? };
        println!("   lane     epoch             taken = stored + repeated + quarantined + moved + lost + waiting");
        for line in &books.lines {
            println!(
                "   {:8} {} {:6}   {:6} {:10} {:13} {:7} {:6} {:9}   {}",
                line.lane,
                line.epoch,
                line.taken,
                line.stored,
                line.repeated,
                line.quarantined,
                line.moved,
                line.lost,
                line.waiting,
                if line.balanced { "balanced" } else { "DOES NOT BALANCE" },
            );
        }
        Ok(if self.is_cut {
            "the network is cut: this is what the gateway knows".into()
        } else {
            "nothing waits".into()
        })
    }

    /// Nothing waits, and every reading and press is in the store.
    async fn settled(&self) -> anyhow::Result<Books> {
        self.measurements_arrived().await?;
        self.presses_arrived().await?;
        let api = self.gateway.api();
        until(EFFECT_WITHIN, "nothing waits", || {
            let api = api.clone();
            async move {
                let books = api.books().await.map_err(|error| format!("{error:#}"))?;
                let waiting: u64 = books.lines.iter().map(|line| line.waiting).sum();
                if waiting == 0 { Ok(books) } else { Err(format!("{waiting} events wait")) }
            }
        })
        .await
    }

    async fn agent_is_back(&self) -> anyhow::Result<()> {
        until(EFFECT_WITHIN, "the agent hears the air", || async {
            if self.house.bluez.scanning_clients() > 0 { Ok(()) } else { Err("it is not scanning".into()) }
        })
        .await?;
        if self.is_cut {
            return Ok(());
        }
        self.broker_says(true, "the agent is connected").await
    }

    async fn agent_is_gone(&self) -> anyhow::Result<()> {
        self.broker_says(false, "the broker has lost the agent").await
    }

    async fn broker_says(&self, connected: bool, what: &str) -> anyhow::Result<()> {
        let (api, agent) = (self.gateway.api(), &self.home.agent);
        until(EFFECT_WITHIN, what, || {
            let api = api.clone();
            async move {
                let books = api.books().await.map_err(|error| format!("{error:#}"))?;
                let now = books.lines.iter().any(|line| line.agent == *agent && line.connected);
                if now == connected { Ok(()) } else { Err("not yet".into()) }
            }
        })
        .await
    }

    fn measured(&self) -> usize {
        self.house.truth().measured
    }

    fn pressed(&self) -> usize {
        self.house.truth().pressed
    }

    /// Both sides of the books, and what the simulator made.
    pub(super) async fn summary(&self) -> anyhow::Result<Summary> {
        let books = self.gateway.api().books().await?;
        Ok(Summary {
            measured: self.measured(),
            pressed: self.pressed(),
            records: books.records,
            alarms: books.alarms,
            balanced: books.lines.iter().all(|line| line.balanced),
            homes: books.lines,
        })
    }

    /// Stops both programs as an operator would.
    pub(super) async fn strike(&mut self) -> anyhow::Result<()> {
        self.agent.program().stop().await?;
        self.gateway.program().stop().await
    }
}

async fn arrived(api: Api, count: fn(&Books) -> u64, wanted: u64, what: &str) -> Result<(), String> {
    let books = api.books().await.map_err(|error| format!("{error:#}"))?;
    let there = count(&books);
    if there >= wanted { Ok(()) } else { Err(format!("{there} of {wanted} {what} are there")) }
}

async fn has_alert(api: Api, rule: &str) -> Result<(), String> {
    let alerts = api.alerts().await.map_err(|error| format!("{error:#}"))?;
    let there = alerts.iter().any(|alert| alert.rule == rule && alert.state != "closed");
    if there { Ok(()) } else { Err("no such alert".into()) }
}
