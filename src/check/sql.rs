//! A database: log in, over TLS where asked for, and a query whose first value can be judged. PostgreSQL and MySQL (with
//! MariaDB), each in its own words; a query runs where it may only read.

mod mysql;
mod postgres;
mod scram;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    found::Found,
    options::password,
    prober::{Address, Asking, Prober, Problems},
};
use crate::{
    dial::{Place, TlsFiles},
    model::{Failure, Reason, Secret},
};

/// Rows that are counted; more make no difference to a check.
const ROWS_MAX: u32 = 10_000;
/// The longest row or message that is read.
const MESSAGE_MAX: usize = 256 << 10;
/// The longest query.
const QUERY_MAX: usize = 16 << 10;

/// `sql:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlConfig {
    /// Which database it is.
    pub driver: Driver,
    /// `host:port`, or a host where it is the usual port; empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Who logs in.
    pub username: String,
    /// The password …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// … or the file that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// TLS, without which there is no login then.
    #[serde(default)]
    pub tls: bool,
    /// What is asked.
    #[serde(default = "one")]
    pub query: String,
    /// What the answer must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

fn one() -> String {
    "SELECT 1".to_owned()
}

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// PostgreSQL, and what speaks as it does.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
}

impl SqlConfig {
    fn place(&self) -> Result<Place, String> {
        let usual = match self.driver {
            Driver::Postgres => 5432,
            Driver::Mysql => 3306,
        };
        Place::read(&self.address, Some(usual))
    }
}

impl Prober for SqlConfig {
    fn at(&self) -> String {
        match &self.database {
            Some(database) => format!("{database} at {}", self.address),
            None => self.address.clone(),
        }
    }

    fn address(&self) -> Option<Address<'_>> {
        Some(Address { key: ".address", text: &self.address, place: self.place(), at_nodes: true })
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["value", "rows", "cert", "version"], "an answer of a database")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        let mut say = |key: &str, why: &str| all.push((key.to_owned(), why.to_owned()));
        if self.password.is_some() && self.password_file.is_some() {
            say(".password", "give password or password_file, not both");
        }
        let texts = [Some(&self.username), self.database.as_ref(), Some(&self.query)];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            say("", "a NUL can't be sent");
        }
        if self.query.len() > QUERY_MAX || self.query.trim().is_empty() {
            say(".query", "must have something to ask, within 16 KiB");
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn files(&mut self) -> Vec<&mut PathBuf> {
        self.password_file.iter_mut().collect()
    }

    fn move_to(&mut self, instance: &str) {
        instance.clone_into(&mut self.address);
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// What a query gave.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rows {
    count: u32,
    /// The first column of the first row; NULL is none.
    first: Option<String>,
}

impl Rows {
    /// Counts a row, whose first column is this.
    fn add(&mut self, value: Option<&[u8]>) {
        if self.count == 0 {
            self.first = value.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        }
        self.count += 1;
    }
}

/// Logs in, asks, and takes leave.
async fn probe(c: &SqlConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Dns, why))?;
    let password = password(c.password.as_ref(), c.password_file.as_ref()).await?.unwrap_or_default();
    let began = tokio::time::Instant::now();
    let rows = match c.driver {
        Driver::Postgres => postgres::ask(c, &place, &password, found).await?,
        Driver::Mysql => mysql::ask(c, &place, &password, found).await?,
    };
    found.line.phases().processing = Some(began.elapsed());
    found.line.note(format_args!("{} rows", rows.count));
    found.measure("probe_sql_rows", f64::from(rows.count));
    found.seen.number("rows", f64::from(rows.count));
    if let Some(value) = rows.first {
        if let Ok(number) = value.trim().parse::<f64>() {
            found.measure("probe_sql_value", number);
        }
        found.seen.text("value", value);
    }
    Ok(())
}

/// Too many rows, which no check needs.
fn too_many(place: &Place) -> Failure {
    Failure::new(
        Reason::Answer,
        format!("the query at {place} gives more than {ROWS_MAX} rows: count them in the query"),
    )
}
