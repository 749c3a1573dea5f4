//! Whether a story was told as it says.

use std::fmt::{self, Write};

use super::{
    player::{Message, play},
    story::{Expect, Story, Today},
};

/// How many stories are told how.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    named: usize,
    symptom: usize,
    silent: usize,
    quiet: usize,
}

impl Tally {
    pub fn of(all: impl Iterator<Item = Today>) -> Self {
        let mut tally = Self::default();
        for today in all {
            *match today {
                Today::Named => &mut tally.named,
                Today::Symptom => &mut tally.symptom,
                Today::Silent => &mut tally.silent,
                Today::Quiet => &mut tally.quiet,
            } += 1;
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { named, symptom, silent, quiet } = self;
        let stories = named + symptom + silent;
        write!(f, "named {named} of {stories}, symptom {symptom}, silent {silent}; {quiet} quiet stories are quiet")
    }
}

/// Plays it; returns what is wrong with what was told, in words.
pub fn judge(story: Story) -> Vec<String> {
    let (name, begins) = (format!("{} ({})", story.name, story.story), story.begins());
    let expect = Expect {
        first: story.expect.first.clone(),
        last: story.expect.last.clone(),
        never: story.expect.never.clone(),
        wanted: None,
        ..story.expect
    };
    let since = expect.since.unwrap_or(begins).as_secs_f64();
    let told = play(story);
    let mut wrong = faults(&expect, &told, since);
    if !wrong.is_empty() {
        let mut all = format!("{name}: {}", wrong.join("; "));
        for Message { at, told, headline, alert } in &told {
            let _ = write!(all, "\n    {at:.1} s {told}: {alert}: {headline}");
        }
        wrong = vec![all];
    }
    wrong
}

fn faults(expect: &Expect, told: &[Message], since: f64) -> Vec<String> {
    let mut wrong = Vec::new();
    if told.len() != expect.messages {
        wrong.push(format!("{} messages, not {}", told.len(), expect.messages));
    }
    let ends = told.last().is_some_and(|m| m.told == "resolved");
    if ends != expect.ends {
        wrong.push(format!("the last message is {} end", if ends { "an" } else { "no" }));
    }
    for words in &expect.never {
        if told.iter().any(|m| m.headline.contains(words.as_str())) {
            wrong.push(format!("{words:?} is told"));
        }
    }
    let (Some(first), Some(last)) = (told.first(), told.last()) else { return wrong };
    for part in expect.last.iter().filter(|part| !last.headline.contains(part.as_str())) {
        wrong.push(format!("the last headline does not say {part:?}"));
    }
    for part in expect.first.iter().filter(|part| !first.headline.contains(part.as_str())) {
        wrong.push(format!("the first headline does not say {part:?}"));
    }
    let after = first.at - since;
    if let Some(within) = expect.within.filter(|w| after > w.as_secs_f64() || after < 0.0) {
        wrong.push(format!("the first message comes after {after:.1} s, not within {within:?}"));
    }
    wrong
}
