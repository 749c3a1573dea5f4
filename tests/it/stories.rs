//! The replay bench of the diagnosis: written stories, each played through the program's own schedule, ingest, health and
//! dispatch under virtual time, and judged by what a receiver gets: the first headline, its time, and how many messages.

mod answers;
mod discovery;
mod document;
mod how;
mod judge;
mod nodes;
mod player;
mod recorded;
mod story;
mod world;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Mutex,
};

use self::{
    judge::{Tally, judge},
    story::Story,
};

/// Stories played at once.
const AT_ONCE: usize = 2;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories")
}

/// All of them, or those of which `STORY` is a part of the name.
fn all() -> Vec<Story> {
    let wanted = std::env::var("STORY").unwrap_or_default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "yml") && f.to_string_lossy().contains(&wanted));
    files.sort();
    files.iter().map(|f| Story::read(f)).collect()
}

#[test]
fn every_story_is_told_as_it_says() {
    let stories = Mutex::new(all());
    let told = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(story) = stories.lock().unwrap().pop() else { return };
                    let (name, today) = (story.name.clone(), story.expect.today);
                    let begun = std::time::Instant::now();
                    let wrong = judge(story);
                    println!(
                        "{name}: {:.1} s{}",
                        begun.elapsed().as_secs_f64(),
                        if wrong.is_empty() { "" } else { ", WRONG" }
                    );
                    told.lock().unwrap().insert(name, (today, wrong));
                }
            });
        }
    });
    let told = told.into_inner().unwrap();
    let tally = Tally::of(told.values().map(|(today, _)| *today)).to_string();
    println!("{tally}");
    let wrong: Vec<String> = told.into_values().flat_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if std::env::var("STORY").is_err() {
        document::assert_tells(&tally);
    }
}

/// The numbers of the public record that are kept as stories; others of the same kinds are not known here.
const RECORD: [u32; 30] =
    [1, 2, 3, 5, 6, 7, 8, 10, 11, 13, 14, 15, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29, 30, 31, 32, 34, 35, 37, 38, 40];

#[test]
fn all_of_the_record_is_there() {
    let stories = all();
    let is_there = |n: &u32| stories.iter().any(|s| s.of == format!("record {n}"));
    let lacking: Vec<u32> = RECORD.into_iter().filter(|n| !is_there(n)).collect();
    assert!(lacking.is_empty() || std::env::var("STORY").is_ok(), "no story of the record's {lacking:?}");
}
