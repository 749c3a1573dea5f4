# Sourced by the scripts of the lab.
#
# LAB   the prefix of its network namespaces: labs with different prefixes live side by side, each with a switch of its own
# RUN   its state: certificates, kubeconfigs, logs, process ids, data
# BIN   Kubernetes as tests/lab/build made it; the cache may be shared with other projects
: "${LAB:=dwlab}" "${RUN:=/tmp/$LAB}" "${CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/lab}" "${BIN:=$CACHE/bin}"
export LAB RUN BIN PATH=$PATH:/usr/sbin:/sbin

die() { echo "${0##*/}: $*" >&2; exit 1; }

# in_net HOST COMMAND...: runs it on a host of the lab.
in_net() { nsenter --net="/run/netns/$LAB-$1" "${@:2}"; }

# kubectl with all rights, from the watchdog's host.
admin() { in_net wd "$BIN/kubectl" --kubeconfig "$RUN/pki/admin.kubeconfig" --request-timeout 5s "$@"; }

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

# healthy: every API server, etcd member, scheduler and controller-manager says so, all API servers are announced and all
# nodes are Ready. Says what is not.
healthy() {
  local at ask=() sick n
  for at in $(seq -f 10.99.0.%g "$(<"$RUN/masters")"); do
    ask+=(-o /dev/null "https://$at:6443/readyz" -o /dev/null "http://$at:2381/health" \
      -o /dev/null "https://$at:10257/healthz" -o /dev/null "https://$at:10259/healthz")
  done
  sick=$(in_net wd curl -Zk --no-progress-meter -m 3 -w '%{url} %{http_code}\n' "${ask[@]}" 2>/dev/null | grep -v ' 200$') || true
  [ -z "$sick" ] || { echo "$sick"; return 1; }
  n=$(admin get endpoints kubernetes -o 'jsonpath={.subsets[*].addresses[*].ip}' 2>&1 | wc -w)
  [ "$n" = "$(<"$RUN/masters")" ] || { echo "$n API servers are announced"; return 1; }
  n=$(admin get nodes -o 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}' 2>&1 | grep -ow True | wc -l)
  [ "$n" = "$(<"$RUN/nodes")" ] || { echo "$n nodes are Ready"; return 1; }
}
