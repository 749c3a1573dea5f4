"""A cluster to watch, on loopback: kubelets by nginx, an API server in here, and how processes are measured.

Shared by benches/scale and benches/detection; does nothing by itself.
"""
import datetime
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
KUBELET_PORT = 20250
BOOKMARK_EVERY = 30
# Seconds: nodeStatusReportFrequency of a kubelet.
STATUS_EVERY = 300
TICKS = os.sysconf("SC_CLK_TCK")


def address(i):
    return f"127.16.{i // 250}.{1 + i % 250}"


def stamp(ago=0.0):
    return (datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificates(folder):
    """A CA, and one certificate for the API server and all kubelets."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "365", "-subj", "/CN=scale-ca")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=scale-server")
    with open(f"{folder}/names", "w") as f:
        f.write("subjectAltName=IP:127.0.0.1,DNS:kubelet\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "365",
            "-extfile", "names", "-out", "server.crt")


def nginx(folder):
    """One nginx on all of 127.0.0.0/8."""
    with open(f"{folder}/nginx.conf", "w") as f:
        f.write(f"""daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
worker_rlimit_nofile 40000;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_timeout 300s; keepalive_requests 1000000; ssl_session_tickets off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen {KUBELET_PORT} ssl backlog=8192;
    ssl_certificate server.crt; ssl_certificate_key server.key; ssl_protocols TLSv1.2 TLSv1.3;
    location / {{ default_type text/plain; return 200 "ok"; }}
  }}
}}
""")
    if not shutil.which("nginx"):
        packages("nginx-light")
    return subprocess.Popen(["nginx", "-p", folder, "-c", f"{folder}/nginx.conf"], stderr=subprocess.DEVNULL)


class Cluster:
    """What the API server has."""

    def __init__(self, count):
        self.started = stamp(86400)
        self.nodes = [self.node(i) for i in range(count)]

    def node(self, i):
        name = f"node-{i:05}.zone-{i % 3}.example.org"

        def condition(kind, status, reason):
            return {"type": kind, "status": status, "reason": reason, "message": f"kubelet says: {reason}",
                    "lastHeartbeatTime": self.started, "lastTransitionTime": self.started}

        images = [{"names": [f"registry.example.org/library/image-{k}@sha256:{k:064x}", f"registry.example.org/library/image-{k}:1.{k}"],
                   "sizeBytes": 10_000_000 + k} for k in range(10)]
        return {
            "metadata": {"name": name, "uid": f"{i:08x}-0000-4000-8000-000000000000", "resourceVersion": str(1000 + i),
                         "creationTimestamp": self.started[:19] + "Z",
                         "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                                    "topology.kubernetes.io/zone": f"zone-{i % 3}", "node.kubernetes.io/instance-type": "m5.xlarge"},
                         "annotations": {"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true"}},
            "spec": {"podCIDR": f"10.{i // 250}.{i % 250}.0/24", "providerID": f"example:///{name}"},
            "status": {
                "capacity": {"cpu": "4", "memory": "16384Mi", "pods": "110"},
                "allocatable": {"cpu": "3920m", "memory": "15000Mi", "pods": "110"},
                "conditions": [condition("NetworkUnavailable", "False", "RouteCreated"),
                               condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                               condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                               condition("PIDPressure", "False", "KubeletHasSufficientPID"),
                               condition("Ready", "True", "KubeletReady")],
                "addresses": [{"type": "InternalIP", "address": address(i)}, {"type": "Hostname", "address": name}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
                "nodeInfo": {"kubeletVersion": "v1.31.2", "kubeProxyVersion": "v1.31.2", "osImage": "Debian GNU/Linux 12 (bookworm)",
                             "kernelVersion": "6.1.0-27-amd64", "containerRuntimeVersion": "containerd://1.7.22",
                             "operatingSystem": "linux", "architecture": "amd64"},
                "images": images,
            },
        }

    def leases(self):
        # Renewed every 10 s, each at a moment of its own.
        now = time.time()
        return [{"metadata": {"name": n["metadata"]["name"], "namespace": "kube-node-lease"},
                 "spec": {"holderIdentity": n["metadata"]["name"], "leaseDurationSeconds": 40,
                          "renewTime": stamp((now + i * 0.37) % 10)}} for i, n in enumerate(self.nodes)]

    def leaders(self):
        return [{"metadata": {"name": name, "namespace": "kube-system"},
                 "spec": {"holderIdentity": "cp-1_0d60469d", "leaseDurationSeconds": 15, "acquireTime": self.started,
                          "renewTime": stamp(time.time() % 2), "leaseTransitions": 1}}
                for name in ("kube-controller-manager", "kube-scheduler")]


class ApiServer(http.server.BaseHTTPRequestHandler):
    """Answers what a watchdog asks."""

    protocol_version = "HTTP/1.1"
    cluster = None
    pages = {}

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        path = url.path
        if "watch" in query and path.endswith(("/nodes", "/leases", "/apiservices", "/certificatesigningrequests")):
            return self.watch(path.rsplit("/", 1)[-1], query)
        if path in ("/livez", "/readyz", "/healthz"):
            return self.say(b"ok", kind="text/plain")
        if path == "/version":
            return self.say({"gitVersion": "v1.31.2"})
        if path == "/api/v1/nodes" and "as=Table" in self.headers.get("accept", ""):
            rows = [{"cells": [n["metadata"]["name"], "Ready"]} for n in self.cluster.nodes]
            return self.say({"kind": "Table", "columnDefinitions": [{"name": "Name"}, {"name": "Status"}], "rows": rows})
        if path == "/api/v1/nodes":
            return self.list("NodeList", self.cluster.nodes, query, keep=True)
        if path.endswith("/kube-node-lease/leases"):
            return self.list("LeaseList", self.cluster.leases(), query)
        if path.endswith("/kube-system/leases"):
            return self.list("LeaseList", self.cluster.leaders(), query)
        for lease in self.cluster.leaders():
            if path.endswith("/kube-system/leases/" + lease["metadata"]["name"]):
                return self.say(lease)
        if path.endswith("/apiservices") or path.endswith("/certificatesigningrequests"):
            return self.list("List", [], query)
        self.say({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}, status=404)

    def list(self, kind, items, query, keep=False):
        begin, limit = int(query.get("continue", 0)), int(query.get("limit", 0)) or len(items)
        known = self.pages.get((kind, begin, limit)) if keep else None
        if known is None:
            left = len(items) - begin - limit
            meta = {"resourceVersion": "1"} | ({"continue": str(begin + limit)} if left > 0 else {})
            known = json.dumps({"kind": kind, "metadata": meta, "items": items[begin:begin + limit]}).encode()
            if keep:
                self.pages[(kind, begin, limit)] = known
        self.say(known)

    def watch(self, kind, query):
        """Tells what changes, with bookmarks, for as long as was asked for."""
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        at, until, marked = int(query["resourceVersion"]), time.monotonic() + int(query["timeoutSeconds"]), time.monotonic()
        try:
            while time.monotonic() < until:
                news, at = self.news(kind, at)
                if time.monotonic() - marked > BOOKMARK_EVERY:
                    marked = time.monotonic()
                    news.append(f'{{"type":"BOOKMARK","object":{{"metadata":{{"resourceVersion":"{at}"}}}}}}\n'.encode())
                for line in news:
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                if news:
                    self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def news(self, kind, at):
        """What a watch tells of the last second: of nodes, those whose kubelet says again, after five minutes, that all is well."""
        time.sleep(1)
        lines, second = [], int(time.time())
        for i in range(second % STATUS_EVERY, len(self.cluster.nodes), STATUS_EVERY) if kind == "nodes" else ():
            node = self.cluster.nodes[i]
            at += 1
            node["metadata"]["resourceVersion"] = str(at)
            for condition in node["status"]["conditions"]:
                condition["lastHeartbeatTime"] = stamp()
            lines.append(b'{"type":"MODIFIED","object":' + json.dumps(node).encode() + b"}\n")
        return lines, at

    def say(self, body, status=200, kind="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(folder, count, handler=ApiServer):
    """The API server."""
    ApiServer.cluster, ApiServer.pages = Cluster(count), {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.crt", f"{folder}/server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def kubeconfig(path, port):
    """How the API server at a port is reached."""
    with open(path, "w") as f:
        json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "scale",
                   "clusters": [{"name": "scale", "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": "ca.crt"}}],
                   "users": [{"name": "watch", "user": {"token": "scale"}}],
                   "contexts": [{"name": "scale", "context": {"cluster": "scale", "user": "watch"}}]}, f)


class Process:
    """A program that is measured."""

    def __init__(self, args, folder, log):
        self.log = open(f"{folder}/{log}", "w")
        self.process = subprocess.Popen(args, cwd=folder, stdout=self.log, stderr=self.log)

    def cpu(self):
        """User and system seconds so far."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def status(self):
        """Resident MB now and at the most, threads, descriptors."""
        with open(f"/proc/{self.process.pid}/status") as f:
            text = f.read()
        number = lambda name: int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1])
        return number("VmRSS") / 1024, number("VmHWM") / 1024, number("Threads"), len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def get(url, timeout=60):
    """A body, and the seconds that it took."""
    began = time.monotonic()
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        body = answer.read()
    return body, time.monotonic() - began


def wait_for(url, seconds=60):
    """Returns once an URL answers 200."""
    until = time.monotonic() + seconds
    while True:
        try:
            return get(url, 5)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def packages(*names):
    """Installs Debian packages that are missing."""
    subprocess.run([f"{HERE}/../tests/lab/packages", *names], check=True)
