# Sourced by the scripts of the lab, and by tests/run.
#
# LAB             the prefix of its network namespaces: labs with different prefixes live side by side, each with a switch
#                 of its own
# RUN             its state: certificates, kubeconfigs, logs, process ids, data
# LAB_KUBERNETES  which Kubernetes: the newest one that kubernetes/go.mod names, or 1.20
# CACHE           what is built and fetched once, outside the tree; it may be shared with other projects
# BIN             the lab's programs of that Kubernetes, as tests/lab/build made them
here=${here:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
modules=$(cd "$(dirname "${BASH_SOURCE[0]}")/kubernetes" && pwd)

# version_of MODULE: which version of a Go module the lab is made of.
version_of() { awk -v module="$1" '$1 == module && $2 ~ /^v/ {print $2; exit}' "$modules/go.mod"; }

NEWEST=$(version_of k8s.io/kubernetes)
: "${LAB:=dwlab}" "${RUN:=/tmp/$LAB}" "${CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/lab}" "${LAB_KUBERNETES:=$NEWEST}"
: "${BIN:=$CACHE/bin/$LAB_KUBERNETES}"
export LAB RUN CACHE LAB_KUBERNETES BIN PATH=$PATH:/usr/sbin:/sbin

# What is not in Debian 12 and comes from a later release of Debian, or from a source package: all in one place. Versions of
# Kubernetes, etcd, containerd and the CNI plugins stand in kubernetes/go.mod.
GO_FROM=forky GO_PACKAGES="golang-1.26-go golang-1.26-src"
# The first release of Debian with Prometheus 3.
PROMETHEUS_3_FROM=forky
# etcd 3.4 and 3.5.
ETCD_FROM="bookworm forky"
# The last Kubernetes whose whole source is a Debian source package.
KUBERNETES_OLD=1.20 KUBERNETES_OLD_VERSION=v1.20.2 KUBERNETES_OLD_FROM=bookworm

die() { echo "${0##*/}: $*" >&2; exit 1; }

# is_old: whether the lab runs the Kubernetes of 2020.
is_old() { [ "$LAB_KUBERNETES" = "$KUBERNETES_OLD" ]; }

# apt_of DIR TYPE SUITE: makes DIR and sets the array `apt`: Debian's apt with lists of its own. It checks signatures, and
# this machine's releases stay what they are.
apt_of() {
  rm -rf "$1"
  mkdir -p "$1/lists/partial"
  echo "$2 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $3 main" >"$1/sources.list"
  apt=(apt-get -qq -o "Dir::Etc::sourcelist=$1/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$1/lists"
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root -o Acquire::Retries=3)
  "${apt[@]}" update
}

# clean_debian DIR: a new minimal Debian 12 in DIR, which is made; debootstrap makes it once, and says in debootstrap.log beside
# what is kept why it can't.
clean_debian() {
  local kept=${XDG_CACHE_HOME:-$HOME/.cache}/dogwatch-tests
  if [ ! -s "$kept/bookworm.tar" ]; then
    rm -rf "$kept/debootstrap"
    debootstrap --variant=minbase --include=adduser,init-system-helpers,ca-certificates bookworm "$kept/debootstrap" \
      http://deb.debian.org/debian >"$kept/debootstrap.log" 2>&1 || return
    tar cf "$kept/bookworm.tar.new" -C "$kept/debootstrap" .
    rm -rf "$kept/debootstrap"
    mv "$kept/bookworm.tar.new" "$kept/bookworm.tar"
  fi
  mkdir -p "$1"
  tar xf "$kept/bookworm.tar" -C "$1"
}

# in_net HOST COMMAND...: runs it on a host of the lab.
in_net() { nsenter --net="/run/netns/$LAB-$1" "${@:2}"; }

# kubectl with all rights, from the watchdog's host. What it remembers of an API is by address, for hours, and all labs have
# the same: each keeps its own.
admin() {
  in_net wd "$RUN/bin/kubectl" --kubeconfig "$RUN/pki/admin.kubeconfig" --cache-dir "$RUN/kubectl" --request-timeout 5s "$@"
}

# etcdctl NUMBER COMMAND...: asks, from the watchdog's host, the etcd member of that control-plane host.
etcdctl() {
  local api=()
  ! is_old || api=(ETCDCTL_API=3)
  in_net wd env "${api[@]}" PATH="$RUN/bin:$PATH" etcdctl --endpoints "https://10.99.0.$1:2379" \
    --cacert "$RUN/pki/etcd-ca.crt" --cert "$RUN/pki/etcd-client.crt" --key "$RUN/pki/etcd-client.key" "${@:2}"
}

# launch NAME: starts, perhaps again, what $RUN/cmd/NAME says (a line with the host, a line with the command), under the
# host's name, which leases tell. It outlives this script and lets go of all that it inherited, tests/run's lock on file
# descriptor 9 included.
launch() {
  local host command
  { read -r host; read -r command; } <"$RUN/cmd/$1"
  nohup setsid nsenter --net="/run/netns/$LAB-$host" unshare --uts bash -c "hostname $host; exec $command" \
    </dev/null >>"$RUN/log/$1.log" 2>&1 9>&- &
  echo "$! $(started $!)" >"$RUN/pid/$1"
}

# started PID: when, in ticks since the machine was booted; nothing where it has ended, be it not yet reaped.
started() { awk '{sub(/.*\) /, "")} $1 !~ /[ZX]/ {print $20}' "/proc/$1/stat" 2>/dev/null || true; }

# process NAME: its process id, if it still runs. Numbers are soon given to others on a busy machine: what counts is
# when it was started.
process() {
  local pid start
  read -r pid start <"$RUN/pid/$1"
  [ -n "$start" ] && [ "$(started "$pid")" = "$start" ] && echo "$pid"
}

# healthy: every API server, etcd member, scheduler, controller-manager and kube-proxy says so, all API servers are
# announced, all nodes are Ready, and the Service answers on each. Says what is not.
healthy() {
  local at ask=() sick n
  for at in $(seq -f 10.99.0.%g "$(<"$RUN/masters")"); do
    ask+=(-o /dev/null "https://$at:6443/readyz" -o /dev/null "http://$at:2381/health" \
      -o /dev/null "https://$at:10257/healthz" -o /dev/null "https://$at:10259/healthz")
  done
  for at in $(seq -f 10.99.0.%g 11 $((10 + $(<"$RUN/real-nodes")))); do
    ask+=(-o /dev/null "http://$at:10256/healthz" -o /dev/null "http://$at:$NODE_PORT/")
  done
  sick=$(in_net wd curl -Zk --no-progress-meter -m 3 -w '%{url} %{http_code}\n' "${ask[@]}" 2>/dev/null | grep -v ' 200$') || true
  [ -z "$sick" ] || { echo "$sick"; return 1; }
  n=$(admin get endpointslices kubernetes -o 'jsonpath={.endpoints[*].addresses[*]}' 2>&1) || { echo "$n"; return 1; }
  n=$(wc -w <<<"$n")
  [ "$n" = "$(<"$RUN/masters")" ] || { echo "$n API servers are announced"; return 1; }
  n=$(admin get nodes -o 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}' 2>&1 | grep -ow True | wc -l)
  [ "$n" = "$(<"$RUN/nodes")" ] || { echo "$n nodes are Ready"; return 1; }
}
# The port of each node on which the Service of service.yaml answers.
NODE_PORT=30080
