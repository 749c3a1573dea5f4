//! Kinds of checks that log in: redis, ldap and sql.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::unistd::{User, geteuid};

use super::kinds::{Checked, Running, listens};
use crate::{alerting::watch::free_port, receivers::Pki};

/// A program that is silent.
fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

async fn redis(dir: &Path, more: &[&str]) -> (u16, Running) {
    let port = free_port();
    let mut command = quiet("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(dir).args(more);
    let running = Running(command.spawn().expect("redis-server is needed: apt-get install redis-server"));
    listens(port).await;
    (port, running)
}

#[tokio::test]
async fn redis_against_redis() {
    let checked = Checked::new();
    let dir = checked.dir.path();
    let pki = Pki::new(dir);
    let tls = free_port().to_string();
    let (cert, key) = (pki.cert.display().to_string(), pki.key.display().to_string());
    let with_tls = [
        "--requirepass",
        "hunter2",
        "--tls-port",
        &tls,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &cert,
        "--tls-auth-clients",
        "no",
    ];
    let (port, _first) = redis(dir, &with_tls).await;
    let of = ["--replicaof", "127.0.0.1", &port.to_string(), "--masterauth", "hunter2"];
    let (replica, _second) = redis(dir, &of).await;
    let gone = free_port().to_string();
    let (lost, _third) = redis(dir, &["--replicaof", "127.0.0.1", &gone]).await;
    let cli = |words: &[&str]| {
        let run = quiet("redis-cli").args(["-p", &port.to_string(), "-a", "hunter2"]).args(words).status();
        assert!(run.unwrap().success());
    };
    cli(&["RPUSH", "jobs", "a", "b", "c"]);
    cli(&["SET", "state", "ok"]);
    crate::eventually::eventually("the replica follows", async || {
        let out = Command::new("redis-cli").args(["-p", &replica.to_string(), "INFO", "replication"]).output().unwrap();
        String::from_utf8_lossy(&out.stdout).contains("master_link_status:up")
    })
    .await;
    let at = format!("address: '127.0.0.1:{port}', password: hunter2");
    let checks = format!(
        "
  - {{name: master, redis: {{{at}, expect: ['role == master', 'lag < 1m']}}}}
  - {{name: not-a-replica, redis: {{{at}, expect: ['role == slave']}}}}
  - {{name: replica, redis: {{address: '127.0.0.1:{replica}', expect: ['role == slave', 'lag < 1m']}}}}
  - {{name: lost, redis: {{address: '127.0.0.1:{lost}'}}}}
  - {{name: queue, redis: {{{at}, key: jobs, expect: ['value <= 3']}}}}
  - {{name: queue-full, redis: {{{at}, key: jobs, expect: ['value < 3']}}}}
  - {{name: text, redis: {{{at}, key: state, expect: ['value == \"ok\"']}}}}
  - {{name: no-key, redis: {{{at}, key: nobody}}}}
  - {{name: secure, redis: {{address: 'localhost:{tls}', tls: true, password: hunter2, tls_config: {{ca_file: smtp.crt}}, expect: ['cert > 1d']}}}}
  - {{name: no-password, redis: {{address: '127.0.0.1:{port}'}}}}
  - {{name: wrong-password, redis: {{address: '127.0.0.1:{port}', password: hunter3}}}}
  - {{name: closed, redis: {{address: '127.0.0.1:{gone}'}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("master", "up"),
                ("not-a-replica", "down answer: role was \"master\", should be slave"),
                ("replica", "up"),
                ("lost", "down answer: 127.0.0.1:…is a replica that has lost its master"),
                ("queue", "up"),
                ("queue-full", "down answer: value was \"3\", should be < 3"),
                ("text", "up"),
                ("no-key", "down answer: there is no key \"nobody\" at …"),
                ("secure", "up"),
                ("no-password", "down answer: …wants a password (NOAUTH): give password or password_file"),
                ("wrong-password", "down answer: …refuses our credentials: WRONGPASS invalid username-password pair or user is disabled."),
                ("closed", "down refused: …nothing listens there"),
            ],
        )
        .await;
}

async fn slapd(dir: &Path) -> (u16, u16, Running) {
    let pki = Pki::new(dir);
    let (plain, secure) = (free_port(), free_port());
    let at = dir.join("slapd");
    std::fs::create_dir(&at).unwrap();
    let config = format!(
        "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {0}/pid\n\
         TLSCertificateFile {1}\nTLSCertificateKeyFile {2}\nTLSCACertificateFile {1}\n\
         database mdb\nmaxsize 10485760\nsuffix dc=test\nrootdn cn=admin,dc=test\nrootpw hunter2\ndirectory {0}\n\
         access to dn.subtree=ou=people,dc=test by anonymous auth by users read\naccess to * by * read\n",
        at.display(),
        pki.cert.display(),
        pki.key.display()
    );
    let (file, data) = (at.join("slapd.conf"), at.join("data.ldif"));
    std::fs::write(&file, config).unwrap();
    let mut entries = "dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: test\no: test\n\n\
                       dn: ou=people,dc=test\nobjectClass: organizationalUnit\nou: people\n\n"
        .to_owned();
    for name in ["anna", "bert", "carl"] {
        entries.push_str(&format!("dn: cn={name},ou=people,dc=test\nobjectClass: person\ncn: {name}\nsn: {name}\n\n"));
    }
    std::fs::write(&data, entries).unwrap();
    let loaded = quiet("/usr/sbin/slapadd").arg("-f").arg(&file).arg("-l").arg(&data).status();
    assert!(loaded.expect("slapd is needed: apt-get install slapd").success());
    let mut command = quiet("/usr/sbin/slapd");
    command.args(["-d", "0", "-h", &format!("ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{secure}"), "-f"]).arg(&file);
    let running = Running(command.spawn().unwrap());
    listens(plain).await;
    listens(secure).await;
    (plain, secure, running)
}

#[tokio::test]
async fn ldap_against_slapd() {
    let checked = Checked::new();
    let (plain, secure, _running) = slapd(checked.dir.path()).await;
    let trust = "tls_config: {ca_file: smtp.crt}";
    let at =
        format!("address: 'localhost:{secure}', tls: true, {trust}, bind_dn: 'cn=admin,dc=test', password: hunter2");
    let checks = format!(
        "
  - {{name: nobody, ldap: {{address: '127.0.0.1:{plain}'}}}}
  - {{name: bound, ldap: {{{at}, expect: ['cert > 1d']}}}}
  - {{name: starttls, ldap: {{address: 'localhost:{plain}', starttls: true, {trust}, bind_dn: 'cn=admin,dc=test', password: hunter2}}}}
  - {{name: wrong-password, ldap: {{address: 'localhost:{secure}', tls: true, {trust}, bind_dn: 'cn=admin,dc=test', password: hunter3}}}}
  - {{name: people, ldap: {{{at}, base_dn: 'ou=people,dc=test', filter: '(objectClass=person)', expect: ['entries == 3']}}}}
  - {{name: some, ldap: {{{at}, base_dn: 'ou=people,dc=test', filter: '(&(objectClass=person)(|(cn=a*)(!(sn=b*t))))', expect: ['entries == 2']}}}}
  - {{name: too-few, ldap: {{{at}, base_dn: 'dc=test', scope: one, expect: ['entries > 1']}}}}
  - {{name: none, ldap: {{{at}, base_dn: 'dc=test', filter: '(cn=zoe)'}}}}
  - {{name: no-base, ldap: {{{at}, base_dn: 'dc=nowhere'}}}}
  - {{name: untrusted, ldap: {{address: 'localhost:{secure}', tls: true}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("nobody", "up"),
                ("bound", "up"),
                ("starttls", "up"),
                (
                    "wrong-password",
                    "down answer: localhost:…refuses our credentials (LDAP result 49: invalidCredentials)",
                ),
                ("people", "up"),
                ("some", "up"),
                ("too-few", "down answer: entries was 1, should be > 1"),
                ("none", "down answer: …has no entry that fits (cn=zoe) below dc=test"),
                ("no-base", "down answer: …has no such entry to begin with (LDAP result 32: noSuchObject)"),
                ("untrusted", "down tls: the certificate of localhost…"),
            ],
        )
        .await;
}

/// The newest PostgreSQL that is installed; Debian keeps its programs out of PATH.
fn postgres_programs() -> PathBuf {
    let all = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is needed: apt-get install postgresql");
    all.map(|entry| entry.unwrap().path().join("bin")).max().unwrap()
}

/// PostgreSQL refuses to be root.
fn as_postgres(command: &mut Command, files: &[&Path]) {
    if geteuid().is_root() {
        let user = User::from_name("postgres").unwrap().expect("the package postgresql makes its user");
        for file in files {
            std::os::unix::fs::chown(file, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
}

async fn postgres() -> (tempfile::TempDir, u16, Running) {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let (pki, programs) = (Pki::new(dir.path()), postgres_programs());
    let (data, password) = (dir.path().join("data"), dir.path().join("password"));
    std::fs::write(&password, "hunter2").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&pki.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut make = quiet(&programs.join("initdb").display().to_string());
    make.args(["-A", "scram-sha-256", "-U", "anna", "--no-sync", "-D"]).arg(&data).arg("--pwfile").arg(&password);
    as_postgres(&mut make, &[dir.path(), &password, &pki.key, &pki.cert]);
    assert!(make.status().unwrap().success());
    let access = "host md5 all all md5\nhost all all all scram-sha-256\n";
    std::fs::write(data.join("pg_hba.conf"), access).unwrap();
    let mut command = quiet(&programs.join("postgres").display().to_string());
    command.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "ssl=on"]);
    let set = |name: &str, path: &Path| format!("{name}={}", path.display());
    command.args(["-c", &set("ssl_cert_file", &pki.cert), "-c", &set("ssl_key_file", &pki.key)]);
    command.args(["-c", &set("unix_socket_directories", dir.path()), "-D"]).arg(&data);
    as_postgres(&mut command, &[]);
    let running = Running(command.spawn().unwrap());
    listens(port).await;
    (dir, port, running)
}

#[tokio::test]
async fn sql_against_postgres() {
    let checked = Checked::new();
    let (dir, port, _running) = postgres().await;
    std::fs::copy(dir.path().join("smtp.crt"), checked.dir.path().join("smtp.crt")).unwrap();
    let psql = |query: &str| {
        let mut command = quiet(&postgres_programs().join("psql").display().to_string());
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "anna", "-d", "postgres", "-c", query]);
        command.env("PGPASSWORD", "hunter2").status().unwrap().success()
    };
    crate::eventually::eventually("it takes queries", async || psql("SELECT 1")).await;
    assert!(
        psql("SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 'hunter2'") && psql("CREATE DATABASE md5")
    );
    let at = format!("driver: postgres, address: 'localhost:{port}', username: anna, database: postgres");
    let with = format!("{at}, password: hunter2");
    let checks = format!(
        "
  - {{name: plain, sql: {{{with}, expect: ['value == 1', 'rows == 1']}}}}
  - {{name: secure, sql: {{{with}, tls: true, tls_config: {{ca_file: smtp.crt}}, expect: ['cert > 1d']}}}}
  - {{name: md5, sql: {{driver: postgres, address: '127.0.0.1:{port}', username: old, password: hunter2, database: md5}}}}
  - {{name: otherwise, sql: {{{with}, query: 'SELECT x FROM generate_series(7, 9) x', expect: ['rows == 3', 'value < 7']}}}}
  - {{name: nothing, sql: {{{with}, query: 'SELECT 1 WHERE false', expect: ['value == 1']}}}}
  - {{name: changes, sql: {{{with}, query: 'CREATE TABLE x (y int)'}}}}
  - {{name: wrong-query, sql: {{{with}, query: 'SELEC'}}}}
  - {{name: many, sql: {{{with}, query: 'SELECT generate_series(1, 20000)'}}}}
  - {{name: wrong-password, sql: {{{at}, password: hunter3}}}}
  - {{name: no-database, sql: {{driver: postgres, address: '127.0.0.1:{port}', username: anna, password: hunter2}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("plain", "up"),
                ("secure", "up"),
                ("md5", "up"),
                ("otherwise", "down answer: value was \"7\", should be < 7"),
                ("nothing", "down answer: value was not there, should be 1"),
                ("changes", "down answer: a check's query may only read: cannot execute CREATE TABLE in a read-only transaction (25006)"),
                ("wrong-query", "down answer: localhost:…answers with an error: syntax error at or near \"SELEC\" (42601)"),
                ("many", "down answer: …gives more than 10000 rows: count them in the query"),
                ("wrong-password", "down answer: localhost:…refuses our credentials: password authentication failed for user \"anna\" (28P01)"),
                ("no-database", "down answer: …has no such database: database \"anna\" does not exist (3D000)"),
            ],
        )
        .await;
}

async fn mariadb(dir: &Path) -> (u16, Running) {
    let (data, port) = (dir.join("mariadb"), free_port());
    let pki = Pki::new(dir);
    let user = User::from_uid(geteuid()).unwrap().unwrap().name;
    let datadir = format!("--datadir={}", data.display());
    let mut make = quiet("/usr/bin/mariadb-install-db");
    make.args([
        "--no-defaults",
        &datadir,
        &format!("--user={user}"),
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ]);
    assert!(make.status().expect("MariaDB is needed: apt-get install mariadb-server").success());
    let first = dir.join("first.sql");
    let words = "CREATE DATABASE shop; CREATE USER anna IDENTIFIED BY 'hunter2'; GRANT ALL ON shop.* TO anna;\n";
    std::fs::write(&first, words.replace("; ", ";\n")).unwrap();
    let mut command = quiet("/usr/sbin/mariadbd");
    command.args(["--no-defaults", &datadir, &format!("--user={user}"), &format!("--port={port}")]);
    command.args(["--bind-address=127.0.0.1", &format!("--socket={}", dir.join("mariadb.sock").display())]);
    command.args([&format!("--ssl-cert={}", pki.cert.display()), &format!("--ssl-key={}", pki.key.display())]);
    command.arg(format!("--init-file={}", first.display()));
    let running = Running(command.spawn().unwrap());
    listens(port).await;
    (port, running)
}

#[tokio::test]
async fn sql_against_mariadb() {
    let checked = Checked::new();
    let (port, _running) = mariadb(checked.dir.path()).await;
    let at = format!("driver: mysql, address: 'localhost:{port}', username: anna, database: shop");
    let with = format!("{at}, password: hunter2");
    let rows = "SELECT seq, REPEAT(\"x\", 300) FROM seq_7_to_9";
    let checks = format!(
        "
  - {{name: plain, sql: {{{with}, expect: ['value == 1', 'rows == 1']}}}}
  - {{name: secure, sql: {{{with}, tls: true, tls_config: {{ca_file: smtp.crt}}, expect: ['cert > 1d']}}}}
  - {{name: otherwise, sql: {{{with}, query: '{rows}', expect: ['rows == 3', 'value < 7']}}}}
  - {{name: nothing, sql: {{{with}, query: 'SELECT NULL', expect: ['value == 1']}}}}
  - {{name: changes, sql: {{{with}, query: 'CREATE TABLE x (y int)'}}}}
  - {{name: wrong-query, sql: {{{with}, query: 'SELEC'}}}}
  - {{name: wrong-password, sql: {{{at}, password: hunter3}}}}
  - {{name: no-database, sql: {{driver: mysql, address: '127.0.0.1:{port}', username: anna, password: hunter2, database: nobody}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("plain", "up"),
                ("secure", "up"),
                ("otherwise", "down answer: value was \"7\", should be < 7"),
                ("nothing", "down answer: value was not there, should be 1"),
                ("changes", "down answer: a check's query may only read: Cannot execute statement in a READ ONLY transaction (1792)"),
                ("wrong-query", "down answer: localhost:…(1064)"),
                ("wrong-password", "down answer: localhost:…refuses our credentials: Access denied for user 'anna'@'localhost' (using password: YES) (1045)"),
                ("no-database", "down answer: …has no such database for us: Access denied for user 'anna'@'%' to database 'nobody' (1044)"),
            ],
        )
        .await;
}
