//! Whether a service is reached, without telling it anything: `HEAD /` at each host that a message would go to.

use http::Method;
use tokio::time::Instant;

use super::{Post, Url, Vault, innermost};
use crate::model::Secret;
use crate::notify::{credential::parse_url, example};

impl Post {
    /// Asks. What it answers there says nothing about whether it would take a message; that it answers says that names, routes,
    /// proxies and certificates are in order.
    ///
    /// # Errors
    /// In words, with the host.
    pub(in crate::notify) async fn reach(&self, deadline: Instant) -> Result<String, String> {
        let vault =
            Vault::open(self.service.secrets()).await.map_err(|why| format!("{why}{}", self.service.remedy()))?;
        let calls = self.written(&example::opened(), |m| self.service.calls(m, &vault)).0?;
        let left = deadline.saturating_duration_since(Instant::now());
        let client = self.http.client(self.timeout.map_or(left, |t| t.min(left))).await?;
        let mut places: Vec<(String, Url)> = Vec::new();
        for call in &calls {
            let mut url = parse_url(&Secret::new(call.url.as_str()))?;
            url.set_path("/");
            url.set_query(None);
            url.set_fragment(None);
            if !places.iter().any(|(_, known)| *known == url) {
                places.push((call.host(), url));
            }
        }
        let mut answers = Vec::new();
        for (host, url) in places {
            let request = self.http.plain(&client, Method::HEAD, url).await?;
            match request.send().await {
                Ok(_) => answers.push(format!("{host} answers")),
                Err(e) if e.is_timeout() => return Err(format!("{host} does not answer in time")),
                Err(e) => return Err(format!("can't reach {host}: {}", innermost(&e.without_url()))),
            }
        }
        Ok(answers.join(", "))
    }
}
