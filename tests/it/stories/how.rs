//! How something does, in the words of stories.

use std::time::Duration;

use dogwatch::model::duration::prometheus;

/// How a component does.
#[derive(Clone, Debug, PartialEq)]
pub enum How {
    Well,
    /// Dead or cut off from everybody.
    Silent,
    /// It lives, and no packet comes from it to the watchdog.
    SilentToUs,
    Refuses,
    /// It takes connections and says nothing more.
    Hangs,
    Unreachable,
    NoSuchName,
    Unauthorized,
    Throttled,
    /// Another HTTP status than it should be.
    Status(u16),
    Expired,
    Untrusted,
    /// Checks of its own that fail.
    Fails(Vec<String>),
    FailsOnEtcd,
    NoLeader,
    /// An alarm of etcd.
    Alarm(String),
    /// It belongs to another etcd, which is empty.
    OtherCluster,
    Slow(Duration),
    /// It answers something else than a check asks.
    Answers(String),
}

impl How {
    pub fn of(text: &str) -> Self {
        let rest = |prefix: &str| text.strip_prefix(prefix).map(str::trim);
        match text {
            "well" => Self::Well,
            "silent" => Self::Silent,
            "silent to us" => Self::SilentToUs,
            "refuses" => Self::Refuses,
            "hangs" => Self::Hangs,
            "unreachable" => Self::Unreachable,
            "no such name" => Self::NoSuchName,
            "unauthorized" => Self::Unauthorized,
            "throttles" => Self::Throttled,
            "expired certificate" => Self::Expired,
            "untrusted certificate" => Self::Untrusted,
            "fails on etcd" => Self::FailsOnEtcd,
            "no leader" => Self::NoLeader,
            "member of another, empty cluster" => Self::OtherCluster,
            _ => None
                .or_else(|| rest("status ").map(|s| Self::Status(s.parse().unwrap())))
                .or_else(|| rest("fails: ").map(|s| Self::Fails(s.split(", ").map(str::to_owned).collect())))
                .or_else(|| rest("alarm ").map(|s| Self::Alarm(s.to_owned())))
                .or_else(|| rest("slow ").map(|s| Self::Slow(prometheus(s).unwrap())))
                .or_else(|| rest("answers: ").map(|s| Self::Answers(s.to_owned())))
                .unwrap_or_else(|| panic!("{text:?} is no way to do")),
        }
    }

    /// Nobody hears of it.
    pub fn is_dead(&self) -> bool {
        matches!(self, Self::Silent | Self::Refuses | Self::Hangs | Self::Unreachable)
    }

    /// Those that may reach it can work with it.
    pub fn works(&self) -> bool {
        matches!(self, Self::Well | Self::SilentToUs | Self::Slow(_) | Self::Throttled)
    }
}
