//! What the running watchdog says of itself, as its API tells it. Pure.

use serde_json::Value;

use super::{
    Remark,
    machine::{FILES_MIN, MEMORY_MIN},
};
use crate::model::text;

/// What these remarks are of.
pub const AREA: &str = "service";

/// Of what it may have, this much is near the end: queries and a restart's reading need room, too.
const MEMORY_NEAR: f64 = 0.8;

/// `state`: of `/api/dogwatch/v1/state`. `own_version`: of this program.
pub fn judge(state: &Value, own_version: &str) -> Vec<Remark> {
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = said(&state["version"]);
    let mut remarks = vec![match version == own_version {
        true => Remark::ok(AREA, "running", format!("dogwatch {version}, since {}", said(&state["started_at"]))),
        false => {
            let found = format!("dogwatch {version} runs, and this program is {own_version}");
            Remark::warning(AREA, "running", found, "restart it: systemctl restart dogwatch")
        }
    }];
    for (about, key, remedy) in [
        (
            "view",
            "vantage",
            "see this machine's network: until it sees again, nobody is accused and nothing is noticed",
        ),
        ("history", "store", "see the disk: samples wait in memory, and alerts go on"),
    ] {
        remarks.push(match state[key]["ok"].as_bool() {
            Some(false) => Remark::bad(AREA, about, said(&state[key]["message"]), remedy),
            _ => Remark::ok(AREA, about, "in order"),
        });
    }
    remarks.extend(process(&state["process"]));
    for cluster in state["clusters"].as_array().into_iter().flatten() {
        let name = format!("cluster {}", said(&cluster["name"]));
        if !cluster["discovery_error"].is_null() {
            let found = format!("can't be read: {}", said(&cluster["discovery_error"]));
            remarks.push(Remark::bad(AREA, &name, found, "see the remarks on this cluster"));
        }
        for gap in cluster["not_watched"].as_array().into_iter().flatten() {
            let found = format!("{} not watched: {}", said(&gap["job"]), said(&gap["why"]));
            remarks.push(Remark::warning(AREA, &name, found, said(&gap["how"])));
        }
    }
    for receiver in state["notifications"]["failing_receivers"].as_array().into_iter().flatten() {
        let found = format!("fails: {}", said(&receiver["why"]));
        let remedy = "see the remarks on receivers; what it missed waits for it";
        remarks.push(Remark::bad(AREA, &format!("receiver {}", said(&receiver["receiver"])), found, remedy));
    }
    remarks
}

/// The limits under which it runs, which need not be those of who asks. One that is older does not tell them.
fn process(process: &Value) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if let Some(taken) = process["resident_bytes"].as_u64() {
        remarks.push(memory(taken, process["memory_limit_bytes"].as_u64()));
    }
    if let Some(limit) = process["open_files_limit"].as_u64() {
        let open = process["open_files"].as_u64().unwrap_or_default();
        let found = format!("{open} are open of the {limit} that it may have");
        remarks.push(match limit < FILES_MIN {
            true => {
                let remedy = format!("set LimitNOFILE={FILES_MIN} or more: each probe needs one");
                Remark::warning(AREA, "descriptors", found, remedy)
            }
            false => Remark::ok(AREA, "descriptors", found),
        });
    }
    remarks
}

fn memory(taken: u64, limit: Option<u64>) -> Remark {
    const ABOUT: &str = "memory";
    let Some(limit) = limit else {
        return Remark::ok(AREA, ABOUT, format!("it takes {}, and has no limit but the machine's", text::size(taken)));
    };
    let found = format!("it takes {} of the {} that it may have", text::size(taken), text::size(limit));
    if taken as f64 >= limit as f64 * MEMORY_NEAR {
        let remedy = "raise MemoryMax= of the unit (systemctl edit dogwatch): past it the watchdog is killed";
        Remark::warning(AREA, ABOUT, found, remedy)
    } else if limit < MEMORY_MIN {
        let remedy = format!("raise MemoryMax= of the unit: {} do for 2,000 targets", text::size(MEMORY_MIN));
        Remark::warning(AREA, ABOUT, found, remedy)
    } else {
        Remark::ok(AREA, ABOUT, found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Level::{self, Ok as Fine, Warning};

    #[test]
    fn the_limits_of_the_service_are_its_own() {
        let check = |process: Value, levels: [Level; 2], words: &str| {
            let remarks = judge(&json!({"version": "1", "process": process}), "1");
            let of = |about: &str| remarks.iter().find(|r| r.about == about).unwrap();
            assert_eq!([of("memory").level, of("descriptors").level], levels, "{remarks:?}");
            assert!(format!("{remarks:?}").contains(words), "{words}: {remarks:?}");
        };
        let files = |limit: u64| json!({"resident_bytes": 100_000_000, "open_files": 40, "open_files_limit": limit});
        check(files(65_536), [Fine, Fine], "no limit but the machine's");
        check(files(1_024), [Fine, Warning], "LimitNOFILE=8192");
        let memory = |limit: u64| {
            let mut process = files(65_536);
            process["memory_limit_bytes"] = limit.into();
            process
        };
        check(memory(1 << 30), [Fine, Fine], "of the 1.1 GB");
        check(memory(120_000_000), [Warning, Fine], "past it the watchdog is killed");
        check(memory(200_000_000), [Warning, Fine], "for 2,000 targets");
        // An older one says nothing of this.
        assert_eq!(judge(&json!({"version": "1"}), "1").iter().filter(|r| r.about == "memory").count(), 0);
    }
}
