//! What lies in a container of Azure Blob Storage, by a URL that is signed for it (SAS): the newest blob below a prefix, its
//! age and size, held against those before it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    condition::Condition,
    found::Found,
    http::{HttpConfig, fetch},
    objects::{self, ANSWER_MAX, Page},
    options::secret,
    prober::{Asking, Prober, Problems},
    web::request,
};
use crate::{
    dial::TlsFiles,
    model::{Failure, Reason, Secret},
};

/// `azure:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureConfig {
    /// The container: `https://ACCOUNT.blob.core.windows.net/CONTAINER`, without what is signed.
    pub url: Url,
    /// What the blobs' names begin with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The shared access signature, which may list: `sv=…&sig=…`; without it, as nobody …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sas: Option<Secret>,
    /// … or the file that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sas_file: Option<PathBuf>,
    /// Through this proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<Secret>,
    /// What must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

impl AzureConfig {
    fn web(&self) -> HttpConfig {
        HttpConfig {
            proxy_url: self.proxy_url.clone(),
            tls_config: self.tls_config.clone(),
            follow_redirects: false,
            ..HttpConfig::get(self.url.clone())
        }
    }
}

impl Prober for AzureConfig {
    fn at(&self) -> String {
        format!("{}/{}", self.url.as_str().trim_end_matches('/'), self.prefix)
    }

    fn instance(&self) -> String {
        self.web().instance()
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        objects::SUBJECTS
    }

    fn problems(&self) -> Problems {
        let mut all = self.web().problems();
        if self.url.query().is_some() {
            all.push((".url".to_owned(), "what comes after ? goes into sas or sas_file: a URL is shown".to_owned()));
        }
        if self.sas.is_some() && self.sas_file.is_some() {
            all.push((String::new(), "give sas or sas_file, not both".to_owned()));
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn files(&mut self) -> Vec<&mut PathBuf> {
        self.sas_file.as_mut().into_iter().collect()
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

async fn probe(c: &AzureConfig, found: &mut Found) -> Result<(), Failure> {
    let ours = |why: String| Failure::new(Reason::Tls, format!("our credentials can't be had: {why}"));
    let sas = secret(c.sas.as_ref(), c.sas_file.as_ref()).await.map_err(ours)?.unwrap_or_default();
    let (web, mut listing) = (c.web(), objects::Listing::default());
    loop {
        let mut url = c.url.clone();
        url.set_query(Some(sas.trim_start_matches('?')));
        {
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("restype", "container").append_pair("comp", "list").append_pair("prefix", &c.prefix);
            if let Some(marker) = listing.next() {
                pairs.append_pair("marker", marker);
            }
        }
        let answer = fetch(&web, request(url, "application/xml", ANSWER_MAX), found).await?;
        let page = Page::azure(&objects::text(&answer, &c.at())?)
            .ok_or_else(|| Failure::new(Reason::Body, "what it answers is no list of blobs"))?;
        found.answered = true;
        if !listing.take(page)? {
            break;
        }
    }
    listing.judge(&c.at(), &c.expect, found)
}
