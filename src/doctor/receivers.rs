//! Receivers: whether each would be reached, without telling it anything.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::Remark;
use crate::notify::Integration;

/// A delivery has ten seconds, too.
const WITHIN: Duration = Duration::from_secs(10);
/// Receivers that are asked at a time.
const AT_ONCE: usize = 16;

/// Asks all of them.
pub async fn look(integrations: &[Integration]) -> Vec<Remark> {
    if integrations.is_empty() {
        let remedy = "add receivers: a mail address or a webhook (docs/receivers.md)";
        return vec![Remark::warning("receivers", "none", "outages are told to nobody", remedy)];
    }
    stream::iter(integrations).map(one).buffered(AT_ONCE).collect().await
}

async fn one(integration: &Integration) -> Remark {
    let remedy = "see that this machine reaches it and that its credentials hold; `dogwatch drill` proves the rest";
    match integration.reach(Instant::now() + WITHIN).await {
        Ok(found) => Remark::ok("receivers", &integration.name, found),
        Err(why) => Remark::bad("receivers", &integration.name, why, remedy),
    }
}
