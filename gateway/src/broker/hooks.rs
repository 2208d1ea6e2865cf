//! What the broker asks us: may this one connect, subscribe, publish? What is published is taken in here.

use async_trait::async_trait;
use hempuls_protocol::ids::AgentId;
use rmqtt::codec::v5::{PublishAckReason, SubscribeAckReason};
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::session::Session;
use rmqtt::types::{
    AuthResult, ConnectInfo, LastWill, Publish, PublishAclResult, PublishResult, Subscribe, SubscribeAclResult,
};

use super::acl::{self, Papers, Refusal};
use crate::changes::Changes;
use crate::clock;
use crate::ingest::Intake;
use crate::store::homes::{self, Agent};
use crate::store::{Store, StoreError, agents, restorations};

/// Makes the broker ask us.
pub(super) async fn register(context: &ServerContext, store: Store, intake: Intake, changes: Changes) {
    let register = context.extends.hook_mgr().register();
    for question in [
        Type::ClientAuthenticate,
        Type::ClientSubscribeCheckAcl,
        Type::MessagePublishCheckAcl,
        Type::ClientConnected,
        Type::ClientDisconnected,
    ] {
        let answers = Answers { store: store.clone(), intake: intake.clone(), changes: changes.clone() };
        register.add(question, Box::new(answers)).await;
    }
    register.start().await;
}

/// Our answers.
struct Answers {
    store: Store,
    intake: Intake,
    changes: Changes,
}

#[async_trait]
impl Handler for Answers {
    async fn hook(&self, question: &Parameter, so_far: Option<HookResult>) -> ReturnType {
        match question {
            Parameter::ClientAuthenticate(info) => {
                let answer =
                    if self.admits(info).await { AuthResult::Allow(false, None) } else { AuthResult::NotAuthorized };
                (false, Some(HookResult::AuthResult(answer)))
            }
            Parameter::ClientSubscribeCheckAcl(session, wish) => {
                (false, Some(HookResult::SubscribeAclResult(subscribe(session, wish))))
            }
            Parameter::MessagePublishCheckAcl(session, message) => {
                (false, Some(HookResult::PublishAclResult(self.publish(session, message))))
            }
            Parameter::ClientConnected(session) => {
                self.note_connection(session, true).await;
                (true, so_far)
            }
            Parameter::ClientDisconnected(session, _) => {
                self.note_connection(session, false).await;
                (true, so_far)
            }
            _ => (true, so_far),
        }
    }
}

impl Answers {
    /// Whether somebody may connect.
    async fn admits(&self, info: &ConnectInfo) -> bool {
        let certificate = info.cert();
        let will = info.last_will().map(|will| match will {
            LastWill::V3(will) => will.topic.to_string(),
            LastWill::V5(will) => will.topic.to_string(),
        });
        let papers = Papers {
            common_name: certificate.and_then(|certificate| certificate.common_name.as_deref()),
            serial: certificate.and_then(|certificate| certificate.serial.as_deref()),
            client_id: info.client_id(),
            will: will.as_deref(),
        };
        match self.examine(&papers).await {
            Ok(Ok(agent)) => {
                self.note_certificate(&agent, papers.serial).await;
                true
            }
            Ok(Err(refusal)) => {
                tracing::warn!(
                    certificate.name = papers.common_name,
                    client.id = papers.client_id,
                    will = papers.will,
                    address = ?info.ipaddress(),
                    %refusal,
                    "a connection was refused"
                );
                false
            }
            Err(error) => {
                tracing::error!(
                    certificate.name = papers.common_name,
                    %error,
                    "a connection was refused: the store cannot be read"
                );
                false
            }
        }
    }

    async fn examine(&self, papers: &Papers<'_>) -> Result<Result<Agent, Refusal>, StoreError> {
        let name = match acl::named(papers) {
            Ok(name) => name,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let known = homes::find_agent(self.store.reader(), &name).await?;
        let admitted = acl::admit(papers, known.as_ref());
        if let (Err(Refusal::AnotherCertificate), Some(agent), Some(serial)) = (&admitted, &known, papers.serial)
            && self.knew(agent, serial).await?
        {
            let known = homes::find_agent(self.store.reader(), &name).await?;
            return Ok(acl::admit(papers, known.as_ref()).and(known.ok_or(Refusal::Unknown)));
        }
        Ok(admitted.and(known.ok_or(Refusal::Unknown)))
    }

    /// Whether the certificate is one that the store has forgotten, because it was put back from a backup.
    async fn knew(&self, agent: &Agent, serial: &str) -> Result<bool, StoreError> {
        let mut work = self.store.work().await?;
        let knew = restorations::adopt(&mut work, agent, serial).await?;
        work.commit().await?;
        Ok(knew)
    }

    /// From its first use on a certificate stands alone. A fault of the store is no reason to refuse anybody: it is seen
    /// again at the next connection.
    async fn note_certificate(&self, agent: &Agent, serial: Option<&str>) {
        let Some(serial) = serial.filter(|serial| agent.next_serial.as_deref() == Some(serial)) else { return };
        let note = async {
            let mut work = self.store.work().await?;
            agents::has_shown(&mut work, &agent.id, serial).await?;
            Ok::<_, StoreError>(work.commit().await?)
        };
        match note.await {
            Ok(()) => tracing::info!(agent.id = %agent.id, "uses its new certificate"),
            Err(error) => tracing::warn!(agent.id = %agent.id, %error, "that a certificate is used cannot be kept"),
        }
    }

    /// Takes a message in. Success says only that: it does not say that it is stored.
    fn publish(&self, session: &Session, message: &Publish) -> PublishAclResult {
        let Some(agent) = agent_of(session) else { return PublishAclResult::rejected(true, None) };
        let matter = match acl::publish(&agent, &message.topic) {
            Ok(matter) => matter,
            Err(refusal) => {
                tracing::warn!(agent.id = %agent, topic = %message.topic, %refusal, "a message was refused");
                return PublishAclResult::rejected(false, None);
            }
        };
        match self.intake.offer(agent, matter, &message.payload, clock::now_ms()) {
            Ok(()) => PublishAclResult::allow(),
            Err(full) => {
                tracing::debug!(%full, "an agent is told to wait");
                PublishAclResult(PublishResult::reason_code(PublishAckReason::QuotaExceeded, None, false))
            }
        }
    }

    /// Keeps who is connected.
    async fn note_connection(&self, session: &Session, is_connected: bool) {
        let Some(agent) = agent_of(session) else { return };
        if is_connected {
            tracing::info!(agent.id = %agent, "connected");
        } else if session.scx.extends.shared().await.entry(session.id.clone()).id_same() == Some(false) {
            tracing::info!(agent.id = %agent, "connected anew");
            return;
        } else {
            tracing::info!(agent.id = %agent, "disconnected");
        }
        super::note_connection(&self.store, &self.changes, &agent, is_connected).await;
    }
}

fn subscribe(session: &Session, wish: &Subscribe) -> SubscribeAclResult {
    let refused = || SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized);
    let Some(agent) = agent_of(session) else { return refused() };
    match acl::subscribe(&agent, &wish.topic_filter) {
        Ok(()) => SubscribeAclResult::new_success(wish.opts.qos(), None),
        Err(refusal) => {
            tracing::warn!(agent.id = %agent, filter = %wish.topic_filter, %refusal, "a subscription was refused");
            refused()
        }
    }
}

/// Whose session it is: who was admitted has its client id as its name.
fn agent_of(session: &Session) -> Option<AgentId> {
    session.id.client_id.parse().ok()
}
