"""What people run today for the same: blackbox_exporter, Prometheus and Alertmanager, as Debian has them.

Ten rules, as a team would have them; probes of the same URLs, as often, with the same deadline, and the chain verified.
"""
import json
import shutil
import urllib.parse

from farm import Process, free_port, get, packages, wait_for

PROGRAMS = {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager",
            "prometheus-blackbox-exporter": "prometheus-blackbox-exporter"}

# Three failed probes, as dogwatch wants them before it accuses: told with the evaluation that first sees the third.
THREE_FAILED = "max_over_time(probe_success{job=\"%s\"}[29s]) == 0"

RULES = [
    ("TargetDown", THREE_FAILED % "scale", "critical"),
    ("ProbeMissing", "up == 0", "warning"),
    ("ManyDown", "avg(probe_success) < 0.9", "critical"),
    ("ProbeSlow", "avg_over_time(probe_duration_seconds[5m]) > 1", "warning"),
    ("ProbeFlapping", "changes(probe_success[10m]) > 6", "warning"),
    ("CertificateEndsSoon", "probe_ssl_earliest_cert_expiry - time() < 14 * 86400", "warning"),
    ("CertificateEndsNow", "probe_ssl_earliest_cert_expiry - time() < 86400", "critical"),
    ("StatusIsNot200", "probe_http_status_code != 200 and probe_success == 1", "warning"),
    ("HandshakeSlow", "avg_over_time(probe_http_duration_seconds{phase=\"tls\"}[5m]) > 0.5", "warning"),
    ("AvailabilityLow", "avg_over_time(probe_success[30m]) < 0.99", "warning"),
]


class Peers:
    """The three, beside each other."""

    def __init__(self, folder, urls, receiver="http://127.0.0.1:9/", evaluate="10s", rules=RULES):
        for program, package in PROGRAMS.items():
            if not shutil.which(program):
                packages(package)
        probe, self.port, alerts = free_port(), free_port(), free_port()
        write = lambda name, what: open(f"{folder}/{name}", "w").write(json.dumps(what))  # JSON is YAML.
        write("blackbox.yml", {"modules": {"healthz": {
            "prober": "http", "timeout": "5s",
            "http": {"preferred_ip_protocol": "ip4", "follow_redirects": False, "fail_if_not_ssl": True,
                     "tls_config": {"ca_file": f"{folder}/ca.crt", "server_name": "kubelet"}}}}})
        write("targets.json", [{"targets": urls, "labels": {}}])
        relabel = [{"source_labels": ["__address__"], "target_label": "__param_target"},
                   {"source_labels": ["__param_target"], "target_label": "instance"},
                   {"target_label": "__address__", "replacement": f"127.0.0.1:{probe}"}]
        write("prometheus.yml", {
            "global": {"scrape_interval": "10s", "scrape_timeout": "5s", "evaluation_interval": evaluate},
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alerts}"]}]}]},
            "scrape_configs": [{"job_name": "scale", "metrics_path": "/probe", "params": {"module": ["healthz"]},
                                "file_sd_configs": [{"files": ["targets.json"]}], "relabel_configs": relabel}]})
        write("rules.yml", {"groups": [{"name": "scale", "rules": [
            {"alert": name, "expr": expr, "labels": {"severity": severity}} for name, expr, severity in rules]}]})
        write("alertmanager.yml", {
            "route": {"receiver": "ops", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"},
            "receivers": [{"name": "ops", "webhook_configs": [{"url": receiver}]}]})
        self.processes = [
            Process(["prometheus-blackbox-exporter", "--config.file=blackbox.yml", f"--web.listen-address=127.0.0.1:{probe}"],
                    folder, "blackbox.log"),
            Process(["prometheus-alertmanager", "--config.file=alertmanager.yml", "--storage.path=alertmanager",
                     f"--web.listen-address=127.0.0.1:{alerts}", "--cluster.listen-address="], folder, "alertmanager.log"),
            Process(["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=prometheus",
                     f"--web.listen-address=127.0.0.1:{self.port}"], folder, "prometheus.log")]
        wait_for(f"http://127.0.0.1:{self.port}/-/ready")

    def cpu(self):
        return sum(p.cpu() for p in self.processes)

    def rss(self):
        """Resident MB of all three now, and at the most."""
        each = [p.status() for p in self.processes]
        return sum(e[0] for e in each), sum(e[1] for e in each)

    def probes(self, seconds):
        """Probes within the last seconds, and how many of them failed or were never answered for."""
        def number(query):
            body, _ = get(f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": query}), 120)
            result = json.loads(body)["data"]["result"]
            return float(result[0]["value"][1]) if result else 0.0
        window = f"[{int(seconds)}s]"
        asked = number(f"sum(count_over_time(up{window}))")
        return asked, asked - number(f"sum(sum_over_time(probe_success{window}))")

    def stop(self):
        for process in self.processes:
            process.stop()
