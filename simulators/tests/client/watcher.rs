//! Writes down what `org.bluez` signals, in order.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use futures::StreamExt;
use hempuls_simulators::bus::Bus;
use zbus::{MatchRule, MessageStream, ObjectPath, Variant, message::Type};

type Properties<'a> = HashMap<&'a str, Variant<'a>>;

/// Someone who only listens.
pub(crate) struct Watcher {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Watcher {
    pub(crate) async fn on(bus: &Bus) -> Self {
        let connection = zbus::connection::Builder::address(bus.address());
        let connection = connection.build().await.expect("the bus takes a watcher");
        let rule = MatchRule::builder().msg_type(Type::Signal).sender("org.bluez").build().expect("a match rule");
        let mut signals = MessageStream::for_match_rule(rule, &connection, None).await.expect("the bus takes the rule");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Some(Ok(signal)) = signals.next().await {
                written.lock().expect("no panics here").push(describe(&signal));
            }
        });
        Self { seen }
    }

    /// What was signalled so far; a signal that comes several times in a row is there once.
    pub(crate) fn seen(&self) -> Vec<String> {
        let mut seen = self.seen.lock().expect("no panics here").clone();
        seen.dedup();
        seen
    }
}

/// The last part of the object's path and what happened: `dev_… +Device1`, `hci0 Discovering`, `dev_… -RSSI`.
fn describe(signal: &zbus::Message) -> String {
    let header = signal.header();
    let body = signal.body();
    let (path, what) = match header.member().map(|member| member.as_str()) {
        Some("InterfacesAdded") => {
            let (path, added): (ObjectPath<'_>, HashMap<&str, Properties<'_>>) =
                body.deserialize().expect("oa{sa{sv}}");
            (path.to_string(), words(added.into_keys().filter(|it| it.contains("bluez")), "+"))
        }
        Some("InterfacesRemoved") => {
            let (path, removed): (ObjectPath<'_>, Vec<&str>) = body.deserialize().expect("oas");
            (path.to_string(), words(removed.into_iter(), "-"))
        }
        Some(_) | None => {
            let (_, changed, gone): (&str, Properties<'_>, Vec<&str>) = body.deserialize().expect("sa{sv}as");
            let path = header.path().map(ToString::to_string).unwrap_or_default();
            let all = [words(changed.into_keys(), ""), words(gone.into_iter(), "-")];
            (path, all.concat())
        }
    };
    let (_, leaf) = path.rsplit_once('/').unwrap_or_default();
    format!("{leaf} {what}")
}

fn words<'a>(names: impl Iterator<Item = &'a str>, sign: &str) -> String {
    let mut words: Vec<_> = names.map(|name| format!("{sign}{}", name.trim_start_matches("org.bluez."))).collect();
    words.sort();
    words.join(" ")
}
