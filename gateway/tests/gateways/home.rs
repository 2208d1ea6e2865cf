//! A home's box, as far as the gateways notice one: it sends what it has until it has the receipt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hempuls_gateway::clock;
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Alarm, Began, Content, Event, Kind, Signal};
use hempuls_protocol::ids::{DeviceId, Epoch, Lane, Sequence};
use hempuls_protocol::times::{BootId, Taken, Trust};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_protocol::wire::heartbeat::{Heartbeat, LaneState, Status};
use hempuls_protocol::wire::receipt::Receipts;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event as MqttEvent, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use tokio::task::JoinSet;

/// What is not receipted is sent again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// So many at once.
const AT_ONCE: usize = 50;

/// How much was sent, and receipted.
#[derive(Copy, Clone, Default, Debug)]
pub(crate) struct Sent {
    pub(crate) readings: i64,
    pub(crate) presses: i64,
}

/// What a box needs to be let in.
pub(crate) struct Papers {
    pub(crate) agent: String,
    pub(crate) tls: rustls::ClientConfig,
    pub(crate) broker: u16,
}

/// Homes that live their lives.
pub(crate) struct Homes {
    boxes: JoinSet<Sent>,
    stop: Arc<AtomicBool>,
}

impl Homes {
    pub(crate) fn live(papers: Vec<Papers>, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut boxes = JoinSet::new();
        for (n, papers) in (1..).zip(papers) {
            boxes.spawn(live(papers, n, StdRng::seed_from_u64(seed ^ u64::from(n)), Arc::clone(&stop)));
        }
        Self { boxes, stop }
    }

    pub(crate) async fn stop_and_wait_for_receipts(mut self, patience: Duration) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Sent::default();
        let receipted = async {
            while let Some(sent) = self.boxes.join_next().await {
                let sent = sent.expect("the box has no fault");
                all.readings += sent.readings;
                all.presses += sent.presses;
            }
        };
        tokio::time::timeout(patience, receipted).await.expect("every receipt comes");
        all
    }
}

/// One lane of its buffer.
struct Buffer {
    lane: Lane,
    epoch: Epoch,
    events: Vec<Vec<u8>>,
    receipted: usize,
}

impl Buffer {
    fn new(lane: Lane, epoch: u64) -> Self {
        let mut buffer = Self { lane, epoch: Epoch(epoch), events: Vec::new(), receipted: 0 };
        buffer.take(Kind::Began(Began { previous: None }), 0);
        buffer
    }

    fn take(&mut self, kind: Kind, since_boot_ms: u64) {
        self.events.push(Content { taken: taken(since_boot_ms), kind }.to_bytes().to_vec());
    }

    fn waits(&self) -> bool {
        self.receipted < self.events.len()
    }

    /// An envelope with these, counted from 0.
    fn envelope(&self, from: usize, to: usize, now_ms: u64) -> Vec<u8> {
        let sequence = |n: usize| Sequence(n as u64 + 1);
        let events = (from..to)
            .map(|n| Event { sequence: sequence(n), origin: None, content: self.events[n].clone().into() }.to_bytes());
        Envelope::pack(self.epoch, sequence(from), taken(now_ms), events.collect()).to_bytes()
    }

    fn state(&self) -> LaneState {
        LaneState {
            lane: self.lane,
            epoch: self.epoch,
            oldest_kept: Sequence(1),
            receipted_through: Sequence(self.receipted as u64),
            last: Sequence(self.events.len() as u64),
            oldest_waiting_s: None,
        }
    }
}

fn taken(since_boot_ms: u64) -> Taken {
    Taken { boot: BootId([1; 16]), since_boot_ms, wall_ms: None, trust: Trust::Unknown }
}

async fn live(papers: Papers, n: u8, mut chance: StdRng, stop: Arc<AtomicBool>) -> Sent {
    let Papers { agent, tls, broker } = papers;
    let mut options = MqttOptions::new(&agent, "localhost", broker);
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))))
        .set_keep_alive(Duration::from_secs(15))
        .set_clean_start(true)
        .set_outgoing_inflight_upper_limit(16);
    let (client, mut events) = AsyncClient::new(options, 100);
    let mut lanes = [Buffer::new(Lane::Reading, 2 * u64::from(n)), Buffer::new(Lane::Alarm, 2 * u64::from(n) + 1)];
    let (began, mut sent) = (clock::instant(), Sent::default());
    let since_ms = |at: Instant| u64::try_from(at.duration_since(began).as_millis()).unwrap_or(u64::MAX);
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let (mut offered, mut beaten) = (began, began);
    loop {
        tokio::select! {
            event = events.poll() => match event {
                Ok(MqttEvent::Incoming(Packet::ConnAck(_))) => {
                    let _ = client.try_subscribe(format!("hempuls/v1/{agent}/down/receipt"), QoS::AtLeastOnce);
                }
                Ok(MqttEvent::Incoming(Packet::Publish(message))) => {
                    for receipt in Receipts::from_bytes(&message.payload).expect("receipts").lanes {
                        assert!(receipt.forked.is_none() && receipt.rewind.is_none() && receipt.quarantined.is_empty());
                        let of = lanes.iter_mut().find(|lane| lane.lane == receipt.lane && lane.epoch == receipt.epoch);
                        let of = of.expect("it is one of its lanes");
                        let through = usize::try_from(receipt.through.0).expect("a small number");
                        assert!(through <= of.events.len(), "a receipt for what was never sent");
                        of.receipted = of.receipted.max(through);
                    }
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            },
            _ = tick.tick() => {
                let now = clock::instant();
                let publish = |matter: String, bytes| {
                    // Where there is no room it is sent again.
                    let _ = client.try_publish(format!("hempuls/v1/{agent}/up/{matter}"), QoS::AtLeastOnce, false, bytes);
                };
                let is_over = stop.load(Ordering::Relaxed);
                if is_over && !lanes.iter().any(Buffer::waits) {
                    return sent;
                }
                let fresh = [!is_over && chance.random_bool(0.5), !is_over && chance.random_bool(0.03)];
                let count = (sent.readings as u8, u32::try_from(sent.presses).expect("few"));
                for (lane, _) in lanes.iter_mut().zip(fresh).filter(|(_, is_fresh)| *is_fresh) {
                    match lane.lane {
                        Lane::Reading => {
                            let raw = vec![0x00, 120 + count.0 % 16, 0, 80, 0, 100, 0];
                            let cuff = DeviceId::Address([0xC0, 0, 0, 0, 0, n]);
                            let signal = Signal::heard(cuff, Characteristic::BLOOD_PRESSURE_MEASUREMENT, raw);
                            lane.take(Kind::Signal(signal), since_ms(now));
                            sent.readings += 1;
                        }
                        Lane::Alarm => {
                            let counter = count.1 + 1;
                            let button = DeviceId::Address([0xB0, 0, 0, 0, 0, n]);
                            let pressed = Alarm::pressed(button, counter.to_be_bytes().to_vec());
                            let alarm = Alarm { counter: Some(counter), authentic: true, ..pressed };
                            lane.take(Kind::Alarm(alarm), since_ms(now));
                            sent.presses += 1;
                        }
                    }
                    let last = lane.events.len();
                    publish(lane.lane.to_string(), lane.envelope(last - 1, last, since_ms(now)));
                }
                if now.duration_since(offered) >= AGAIN {
                    offered = now;
                    for lane in lanes.iter().filter(|lane| lane.waits()) {
                        let to = lane.events.len().min(lane.receipted + AT_ONCE);
                        publish(lane.lane.to_string(), lane.envelope(lane.receipted, to, since_ms(now)));
                    }
                }
                if now.duration_since(beaten) >= 5 * AGAIN {
                    beaten = now;
                    let states = lanes.iter().map(Buffer::state).collect();
                    let beat = Heartbeat::bare(taken(since_ms(now)), states, "test");
                    publish("status".to_owned(), Status::Heartbeat(Box::new(beat)).to_bytes());
                }
            }
        }
    }
}
