//! One connection to a broker, from the first attempt to its end. The [`Window`] decides what is sent; this performs it.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{BoxStream, unfold};
use futures::{FutureExt as _, StreamExt as _};
use hempuls_protocol::ids::{Epoch, Sequence};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_protocol::wire::feedback::Feedback;
use hempuls_protocol::wire::heartbeat::{Status, UplinkState};
use hempuls_protocol::wire::home_config::HomeConfig;
use hempuls_protocol::wire::receipt::Receipts;
use hempuls_protocol::wire::topic::{Matter, Topic};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter, LastWill, Packet, PubAckReason, Publish, PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, Outgoing, TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

use super::choice::{self, Choice, Why};
use super::probe::answers;
use super::refusal::{explain, is_of_us};
use super::window::{Answer, Effect, Input, Window};
use super::{Uplink, Word};
use crate::buffer::{Buffer, Place, State};
use crate::clock;
use crate::heartbeat::Reporter;
use crate::identity::{Folder, Identity};
use crate::watchdog::Pulse;

/// The broker is asked for a sign of life this often.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Without any event for so long the connection is dead, whatever the library thinks.
const SILENCE: Duration = Duration::from_secs(90);
/// For connecting, in seconds: TCP, TLS and MQTT together.
const CONNECT_S: u64 = 10;
/// Envelopes that the broker has not acknowledged; more would lock the library, or cost it megabytes.
const IN_FLIGHT: u16 = 16;
/// Room in the library's queue: the envelopes, a heartbeat, a subscription and a goodbye.
const QUEUE: usize = 20;
/// A broker whose gateway is away for a week does not fill with repeats.
const EXPIRY_S: u32 = 10 * 60;
const LARGEST_PACKET: u32 = 1 << 20;
/// For a last word to the broker.
const GOODBYE: Duration = Duration::from_millis(500);
type Events = BoxStream<'static, Result<Event, ConnectionError>>;

/// What a connection needs.
pub(super) struct Parts {
    pub(super) identity: Identity,
    pub(super) folder: Folder,
    /// All uplinks there are, for looking whether an earlier one works again.
    pub(super) uplinks: Vec<Uplink>,
    pub(super) buffer: Buffer,
    pub(super) reporter: Reporter,
    pub(super) words: mpsc::UnboundedSender<Word>,
}

/// How a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It broke, or was of no use.
    Failed(String),
    /// There is a better one.
    Left(&'static str),
}

/// One connection, from the first attempt to its end.
pub(super) struct Link<'a> {
    identity: Identity,
    folder: Folder,
    uplinks: Vec<Uplink>,
    choice: &'a mut Choice,
    buffer: Buffer,
    reporter: Reporter,
    words: mpsc::UnboundedSender<Word>,
    window: Window,
    client: AsyncClient,
    /// The library's event loop as a stream, so that nothing is lost when something else happens while it works.
    events: Events,
    /// Where the envelopes began that were given to the library and have no packet id yet, in order.
    queued: VecDeque<Place>,
    /// Where the envelope of each packet id began that the broker has not acknowledged.
    unacknowledged: HashMap<u16, Place>,
    /// What the broker said last to an envelope.
    answered: PubAckReason,
    is_online: bool,
    /// When the broker last said anything.
    heard: Instant,
    /// Looks whether an earlier uplink answers.
    probe: Option<BoxFuture<'static, choice::Input>>,
}

impl<'a> Link<'a> {
    pub(super) fn new(parts: Parts, choice: &'a mut Choice) -> Self {
        let Parts { identity, folder, uplinks, buffer, reporter, words } = parts;
        let (client, events) = AsyncClient::new(options(&identity, &uplinks[choice.place()]), QUEUE);
        let window = Window::new(buffer.state());
        Self {
            identity,
            folder,
            uplinks,
            choice,
            buffer,
            reporter,
            words,
            window,
            client,
            events: stream(events),
            queued: VecDeque::new(),
            unacknowledged: HashMap::new(),
            answered: PubAckReason::Success,
            is_online: false,
            heard: clock::now(),
            probe: None,
        }
    }

    /// Runs until the connection ends, and says why.
    pub(super) async fn run(&mut self, interval: Duration, pulse: &mut Pulse) -> End {
        let mut held = self.buffer.changes();
        let mut beat = tokio::time::interval(interval);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.choose(choice::Input::Alarm(waiting_alarm(&self.buffer.state())));
            let (wake, decide) = (self.window.next_wake(), self.choice.next_wake());
            let outcome = tokio::select! {
                event = self.events.next() => match event {
                    Some(Ok(event)) => self.hear(event).await,
                    Some(Err(error)) => {
                        self.is_online = false;
                        if is_of_us(&error) {
                            self.folder.was_refused();
                        }
                        Err(explain(&error))
                    }
                    None => Err("the client ended".into()),
                },
                () = sleep_until((self.heard + SILENCE).into()) => Err("the broker is silent".into()),
                changed = held.changed(), if self.is_online => {
                    let state = *held.borrow_and_update();
                    if changed.is_ok() { self.perform(Input::Holds(state)).await } else { Err("the buffer is closed".into()) }
                }
                () = sleep_until(wake.unwrap_or_else(clock::now).into()), if wake.is_some() => {
                    self.perform(Input::Tick { jitter: rand::random() }).await
                }
                () = pulse.asked() => Ok(()),
                () = sleep_until(decide.unwrap_or_else(clock::now).into()), if decide.is_some() => {
                    match self.choose(choice::Input::Tick) {
                        Some(end) => return end,
                        None => Ok(()),
                    }
                }
                answer = async { self.probe.as_mut().expect("it is there").await }, if self.probe.is_some() => {
                    self.probe = None;
                    match self.choose(answer) {
                        Some(end) => return end,
                        None => Ok(()),
                    }
                }
                _ = beat.tick(), if self.is_online => {
                    self.beat();
                    if !self.folder.is_current(&self.identity) {
                        return End::Left("it has another certificate");
                    }
                    Ok(())
                }
            };
            if let Err(reason) = outcome {
                return End::Failed(reason);
            }
        }
    }

    /// Says goodbye, so that the broker does not send the last will.
    pub(super) async fn close(mut self) {
        if self.is_online && self.client.try_disconnect().is_ok() {
            let gone = async { while let Some(Ok(_)) = self.events.next().await {} };
            // Who does not answer in time is not waited for.
            let _ = timeout(GOODBYE, gone).await;
        }
    }

    /// Tells the choice of uplinks what happened, and does what it says.
    fn choose(&mut self, input: choice::Input) -> Option<End> {
        match self.choice.handle(input, clock::now())? {
            // It connects when nothing is connected.
            choice::Effect::Connect(_) => None,
            choice::Effect::Leave(Why::Slow) => Some(End::Failed("the broker does not finish connecting".into())),
            choice::Effect::Leave(Why::NoReceipts) => {
                Some(End::Failed("the gateway's receipts do not come over this uplink".into()))
            }
            choice::Effect::Leave(Why::Return) => Some(End::Left("one before it in the list answers again")),
            choice::Effect::Probe(place) => {
                let looks = answers(self.uplinks[place].clone(), self.identity.tls.clone());
                self.probe = Some(looks.map(move |answers| choice::Input::Probed { place, answers }).boxed());
                None
            }
        }
    }

    async fn hear(&mut self, event: Event) -> Result<(), String> {
        if matches!(event, Event::Incoming(_)) {
            self.heard = clock::now();
        }
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                let filters = [Matter::Receipt, Matter::Config, Matter::Feedback]
                    .map(|matter| Filter::new(self.topic(matter), QoS::AtLeastOnce));
                self.client.try_subscribe_many(filters).map_err(|error| error.to_string())
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                if !answer.return_codes.iter().all(granted) {
                    return Err("the broker does not let this agent hear receipts; its access rules are wrong".into());
                }
                let Uplink { broker, interface } = &self.uplinks[self.choice.place()];
                tracing::info!(agent = %self.identity.agent, %broker, interface, "connected to the gateway");
                self.is_online = true;
                let place = UplinkState { place: self.choice.place() as u32, of: self.uplinks.len() as u32 };
                self.reporter.vitals.connected(Some(place));
                self.choose(choice::Input::Online);
                self.perform(Input::Holds(self.buffer.state())).await?;
                self.perform(Input::Connected).await
            }
            Event::Incoming(Packet::Publish(publish)) => self.receive(&publish).await,
            Event::Incoming(Packet::PubAck(answer)) => {
                let Some(at) = self.unacknowledged.remove(&answer.pkid) else { return Ok(()) };
                self.note(answer.reason);
                let is_taken = answer.reason == PubAckReason::Success;
                let answer = if is_taken { Answer::Accepted } else { Answer::Refused };
                self.perform(Input::Acknowledged { at, answer }).await
            }
            Event::Outgoing(Outgoing::Publish(id)) => {
                // Heartbeats have no packet id.
                if id != 0
                    && let Some(at) = self.queued.pop_front()
                {
                    self.unacknowledged.insert(id, at);
                }
                Ok(())
            }
            Event::Incoming(_) | Event::Outgoing(_) => Ok(()),
        }
    }

    /// A gateway that is away for a week is a line in the log, and not one for each attempt.
    fn note(&mut self, reason: PubAckReason) {
        if std::mem::replace(&mut self.answered, reason) == reason {
            return;
        }
        match reason {
            PubAckReason::Success => tracing::info!("the broker takes events again"),
            PubAckReason::NoMatchingSubscribers => {
                tracing::warn!("no gateway is at the broker; what is heard is kept on flash meanwhile");
            }
            reason => tracing::warn!(?reason, "the broker does not take events; trying again later"),
        }
    }

    async fn receive(&mut self, publish: &Publish) -> Result<(), String> {
        let topic = std::str::from_utf8(&publish.topic).ok().and_then(|topic| topic.parse::<Topic>().ok());
        let Some(topic) = topic.filter(|topic| topic.agent == self.identity.agent) else { return Ok(()) };
        let unreadable = |error| tracing::warn!(%error, %topic, "unreadable; is the gateway of another version?");
        match topic.matter {
            Matter::Receipt => match Receipts::from_bytes(&publish.payload) {
                Ok(receipts) => return self.receipts(receipts).await,
                Err(error) => unreadable(error),
            },
            Matter::Config => match HomeConfig::from_bytes(&publish.payload) {
                Ok(config) => self.pass_on(Word::Config(config.home)),
                Err(error) => match HomeConfig::revision(&publish.payload) {
                    Some(revision) => self.pass_on(Word::UnreadableConfig { revision, why: unknown(&error) }),
                    None => unreadable(error),
                },
            },
            Matter::Feedback => match Feedback::from_bytes(&publish.payload) {
                Ok(feedback) => self.pass_on(Word::Feedback(feedback.alarms)),
                Err(error) => unreadable(error),
            },
            Matter::Events(_) | Matter::Status => {}
        }
        Ok(())
    }

    fn pass_on(&self, word: Word) {
        // Nobody listens any more when the program is about to end.
        let _ = self.words.send(word);
    }

    async fn receipts(&mut self, receipts: Receipts) -> Result<(), String> {
        self.choose(choice::Input::Heard);
        if let Some(now_ms) = receipts.now_ms {
            self.folder.passed().gateway_says(now_ms);
            self.pass_on(Word::Time(now_ms));
        }
        for receipt in receipts.lanes {
            for quarantined in &receipt.quarantined {
                let (lane, why) = (receipt.lane, quarantined.why);
                tracing::warn!(%lane, event.seq = %quarantined.sequence, ?why, "the gateway could not read an event");
            }
            let place = Place { epoch: receipt.epoch, lane: receipt.lane, first: receipt.through };
            let own = self.buffer.mark(place);
            self.perform(Input::Receipt { receipt, own }).await?;
        }
        Ok(())
    }

    /// Tells the window what happened, and does what it says.
    async fn perform(&mut self, input: Input) -> Result<(), String> {
        let mut effects = VecDeque::from(self.window.handle(input, clock::now()));
        while let Some(effect) = effects.pop_front() {
            let result = match effect {
                Effect::Send { at, last, room } => {
                    let events = self.buffer.read(at, last, room);
                    let envelope = |events| Envelope::pack(at.epoch, at.first, clock::taken(), events);
                    let sent = events.ok().and_then(|events| self.send(at, envelope(events)));
                    sent.unwrap_or(Input::Unsent { at })
                }
                Effect::Receipted { epoch, lane, through } => {
                    tracing::debug!(%lane, %through, "receipted");
                    self.buffer.receipted(epoch, lane, through);
                    continue;
                }
                Effect::Rewind { lane, from } => {
                    tracing::warn!(%lane, %from, "the gateway was restored and asks for events again");
                    Input::Renewed(self.buffer.rewind(lane, from).await)
                }
                Effect::Fork { lane, from } => {
                    tracing::warn!(%lane, %from, "the gateway knows other events under these numbers");
                    Input::Renewed(self.buffer.fork(lane, from).await)
                }
                Effect::Reconnect => return Err("the broker acknowledges nothing".into()),
            };
            effects.extend(self.window.handle(result, clock::now()));
        }
        Ok(())
    }

    fn send(&mut self, at: Place, envelope: Envelope) -> Option<Input> {
        let (last, bytes) = (envelope.last(), envelope.to_bytes());
        let size = bytes.len();
        let properties = PublishProperties { message_expiry_interval: Some(EXPIRY_S), ..PublishProperties::default() };
        let topic = self.topic(Matter::Events(at.lane));
        self.client.try_publish_with_properties(topic, QoS::AtLeastOnce, false, bytes, properties).ok()?;
        self.queued.push_back(at);
        self.choose(choice::Input::Asked);
        tracing::debug!(lane = %at.lane, event.seq = %envelope.first, count = envelope.count, "sent");
        Some(Input::Sent { at, last, bytes: size })
    }

    fn beat(&mut self) {
        let status = Status::Heartbeat(Box::new(self.reporter.heartbeat(self.identity.life.until))).to_bytes();
        // A full queue means that the link is busy proving that the agent lives.
        if self.client.try_publish(self.topic(Matter::Status), QoS::AtMostOnce, false, status).is_ok() {
            self.choose(choice::Input::Asked);
        }
    }

    fn topic(&self, matter: Matter) -> String {
        Topic { agent: self.identity.agent.clone(), matter }.to_string()
    }
}

/// The alarm that has waited longest for its receipt: on flash, or else in memory.
pub(super) fn waiting_alarm(state: &State) -> Option<(Epoch, Sequence)> {
    let flash = state.flash.map(|held| (held.epoch, held.alarm));
    let lanes = flash.into_iter().chain([(state.volatile.epoch, state.volatile.alarm)]);
    let mut waiting = lanes.map(|(epoch, lane)| (epoch, lane.receipted_through.next(), lane.last));
    waiting.find(|(_, oldest, last)| oldest <= last).map(|(epoch, oldest, _)| (epoch, oldest))
}

fn options(identity: &Identity, uplink: &Uplink) -> MqttOptions {
    let will = Topic { agent: identity.agent.clone(), matter: Matter::Status }.to_string();
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_S);
    if let Some(interface) = &uplink.interface {
        network.set_bind_device(interface);
    }
    let mut options = MqttOptions::new(identity.agent.as_str(), &uplink.broker.host, uplink.broker.port);
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(identity.tls.clone())))
        .set_network_options(network)
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(true)
        .set_connection_timeout(CONNECT_S)
        .set_max_packet_size(Some(LARGEST_PACKET))
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_last_will(LastWill::new(will, Status::LastWill.to_bytes(), QoS::AtLeastOnce, false, None));
    options
}

fn stream(events: EventLoop) -> Events {
    unfold(events, |mut events| async move {
        let event = events.poll().await;
        Some((event, events))
    })
    .boxed()
}

/// What an agent says of a configuration that it cannot read.
fn unknown(error: &minicbor::decode::Error) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("it says something that version {version} of the agent does not know ({error}); update the agent")
}
