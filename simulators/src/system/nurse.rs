//! A nurse at the console: signs in as people do, and does what its pages let her.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

/// Somebody who is signed in to the console.
#[derive(Clone, Debug)]
pub struct Nurse {
    base: String,
    cookie: String,
}

impl Nurse {
    /// Signs in with the account that the gateway made at its first start.
    ///
    /// # Errors
    /// When the gateway does not let her in.
    pub async fn sign_in(base: &str, login: PathBuf) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(login).context("reading the generated login")?;
        let (name, password) = text.trim().split_once('\n').context("a name and a password")?;
        let form = format!("name={name}&password={password}");
        let nobody = Self { base: base.to_owned(), cookie: String::new() };
        let answer = nobody.send("/login".into(), Some(form)).await?;
        let cookie = answer.cookie.context("the console lets nobody in")?;
        Ok(Self { cookie, ..nobody })
    }

    /// "I take care of it."
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn claim(&self, alert: &str) -> anyhow::Result<()> {
        self.act(format!("/alerts/{alert}/claim"), String::new()).await
    }

    /// "Someone is on the way."
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn say_on_the_way(&self, alert: &str) -> anyhow::Result<()> {
        self.act(format!("/alerts/{alert}/on-the-way"), String::new()).await
    }

    /// "It is dealt with."
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn close(&self, alert: &str, note: &str) -> anyhow::Result<()> {
        self.act(format!("/alerts/{alert}/close"), format!("outcome=helped_on_site&note={}", note.replace(' ', "+")))
            .await
    }

    /// "The button's battery was changed."
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn confirm_battery(&self, alert: &str) -> anyhow::Result<()> {
        self.act(format!("/alerts/{alert}/battery-changed"), String::new()).await
    }

    /// Adds a device to a home, for a person who lives there. `key`: a button's, or nothing.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn add_device(
        &self,
        home: &str,
        device: &str,
        kind: &str,
        key: &str,
        person: &str,
    ) -> anyhow::Result<()> {
        let form = format!("kind={kind}&key={key}&person={person}&dialect=&beacon=");
        self.act(format!("/homes/{home}/devices/{}/add", hex::encode(device)), form).await
    }

    /// Adds a button that sends a sign of life every so many seconds.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn add_supervised_button(
        &self,
        home: &str,
        device: &str,
        key: &str,
        beacon_s: u32,
    ) -> anyhow::Result<()> {
        let form = format!("kind=alarm_button&key={key}&person=&dialect=&beacon={beacon_s}");
        self.act(format!("/homes/{home}/devices/{}/add", hex::encode(device)), form).await
    }

    /// Takes a device out of a home.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn remove_device(&self, home: &str, device: &str) -> anyhow::Result<()> {
        self.act(format!("/homes/{home}/devices/{}/remove", hex::encode(device)), String::new()).await
    }

    /// What a page says.
    ///
    /// # Errors
    /// When there is none.
    pub async fn read(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.send(path.to_owned(), None).await?;
        ensure!(answer.status == 200, "{path} answers {}", answer.status);
        Ok(answer.body)
    }

    async fn act(&self, path: String, form: String) -> anyhow::Result<()> {
        let answer = self.send(path.clone(), Some(form)).await?;
        ensure!(answer.status == 303, "{path} answers {}: {}", answer.status, answer.body);
        let to = answer.location.unwrap_or_default();
        // What an alert's page says afterwards is why not; a home's page says what was done.
        let is_refused = to.contains("/login") || (to.starts_with("/alerts/") && to.contains("said="));
        ensure!(!is_refused, "{path} leads to {to}");
        Ok(())
    }

    async fn send(&self, path: String, form: Option<String>) -> anyhow::Result<Answer> {
        let Self { base, cookie } = self.clone();
        tokio::task::spawn_blocking(move || {
            let config = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false).build();
            let agent = ureq::Agent::new_with_config(config);
            let url = format!("{base}{path}");
            let answer = match form {
                None => agent.get(&url).header("cookie", &cookie).call(),
                Some(form) => agent
                    .post(&url)
                    .header("cookie", &cookie)
                    .header("origin", &base)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .send(form),
            };
            let mut answer = answer.context(path)?;
            let header =
                |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let cookie = header("set-cookie").and_then(|cookie| Some(cookie.split(';').next()?.to_owned()));
            let (status, location) = (answer.status().as_u16(), header("location"));
            Ok(Answer { status, location, cookie, body: answer.body_mut().read_to_string()? })
        })
        .await?
    }
}

struct Answer {
    status: u16,
    location: Option<String>,
    cookie: Option<String>,
    body: String,
}
