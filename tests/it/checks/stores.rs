//! Objects in stores: a real S3 (moto's, of PyPI), and Azure of a script.

use std::process::Command;

use super::{
    kinds::{Checked, listens},
    web::spawn,
};
use crate::{alerting::watch::free_port, receivers::HookServer};

#[tokio::test]
async fn s3_against_moto_and_azure_against_a_script() {
    let checked = Checked::new();
    let port = free_port();
    let python = crate::peers::peer("venv/bin/moto_server");
    let _running = spawn(Command::new(python).args(["-H", "127.0.0.1", "-p", &port.to_string()]), "moto (tests/run)");
    listens(port).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let put = async |path: &str, body: Vec<u8>| {
        let put = client.put(format!("http://127.0.0.1:{port}/{path}")).header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x",
        );
        assert_eq!(put.body(body).send().await.unwrap().status(), 200, "{path}");
    };
    put("backups", Vec::new()).await;
    for n in 0..3 {
        put(&format!("backups/etcd/a%20b&{n}"), vec![0; 2_000]).await;
        put(&format!("backups/shrunk/{n}"), vec![0; 2_000]).await;
    }
    // Times of this store are whole seconds: of the same second, the last by name counts.
    put("backups/shrunk/3", vec![0; 500]).await;
    for n in 0..1_003 {
        put(&format!("backups/many/{n}"), Vec::new()).await;
    }
    let azure = HookServer::start().await;
    let blob = |name: &str, date: &str| {
        format!(
            "<Blob><Name>{name}</Name><Properties><Last-Modified>{date}</Last-Modified><Content-Length>70</Content-Length></Properties></Blob>"
        )
    };
    let blobs = blob("pg/1", "Thu, 01 Jan 2026 00:00:00 GMT") + &blob("pg/2", "Fri, 02 Jan 2026 00:00:00 GMT");
    azure.answer(
        200,
        &[],
        &format!("<?xml version='1.0'?><EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>"),
    );
    let refuses = HookServer::start().await;
    refuses.answer(
        403,
        &[],
        "<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code><Message>hunter2</Message></Error>",
    );
    let at = format!("endpoint: 'http://127.0.0.1:{port}', access_key: a, secret_key: b");
    let checks = format!(
        "
  - {{name: well, s3: {{{at}, bucket: backups, prefix: 'etcd/a b&', expect: ['age < 1h', 'size > 1KB', 'shrink < 30%', 'count == 3']}}}}
  - {{name: shrunk, s3: {{{at}, bucket: backups, prefix: shrunk/, expect: ['shrink < 30%']}}}}
  - {{name: old, s3: {{{at}, bucket: backups, prefix: etcd/, expect: ['age > 1h']}}}}
  - {{name: many, s3: {{{at}, bucket: backups, prefix: many/, expect: ['count == 1003']}}}}
  - {{name: nothing, s3: {{{at}, bucket: backups, prefix: nowhere/}}}}
  - {{name: no-bucket, s3: {{{at}, bucket: other}}}}
  - {{name: azure, azure: {{url: '{azure}', prefix: pg/, sas: 'sv=1&sig=hunter2', expect: ['age > 1h', 'count == 2', 'size == 70B']}}}}
  - {{name: azure-refused, azure: {{url: '{refuses}', sas: 'sv=1&sig=hunter2'}}}}
",
        azure = azure.url("/dumps"),
        refuses = refuses.url("/dumps")
    );
    checked
        .check(
            &checks,
            &[
                ("well", "up"),
                ("shrunk", "down answer: shrink was 75%, should be < 30%"),
                ("old", "down answer: age was …, should be > 1h"),
                ("many", "up"),
                ("nothing", "down answer: there is nothing below s3://backups/nowhere/"),
                ("no-bucket", "down http_status: HTTP 404 (NoSuchBucket): there is no s3://other/"),
                ("azure", "up"),
                (
                    "azure-refused",
                    "down http_status: HTTP 403 (AuthenticationFailed): it refuses us: we may not list …",
                ),
            ],
        )
        .await;
    assert!(
        azure.got()[0].line.contains("sig=hunter2&restype=container&comp=list&prefix=pg%2F"),
        "{}",
        azure.got()[0].line
    );
}
