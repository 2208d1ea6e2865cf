//! The stream behind a page: what it shows anew whenever that changes, and a sign of life at least every five seconds.
//!
//! Where a page cannot be made because the store fails, nothing is sent: the page then says NOT LIVE by itself.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use crate::changes::Change;
use crate::http::console::layout::refused;
use crate::http::console::moments::Moment;
use crate::http::entry::{Reader, keep_alive};
use crate::http::refusal::Refusal;
use crate::http::{State, now};
use crate::store::sessions;
use crate::wording::Lang;

/// The page takes twenty seconds of silence for a cut: four missed signs of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// Changes that come this close together are shown together.
const TOGETHER: Duration = Duration::from_millis(50);

/// Follows what a page shows.
pub(crate) fn follow<F, Shown>(
    state: State,
    reader: Reader,
    lang: Lang,
    concerns: impl Fn(&Change) -> bool + Send + Sync + 'static,
    region: F,
) -> Response
where
    F: Fn(State, Reader, Moment) -> Shown + Send + 'static,
    Shown: Future<Output = Result<Markup, Refusal>> + Send,
{
    let (page, events) = mpsc::channel::<Result<Event, Infallible>>(4);
    let mut changes = state.0.changes.listen();
    let mut stopping = state.0.stopping.subscribe();
    tokio::spawn(async move {
        let mut shown = String::new();
        loop {
            let still = who_reads_still(&state, &reader).await;
            if let Err(Ended(leads_to)) = still {
                let _ = page.send(Ok(Event::default().event("ended").data(leads_to))).await;
                return;
            }
            let moment = state.moment(lang);
            if let Ok(Some(reader)) = still
                && let Ok(made) = region(state.clone(), reader, moment.clone()).await
            {
                let made = html! { (refused(&moment)) (made) }.into_string();
                if made != shown && page.send(Ok(Event::default().event("region").data(&made))).await.is_err() {
                    return;
                }
                shown = made;
                if page.send(Ok(Event::default().event("beat").data(moment.clock()))).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = page.closed() => return,
                () = until_stopping(&mut stopping) => return,
                () = tokio::time::sleep(SIGN_OF_LIFE) => {}
                () = next_change(&mut changes, &concerns) => {
                    tokio::time::sleep(TOGETHER).await;
                    while changes.try_recv().is_ok() {}
                }
            }
        }
    });
    Sse::new(ReceiverStream::new(events)).into_response()
}

/// She follows it no more; this is where the page leads now.
struct Ended(&'static str);

/// Who follows it, as she is now; nobody while the store fails.
async fn who_reads_still(state: &State, reader: &Reader) -> Result<Option<Reader>, Ended> {
    let is_signed_in = match &reader.session {
        None => Ok(true),
        Some(session) => match sessions::find(state.store().reader(), session.token, now()).await {
            Ok(Some(session)) => keep_alive(state, &session).await.map(|()| true),
            Ok(None) => Ok(false),
            Err(error) => Err(error.into()),
        },
    };
    match is_signed_in {
        Ok(true) => {}
        Ok(false) => return Err(Ended("/login")),
        Err(_) => return Ok(None),
    }
    match reader.again(state).await {
        Ok(reader) => Ok(Some(reader)),
        Err(Refusal::NotHers) => Err(Ended("/")),
        Err(_) => Ok(None),
    }
}

/// Returns when something that the page shows has changed, or may have.
async fn next_change(changes: &mut broadcast::Receiver<Change>, concerns: &(impl Fn(&Change) -> bool + Sync)) {
    loop {
        match changes.recv().await {
            Ok(change) if concerns(&change) => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            // Nobody is left who could tell of a change; the signs of life go on.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn until_stopping(stopping: &mut watch::Receiver<bool>) {
    // An error means that the whole service is gone.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
