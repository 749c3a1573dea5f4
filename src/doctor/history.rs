//! What an upgrade does to the history: of which schema the file is, and which this program knows. Pure.

use std::path::Path;

use super::Remark;

const AREA: &str = "machine";
const ABOUT: &str = "upgrade";

/// `schema`: of the file, where there is one, and of the program.
pub fn judge(schema: Result<(Option<u32>, u32), String>, data_dir: &Path) -> Remark {
    let dir = data_dir.display();
    match schema {
        Err(why) => Remark::warning(AREA, ABOUT, why, "run this as the user that dogwatch runs as"),
        Ok((None, _)) => Remark::ok(AREA, ABOUT, format!("{dir} has no history yet")),
        Ok((Some(found), known)) if found == known => {
            Remark::ok(AREA, ABOUT, format!("the history is of schema {found}, and so is this program"))
        }
        Ok((Some(found), known)) if found < known => Remark::warning(
            AREA,
            ABOUT,
            format!(
                "the history is of schema {found}; this program makes it {known} at its next start, and the one before can't read it then"
            ),
            "keep a way back: `dogwatch backup` with the program that runs now, before it is restarted",
        ),
        Ok((Some(found), known)) => Remark::bad(
            AREA,
            ABOUT,
            format!("a newer dogwatch wrote the history: it is of schema {found}, and this program knows {known}"),
            format!("use the newer program, or put the copy from before the upgrade back into {dir}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn an_upgrade_is_told_before_it_happens_and_a_way_back_where_there_is_none() {
        let check = |schema, level: Level, words: &str| {
            let remark = judge(schema, Path::new("/var/lib/dogwatch"));
            assert!(
                remark.level == level && format!("{} {}", remark.found, remark.remedy).contains(words),
                "{remark:?}"
            );
        };
        check(Ok((None, 11)), Level::Ok, "no history yet");
        check(Ok((Some(11), 11)), Level::Ok, "schema 11");
        check(Ok((Some(9), 11)), Level::Warning, "dogwatch backup");
        check(Ok((Some(12), 11)), Level::Bad, "the newer program");
        check(Err("it can't be read".into()), Level::Warning, "as the user");
    }
}
