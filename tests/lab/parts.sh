# Sourced by tests/lab/up: the components, each as a process of its host.

start() { # NAME HOST COMMAND...
  printf '%s\n%s\n' "$2" "$(printf '%q ' "${@:3}")" >"$RUN/cmd/$1"
  echo "$1" >>"$RUN/names"
  launch "$1"
}

# program NAME: where it is: of the lab itself, else (etcd, containerd of the old Kubernetes) Debian's.
program() {
  if [ -x "$BIN/$1" ]; then echo "$BIN/$1"; else command -v "$1" || die "no $1; run tests/lab/build"; fi
}

master_urls() { # PORT: https://10.99.0.1:PORT,...
  for i in $(each "$MASTERS"); do echo "https://10.99.0.$i:$1"; done | paste -sd,
}

# So small that a test can fill it.
ETCD_QUOTA_BYTES=$((64 << 20))

etcd() { # NUMBER
  local at=10.99.0.$1 cluster
  cluster=$(for i in $(each "$MASTERS"); do echo "m$i=https://10.99.0.$i:2380"; done | paste -sd,)
  start "etcd-$1" "cp$1" "$(program etcd)" --name "m$1" --data-dir "$RUN/etcd-$1" --quota-backend-bytes "$ETCD_QUOTA_BYTES" \
    --listen-client-urls "https://$at:2379,https://127.0.0.1:2379" --advertise-client-urls "https://$at:2379" \
    --listen-peer-urls "https://$at:2380" --initial-advertise-peer-urls "https://$at:2380" \
    --listen-metrics-urls "http://$at:2381" --initial-cluster "$cluster" --initial-cluster-state new \
    --client-cert-auth --trusted-ca-file "$RUN/pki/etcd-ca.crt" \
    --cert-file "$RUN/pki/etcd.crt" --key-file "$RUN/pki/etcd.key" \
    --peer-client-cert-auth --peer-trusted-ca-file "$RUN/pki/etcd-ca.crt" \
    --peer-cert-file "$RUN/pki/etcd.crt" --peer-key-file "$RUN/pki/etcd.key"
}

# After SIGTERM an API server goes on to serve for so long, while /readyz already fails: balancers have the time to leave it.
SHUTDOWN_DELAY=8s

# Who is nobody may see the health pages and nothing else, as hardened clusters have it since 1.31.
structured_authentication() {
  cat >"$RUN/authentication.yaml" <<YAML
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions: [{path: /livez}, {path: /readyz}, {path: /healthz}]
YAML
}

apiserver() { # NUMBER
  local pki=$RUN/pki of_today=()
  is_old || {
    structured_authentication
    of_today=(--authentication-config "$RUN/authentication.yaml" --shutdown-send-retry-after)
  }
  start "apiserver-$1" "cp$1" "$BIN/kube-apiserver" \
    --etcd-servers "$(master_urls 2379)" --etcd-cafile "$pki/etcd-ca.crt" \
    --etcd-certfile "$pki/etcd-client.crt" --etcd-keyfile "$pki/etcd-client.key" \
    --bind-address "10.99.0.$1" --secure-port 6443 --advertise-address "10.99.0.$1" --endpoint-reconciler-type lease \
    --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
    --client-ca-file "$pki/ca.crt" --authorization-mode Node,RBAC --service-cluster-ip-range 10.0.0.0/24 \
    --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP,Hostname \
    --kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key" \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$pki/sa.key" --service-account-signing-key-file "$pki/sa.key" \
    --requestheader-client-ca-file "$pki/front-ca.crt" --requestheader-allowed-names front-proxy-client \
    --requestheader-username-headers X-Remote-User \
    --proxy-client-cert-file "$pki/front.crt" --proxy-client-key-file "$pki/front.key" \
    --shutdown-delay-duration "$SHUTDOWN_DELAY" "${of_today[@]}"
}

elected() { # NAME PROGRAM PORT NUMBER FLAGS...: a scheduler or controller-manager
  local kubeconfig=$RUN/pki/$1-$4.kubeconfig old=()
  # The old ones have a second port, without TLS, which the API's component statuses were made of.
  ! is_old || old=(--port 0)
  kubeconfig "$1-$4" "$1" "https://10.99.0.$4:6443"
  start "$1-$4" "cp$4" "$BIN/$2" --kubeconfig "$kubeconfig" --authentication-kubeconfig "$kubeconfig" \
    --authorization-kubeconfig "$kubeconfig" --bind-address "10.99.0.$4" --secure-port "$3" "${old[@]}" \
    --tls-cert-file "$RUN/pki/$1.crt" --tls-private-key-file "$RUN/pki/$1.key" --leader-elect "${@:5}"
}

node() { # NUMBER
  local dir=$RUN/n$1 at=10.99.0.$((10 + $1)) plugins=$BIN
  mkdir -p "$dir/cni" "$dir/kubelet"
  ! is_old || plugins=/usr/lib/cni
  cat >"$dir/cni/10-bridge.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "lab", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
 "ipam": {"type": "host-local", "dataDir": "$dir/cni-addresses", "subnet": "10.244.$1.0/24", "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
  containerd_config "$dir" "$plugins" >"$dir/containerd.toml"
  kubelet_config "$1" "$at" >"$dir/kubelet.yaml"
  cert "kubelet-$1" "/O=system:nodes/CN=system:node:n$1" ca "DNS:n$1,IP:$at"
  kubeconfig "kubelet-$1" "kubelet-$1" https://10.99.0.1:6443
  start "containerd-$1" "n$1" env "PATH=$BIN:$PATH" "$(program containerd)" -c "$dir/containerd.toml"
  wait_for "the image of the pods on n$1" 30 \
    "$(program ctr)" -a "$dir/containerd.sock" -n k8s.io images import "$BIN/pod.tar"
  local old=()
  ! is_old || old=(--container-runtime remote --container-runtime-endpoint "unix://$dir/containerd.sock"
    --network-plugin cni --cni-bin-dir "$plugins" --cni-conf-dir "$dir/cni")
  start "kubelet-$1" "n$1" "$BIN/kubelet" --config "$dir/kubelet.yaml" --kubeconfig "$RUN/pki/kubelet-$1.kubeconfig" \
    --root-dir "$dir/kubelet" --hostname-override "n$1" --node-ip "$at" --node-labels lab.test/runs=pods --v 1 "${old[@]}"
  # The tables of connections are the machine's, and stay as they are.
  start "proxy-$1" "n$1" "$BIN/kube-proxy" --kubeconfig "$RUN/pki/proxy.kubeconfig" --hostname-override "n$1" \
    --proxy-mode iptables --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0 \
    --conntrack-tcp-timeout-close-wait 0
}

containerd_config() { # DIR PLUGINS
  local version=3
  ! is_old || version=2
  cat <<TOML
version = $version
root = "$1/containerd"
state = "$1/containerd-state"
[grpc]
  address = "$1/containerd.sock"
TOML
  if is_old; then
    cat <<TOML
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "lab.test/pod:1"
  netns_mounts_under_state_dir = true
  # In a container of its own the lab may have no right to more.
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "$2"
  conf_dir = "$1/cni"
TOML
  else
    cat <<TOML
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "lab.test/pod:1"
[plugins.'io.containerd.cri.v1.runtime']
  netns_mounts_under_state_dir = true
  # In a container of its own the lab may have no right to more.
  restrict_oom_score_adj = true
[plugins.'io.containerd.nri.v1.nri']
  # Its socket is one for the whole machine.
  disable = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["$2"]
  conf_dir = "$1/cni"
TOML
  fi
}

kubelet_config() { # NUMBER ADDRESS
  cat <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $2
port: 10250
healthzBindAddress: 127.0.0.1
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $RUN/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $RUN/pki/kubelet-$1.crt
tlsPrivateKeyFile: $RUN/pki/kubelet-$1.key
failSwapOn: false
cgroupsPerQOS: false
enforceNodeAllocatable: []
cgroupDriver: cgroupfs
# This machine's disk is not what is tested.
evictionHard: {memory.available: 1Mi}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
YAML
  # Since 1.35 a kubelet does not start on a machine with cgroups of version 1 unless it is told so.
  is_old || echo "failCgroupV1: false
podLogsDir: $RUN/n$1/logs
containerRuntimeEndpoint: unix://$RUN/n$1/containerd.sock"
}

hollow() { # NUMBER
  local of_today=()
  is_old || of_today=(--use-host-image-service=false)
  start "hollow-$1" hollow "$BIN/kubemark" --morph kubelet --name "hollow-$1" --v 1 \
    --kubeconfig "$RUN/pki/admin.kubeconfig" --kubelet-port $((20000 + $1)) --kubelet-read-only-port $((40000 + $1)) "${of_today[@]}"
}
