#!/usr/bin/env python3
"""What a storm of alerts costs: posts N alerts, each a group of its own, to a dogwatch with one quick receiver, and prints
how long telling them took and which part of a core dogwatch takes while they stay open.

    python3 benches/storm.py target/release/dogwatch 2000
"""
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

WATCHED_SECONDS = 30
BATCH = 500


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes every message."""

    protocol_version = "HTTP/1.1"
    got = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        Receiver.got += 1
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(url, body=None):
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


def start(binary, directory, port, receiver):
    with open(f"{directory}/token", "w") as f:
        f.write("0123456789abcdef-token")
    with open(f"{directory}/dogwatch.yml", "w") as f:
        f.write(f"""data_dir: data
listen: 127.0.0.1:{port}
vantage: {{gateway: false, references: ['127.0.0.1:{port}']}}
heartbeats: [{{name: never, every: 10000h, token_file: token}}]
route: {{receiver: ops, group_by: [id], group_wait: 0s}}
receivers: [{{name: ops, webhook_configs: [{{url: 'http://127.0.0.1:{receiver}/'}}]}}]
""")
    log = open(f"{directory}/log", "w")
    return subprocess.Popen([binary, "run", "-c", "dogwatch.yml"], cwd=directory, stdout=log, stderr=log)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(binary, count):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    directory, port = tempfile.mkdtemp(prefix="storm-"), free_port()
    process = start(os.path.abspath(binary), directory, port, server.server_port)
    url = f"http://127.0.0.1:{port}"
    try:
        while ask(f"{url}/-/ready")[0] != 200:
            time.sleep(0.2)
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7_200))
        alert = lambda i: {"labels": {"alertname": "S", "id": f"id{i}", "severity": "warning"},
                           "annotations": {"summary": "something is wrong"}, "endsAt": end}
        began, statuses = time.time(), {}
        for i in range(0, count, BATCH):
            status, _ = ask(f"{url}/api/v2/alerts", json.dumps([alert(j) for j in range(i, min(count, i + BATCH))]).encode())
            statuses[status] = statuses.get(status, 0) + 1
        print(f"posted {count} in {time.time() - began:.1f} s, answers {statuses}", flush=True)
        before = -1
        while Receiver.got != before or b"\ndogwatch_outbox_pending 0\n" not in ask(f"{url}/metrics")[1]:
            before = Receiver.got
            time.sleep(2)
        spent = cpu_seconds(process.pid)
        print(f"{Receiver.got} messages in {time.time() - began:.1f} s, {spent:.1f} s of CPU", flush=True)
        time.sleep(WATCHED_SECONDS)
        share = (cpu_seconds(process.pid) - spent) / WATCHED_SECONDS
        print(f"while they are open: {share:.1%} of a core")
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
