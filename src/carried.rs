//! Long texts that the program carries packed, since it seldom needs them whole: build.rs packs them. Pure.

use std::io::Read as _;

use flate2::read::DeflateDecoder;

/// Returns the JSON Schema of dogwatch.yml: docs/dogwatch.schema.json.
pub fn schema() -> String {
    text(include_bytes!(concat!(env!("OUT_DIR"), "/schema")))
}

/// Returns the document of the HTTP API, with `{version}` for its version: src/http/openapi.json.
pub fn openapi() -> String {
    text(include_bytes!(concat!(env!("OUT_DIR"), "/openapi")))
}

/// Returns the files of src/words/languages, each with its name.
pub fn languages() -> Vec<(String, String)> {
    let all = text(include_bytes!(concat!(env!("OUT_DIR"), "/languages")));
    let files = all.split('\0').filter_map(|file| file.split_once('\n'));
    files.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// What was packed can be unpacked; a test does.
fn text(packed: &[u8]) -> String {
    let mut text = String::new();
    match DeflateDecoder::new(packed).read_to_string(&mut text) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_carried_is_what_stands_in_the_files() {
        let file = |name: &str| fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(schema(), file("docs/dogwatch.schema.json"));
        assert_eq!(openapi(), file("src/http/openapi.json"));
        let all = languages();
        assert!(all.iter().any(|(name, _)| name == "en.ftl"));
        for (name, text) in &all {
            assert_eq!(*text, file(&format!("src/words/languages/{name}")), "{name}");
        }
    }
}
