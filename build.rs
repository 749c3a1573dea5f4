//! Packs long texts that the program carries and seldom needs whole (`src/carried.rs`): a tenth of their size.
#![allow(clippy::print_stdout)] // That is how a build script speaks to cargo.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::DeflateEncoder};

/// By the names that `src/carried.rs` knows.
const TEXTS: [(&str, &str); 3] = [
    ("schema", "docs/dogwatch.schema.json"),
    ("openapi", "src/http/openapi.json"),
    ("languages", "src/words/languages"),
];

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?);
    println!("cargo::rerun-if-changed=build.rs");
    for (name, place) in TEXTS {
        println!("cargo::rerun-if-changed={place}");
        let mut packed = DeflateEncoder::new(fs::File::create(out.join(name))?, Compression::best());
        packed.write_all(&read(Path::new(place))?)?;
        packed.finish()?;
    }
    Ok(())
}

/// A file; of a folder all files, each behind a NUL, its name and an end of line.
fn read(place: &Path) -> io::Result<Vec<u8>> {
    if place.is_file() {
        return fs::read(place);
    }
    let mut files = fs::read_dir(place)?.map(|file| Ok(file?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        all.extend(format!("\0{name}\n").bytes());
        all.extend(fs::read(&file)?);
    }
    Ok(all)
}
