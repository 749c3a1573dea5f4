//! Tasks of one kind, each under a name and made of something: a new configuration ends those that are made of something
//! else now, and leaves the others alone.

use std::collections::BTreeMap;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// All tasks of one kind.
pub struct Tasks<M> {
    running: BTreeMap<String, Running<M>>,
    stop: CancellationToken,
}

struct Running<M> {
    made_of: M,
    leave: CancellationToken,
    ended: CancellationToken,
}

impl<M: PartialEq> Tasks<M> {
    /// None yet; all end with `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self { running: BTreeMap::new(), stop }
    }

    /// Makes `wanted` all that run. What takes the place of another begins when that has ended.
    pub fn set<F>(
        &mut self,
        wanted: impl IntoIterator<Item = (String, M)>,
        begin: impl Fn(&M, CancellationToken) -> F,
        tasks: &mut JoinSet<()>,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut before = std::mem::take(&mut self.running);
        for (name, made_of) in wanted {
            let old = before.remove(&name);
            if let Some(old) = old.as_ref().filter(|old| old.made_of != made_of) {
                old.leave.cancel();
            }
            let running = match old {
                Some(old) if old.made_of == made_of => old,
                old => {
                    let (leave, ended) = (self.stop.child_token(), CancellationToken::new());
                    let (task, ends) = (begin(&made_of, leave.clone()), ended.clone().drop_guard());
                    let before = old.map(|old| old.ended);
                    tasks.spawn(async move {
                        let _ends = ends;
                        if let Some(before) = before {
                            before.cancelled().await;
                        }
                        task.await;
                    });
                    Running { made_of, leave, ended }
                }
            };
            self.running.insert(name, running);
        }
        before.values().for_each(|gone| gone.leave.cancel());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn only_what_changes_is_begun_anew() {
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let told = Arc::new(Mutex::new(Vec::new()));
        let mut all = Tasks::new(stop.clone());
        let begin = |made_of: &u8, leave: CancellationToken| {
            let (told, made_of) = (told.clone(), *made_of);
            async move {
                told.lock().unwrap().push(format!("+{made_of}"));
                leave.cancelled().await;
                told.lock().unwrap().push(format!("-{made_of}"));
            }
        };
        let mut check = async |wanted: &[(&str, u8)], expected: &[&str]| {
            all.set(wanted.iter().map(|(name, m)| ((*name).to_owned(), *m)), begin, &mut tasks);
            crate::eventually::eventually("all is done", async || told.lock().unwrap().len() >= expected.len()).await;
            let mut told = std::mem::take(&mut *told.lock().unwrap());
            told.sort();
            assert_eq!(told, expected);
        };
        check(&[("a", 1), ("b", 2)], &["+1", "+2"]).await;
        check(&[("a", 1), ("b", 3)], &["+3", "-2"]).await;
        check(&[("a", 1), ("b", 3)], &[]).await;
        check(&[("b", 3), ("c", 4)], &["+4", "-1"]).await;
        stop.cancel();
        while tasks.join_next().await.is_some() {}
        assert_eq!(told.lock().unwrap().len(), 2);
    }
}
