//! Whether a mail server would take mail from us, without giving it any.

use tokio::time::Instant;

use super::{Email, QUIT_TIMEOUT, timeout};
use crate::notify::Outcome;

impl Email {
    /// Connects, begins TLS, logs in where that is configured, and takes leave. No sender or recipient is named.
    ///
    /// # Errors
    /// In words, at which step it ended.
    pub(in crate::notify) async fn reach(&self, deadline: Instant) -> Result<String, String> {
        let said = |outcome: Outcome| outcome.answer().to_owned();
        let mut connection = self.connect(deadline).await.map_err(said)?;
        if let Some(auth) = &self.auth {
            auth.sign_in(&mut connection, deadline).await.map_err(said)?;
        }
        let tls = if connection.is_encrypted() { "with TLS" } else { "without TLS" };
        // Whether it says goodbye changes nothing.
        let _ = timeout(QUIT_TIMEOUT, connection.quit()).await;
        let login = if self.auth.is_some() { "takes our login" } else { "answers" };
        Ok(format!("{}:{} {login}, {tls}", self.host, self.port))
    }
}
