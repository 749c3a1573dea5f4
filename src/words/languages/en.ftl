### English: every message that there is. What begins with "$" is put in by dogwatch; texts of templates keep their own markup
### around it. GROUP($n) sets the thousands of a number apart. How a language is added: docs/languages.md.

## Numbers, durations and moments. A format of moments is strftime's.

thousands-separator = ,
decimal-separator = .
number = { GROUP($n) }
list-and = { $head } and { $last }
list-more = { $n } more
duration-none = less than 1 s
duration-seconds = { $n } s
duration-minutes = { $n } min
duration-hours = { $n } h
duration-days = { $n ->
    [one] { GROUP($n) } day
   *[other] { GROUP($n) } days
}
duration-two = { $large } { $small }
moment-format = %Y-%m-%d %H:%M:%S %Z
time-format = %H:%M:%S %Z
date-format = %Y-%m-%d
month-title = { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[other] December
} { $year }

## Messages: what stands in front of the headline in a subject, and above all in a mail.

drill-mark = [DRILL]
drill-notice = This is a drill: nothing is broken.
and-more-problems = { $what } (and { $n ->
    [one] { $n } more problem
   *[other] { $n } more problems
})
fleet-headline = { $what }; the same in { $where }, { $shared }
fleet-machines-of = all of { $trait } { $value }
fleet-machines-with = all with { $trait } { $value }
fleet-change = after the same change: { $what }
fleet-address = all behind { $address }
fleet-network = all in network { $network }
fleet-unknown = at the same time; why is not known
fleet-the-same = the same in { $cluster } since { $at } (incident { $incident }): { $what }
fleet-well-again = over in { $cluster } since { $at } (incident { $incident }): { $what }
fleet-part-of = part of incident { $incident } of { $cluster }, which is told for both: the same there, { $shared }
fleet-beside = the same in { $cluster } (incident { $incident }, told to others), { $shared }
subject-worse = Worse: { $what }
subject-update = Update: { $what }
subject-still = Still after { $time }: { $what }
subject-unwatched = No longer watched: { $what }
subject-resolved = Resolved after { $time }: { $what }
status-problem = PROBLEM
status-worse = WORSE
status-update = UPDATE
status-still = STILL
status-unwatched = NO LONGER WATCHED
status-resolved = RESOLVED
when-open = Since { $began }, for { $lasted } when this was written.
when-over = From { $began } to { $end }: { $lasted }.
since = since { $at }
over-since = over since { $at }
and-n-more = and { $n } more
n-more-lines = { $n } more lines
n-more-problems = { $n } more problems
see-the-page = see the page
footer = incident { $incident }, message { $message }
runbook-at = Runbook: { $url }
read-the-runbook = Read the runbook
open-dogwatch = Open dogwatch
first-step = What to do first
still-works = What still works
what-was-seen = What was seen
what-changed = What changed before
because-of-it = Because of it
also-in-it = Also in this incident
change-before = { $what } ({ $apart } before, at { $at })
change-after = { $what } (seen { $apart } after, at { $at })
change-unseen = { $what } (between { $from } and { $to }, while dogwatch did not look)

## What the diagnosis says, and its parts. "$kind" is a component: in another language a sentence may be built by it.

component = { $kind ->
    [kube-apiserver] { $n ->
        [one] API server
       *[other] API servers
    }
    [etcd] { $n ->
        [one] etcd member
       *[other] etcd members
    }
    [kube-scheduler] { $n ->
        [one] scheduler
       *[other] schedulers
    }
    [kube-controller-manager] { $n ->
        [one] controller-manager
       *[other] controller-managers
    }
    [kubelet] { $n ->
        [one] kubelet
       *[other] kubelets
    }
    [kube-proxy] { $n ->
        [one] kube-proxy
       *[other] kube-proxies
    }
   *[check] { $n ->
        [one] check
       *[other] checks
    }
}
all-components = { $kind ->
    [kube-apiserver] { $n ->
        [1] the API server
        [2] both API servers
       *[other] all { $n } API servers
    }
    [etcd] { $n ->
        [1] the etcd member
        [2] both etcd members
       *[other] all { $n } etcd members
    }
    [kube-scheduler] { $n ->
        [1] the scheduler
        [2] both schedulers
       *[other] all { $n } schedulers
    }
    [kube-controller-manager] { $n ->
        [1] the controller-manager
        [2] both controller-managers
       *[other] all { $n } controller-managers
    }
    [kubelet] { $n ->
        [1] the kubelet
        [2] both kubelets
       *[other] all { $n } kubelets
    }
    [kube-proxy] { $n ->
        [1] the kube-proxy
        [2] both kube-proxies
       *[other] all { $n } kube-proxies
    }
   *[check] { $n ->
        [1] the check
        [2] both checks
       *[other] all { $n } checks
    }
}
some-components = { $n } of { $total } { $kind ->
    [kube-apiserver] { $total ->
        [one] API server
       *[other] API servers
    }
    [etcd] { $total ->
        [one] etcd member
       *[other] etcd members
    }
    [kube-scheduler] { $total ->
        [one] scheduler
       *[other] schedulers
    }
    [kube-controller-manager] { $total ->
        [one] controller-manager
       *[other] controller-managers
    }
    [kubelet] { $total ->
        [one] kubelet
       *[other] kubelets
    }
    [kube-proxy] { $total ->
        [one] kube-proxy
       *[other] kube-proxies
    }
   *[check] { $total ->
        [one] check
       *[other] checks
    }
}
fails-so = { $how ->
    [refused] { $n ->
        [one] refuses connections
       *[other] refuse connections
    }
    [silent] { $n ->
        [one] is silent
       *[other] are silent
    }
    [unreachable] can't be reached
    [dns] { $n ->
        [one] has a name that does not resolve
       *[other] have names that do not resolve
    }
    [hangs] { $n ->
        [one] accepts connections and then hangs
       *[other] accept connections and then hang
    }
    [handshake] { $n ->
        [one] fails the TLS handshake
       *[other] fail the TLS handshake
    }
    [expired] { $n ->
        [one] presents an expired certificate
       *[other] present an expired certificate
    }
    [ca-expired] { $n ->
        [one] is certified by a CA that has expired
       *[other] are certified by a CA that has expired
    }
    [untrusted] { $n ->
        [one] presents a certificate that can't be trusted
       *[other] present certificates that can't be trusted
    }
    [credentials] { $n ->
        [one] refuses our credentials
       *[other] refuse our credentials
    }
    [wrong] { $n ->
        [one] answers wrongly
       *[other] answer wrongly
    }
    [etcd] { $n ->
        [one] fails on etcd
       *[other] fail on etcd
    }
    [sick] { $n ->
        [one] is not healthy
       *[other] are not healthy
    }
    [slow] { $n ->
        [one] answers slowly
       *[other] answer slowly
    }
    [throttles] { $n ->
        [one] throttles us
       *[other] throttle us
    }
    [hidden] { $n ->
        [one] is hidden behind something else that answers
       *[other] are hidden behind something else that answers
    }
   *[unseen] can't be seen for a reason of our own
}
are-down = { $sure ->
    [certain] { $n ->
        [one] is down
       *[other] are down
    }
    [likely] { $n ->
        [one] is probably down
       *[other] are probably down
    }
   *[open] { $n ->
        [one] fails, the cause is not known
       *[other] fail, the cause is not known
    }
}
who-fails-so = { $who } { $how }
one-and-others = { $one }; { $others }
who-is-down = { $who } { $down }: { $by }{ $though }
who-fails-though = { $who } { $how }{ $though }
who-is-down-alike = { $who } { $down }: they { $how }

### API servers

though-host-answers = , though { $n ->
    [one] its host answers
   *[other] their hosts answer
}
though-etcd-is-well = { $what }, though etcd itself is well
though-etcd-is-well-login = { $what }, though etcd itself is well: suspect the certificate by which they log in to it, then their way there
and-etcd-is-fine = { $what }; etcd is fine
servers-not-from-here = { $who } can't be used from here, though the advertised address { $address } answers: { $by }
servers-beyond = { $who } can't be reached from here, yet { $n ->
    [one] it lives
   *[other] they live
}: { $by }
servers-overloaded = { $who } are overloaded: { $by }
all-wait = kubectl, controllers and kubelets wait or are turned away; leases may run out
server-fails-on-etcd = API server { $server } fails on etcd
server-unwell = API server { $server } is not healthy: { $why }
server-checks-fail = API server { $server } is not healthy: { $n ->
    [one] check { $checks } fails
   *[other] checks { $checks } fail
}
server-throttles = API server { $server } lives and throttles us (HTTP 429)
server-slow = API server { $server } lives and is slow, all of it alike: { $why }
advertised-down = the advertised address { $address } { $how }, though { $behind } behind it { $n ->
    [one] answers
   *[other] answer
}
advertised-address = the advertised address { $address }
something-in-front = something else answers in front of { $who }: what is behind it can't be seen from here
no-change-possible = nothing can be created, changed or scheduled; kubectl fails
one-more-server = one more lost API server stops the cluster's control
who-uses-address = whoever uses { $address } can't reach the cluster: users, and nodes that joined by it
blind-to-cluster = nodes, leases and endpoints can't be read: what was last known is watched on

### etcd

quorum-unknown = etcd's quorum is not known: { $n ->
    [one] { GROUP($n) } member is
   *[other] { GROUP($n) } members are
} silent
quorum-presumably-lost = every API server says that etcd fails: etcd has presumably lost quorum (its members can't be asked from here)
etcd-down = etcd is down
etcd-only-member = etcd { $down }: its only member { $member } { $how }
is-down = is down
never-started = has never started
etcd-quorum-lost = etcd has { $sure ->
    [yes] lost quorum
   *[no] probably lost quorum
}: { $how }
members-down = { $n } of { $total } members down
members-silent = { $n } of { $total } members silent
members-gone = { $n } of { $total } members gone ({ $down } down, { $silent } silent)
etcd-lacks = { $what ->
    [leader] etcd has no leader
   *[work] etcd does not work
}: { $how }
members-none-well = all { $total } members answer, none of them is well
members-some-well = { $n } of { $total } members answer and are not well
members-and-sick = { $gone }, { $n } more not well
no-change-until-quorum = nothing can be created, changed, scheduled or moved until { $needed } of { $total } members answer
no-change-until-it-answers = nothing can be created, changed, scheduled or moved until it answers
no-change-until-etcd = nothing can be created, changed or scheduled until etcd works again
members-beyond = { $n } of { $total } etcd members can't be reached from here, yet etcd keeps quorum
member-what = etcd { $role ->
    [member] member
   *[learner] learner
} { $member } { $what }
member-what-margin = { $what }: { $margin }
member-last-margin = { $what }: { $margin }: one more loss stops the cluster
quorum-margin = quorum is kept by { $alive } of { $total }, margin { $margin }
beyond-us = can't be reached from here
of-another-cluster = is of another cluster
sees-no-leader = answers but sees no leader
sees-no-quorum = answers but sees no quorum
answers-unwell = answers and is not well ({ $why })
down-silent = { $down } ({ $how ->
    [silent] silent
    [unreachable] can't be reached
   *[dns] has a name that does not resolve
})
etcd-no-space = etcd is out of space (alarm NOSPACE of { $who }): it refuses every write
etcd-corrupt = etcd's data is corrupt (alarm CORRUPT of { $who })
etcd-other-alarm = etcd raised the alarm { $alarm } ({ $who })
etcd-strays = etcd outside the member list: { $by }
etcd-stranger-new = etcd at { $place } is a new, empty cluster: do not write; stop the API servers that use it
etcd-stranger = etcd at { $place } belongs to another cluster than the other members: stop the API servers that use it
etcd-revisions-differ = etcd's members hold different data: { $one } and { $other } are at different revisions, which the same log can't give
etcd-keys-differ = etcd's members hold different data: the keys up to the same revision differ between { $one } and { $other }

### The network and hosts

names-not-resolved = nothing of the cluster can be reached: { $n ->
    [one] { $names } does not resolve
   *[other] { $names } do not resolve
}
cluster-gone = the cluster seems to be gone: its name { $name } does not resolve any more, and its other { $n ->
    [one] { GROUP($n) } host
   *[other] { GROUP($n) } hosts
} are silent
only-address-fails = the cluster can't be reached from here: its only known address { $address } { $how }
cluster-unreachable = nothing of the cluster can be reached from here: { $targets ->
    [one] { GROUP($targets) } target
   *[other] { GROUP($targets) } targets
} on { $hosts ->
    [one] { GROUP($hosts) } host
   *[other] { GROUP($hosts) } hosts
} { $targets ->
    [one] is silent
   *[other] are silent
}; the network between the watchdog and the cluster is broken, or the cluster has no power
may-be-fine = what runs there may be fine or not: it can't be seen from here
host-down = control-plane host { $host } is down or cut off: { $n ->
    [one] { $parts } is silent
   *[other] { $parts } are silent
}{ $margin }
host-etcd-margin = ; etcd: { $margin }
hosts-beyond = { $who } can't be reached from here, yet { $fate ->
    [needed] {""}
   *[lives] { $n ->
        [one] it lives:{" "}
       *[other] they live:{" "}
    }
}{ $seen }
others-see-them = others see them
fate-together = it fell silent together with { $host }, which lives
fate-by-quorum = etcd keeps quorum, which takes { $n } of them: { $proof }
witness-member-reads = etcd member { $who } answers linearizable reads
witness-server-reads = API server { $who } reads through to etcd
witness-member-hears = etcd member { $who } hears from { $name }
witness-server-lease = the API server on { $host } renews its lease
witness-still-listed = the other API servers still list { $who }
witness-leader-lease = { $component } on { $host } renews its lease
witness-kubelet-lease = the kubelet of { $host } renews its lease
line-of = { $name }: { $line }
component-named = { $component } { $name }
with-lost = { $what }; { $how ->
    [it] with it { $lost }
    [them] with them { $lost }
   *[perhaps] there ran { $lost }
}
lost-pod = pod { $name }
lost-replicas = { $n ->
    [1] the only replica of { $name }
   *[other] all { $n } replicas of { $name }
}

### Schedulers and controller-managers

nobody-leads = { $who } { $down }: { $means }
no-fresh-lease = no { $component } holds a fresh lease: { $means }
means-not-placed = new pods are not placed
means-not-repaired = nothing is repaired or replaced, lost nodes are not noticed
leaders-beyond = { $who } can't be reached from here, yet their lease is renewed
services-stale = changed Services and Endpoints don't take effect on these nodes

### Nodes

kubelet-unwell = kubelet on { $node } says that it is not healthy: { $why }
kubelet-checks-fail = kubelet on { $node } says that it is not healthy: failing { $checks }
kubelet-wrong = kubelet on { $node } answers wrongly: { $why }
kubelet-but-node-lives = kubelet on { $node } { $how }, yet { $heard ->
    [lease] its lease is fresh
   *[api] the API server hears from it
}: the node lives
kubelet-dead = kubelet on { $node } { $how }; containers there presumably still run
down-refused = is down (connection refused)
kubelet-never-answered = kubelet on { $node } has never answered from here, though the API server hears from it
kubelets-never-answered = { $n } kubelets have never answered from here, though the API server hears from them: { $names }
node-silent = no answer from node { $node }: { $why ->
    [lease] its kubelet is silent; its lease will soon show whether it lives
    [ready] its kubelet is silent; its lease can't be read, and the API server still calls it Ready
   *[mute] its kubelet is silent, and its lease can't be read
}
node-lost = node { $node } is lost: { $why ->
    [lease] its kubelet is silent and has stopped renewing its lease
   *[api] its kubelet is silent and the API server calls it NotReady
}
node-not-heard = node { $node } is lost: the API servers have not heard of its kubelet ({ $reason })
node-no-runtime = node { $node }: its container runtime does not answer{ $though }
node-slow-runtime = node { $node }: its container runtime hangs or is overloaded (PLEG){ $though }
node-no-network = node { $node }: its pod network is not set up ({ $why }){ $though }
node-not-ready = node { $node } is NotReady ({ $why }){ $though }
though-kubelet-answers = , though its kubelet answers
node-starved = { $what }; it is starved of { $pressure ->
    [MemoryPressure] memory
    [DiskPressure] disk space
   *[PIDPressure] process IDs
} ({ $pressure })
nodes-alike = { $kind ->
    [lost] { $n } of { $total } nodes are lost: { $who }
    [silent] { $n } of { $total } nodes do not answer: { $who }
    [kubelet] { $n } of { $total } kubelets are down: { $who }; containers there presumably still run
    [beyond] { $n } of { $total } kubelets can't be reached from here, yet their nodes live: { $who }
    [runtime] the container runtime of { $n } of { $total } nodes does not answer: { $who }
    [network] the pod network of { $n } of { $total } nodes is not set up: { $who }
   *[not-ready] { $n } of { $total } nodes are NotReady: { $who }
}
nodes-in-trouble = { $n } of { $total } nodes are in trouble: { $parts }{ $which }
nodes-which = ; { $which }
nodes-part = { $kind ->
    [lost] { $n } lost
    [silent] { $n } without an answer
    [kubelet] { $n } with a dead kubelet
    [beyond] { $n } out of our reach
    [runtime] { $n } without a container runtime
    [network] { $n } without a pod network
   *[not-ready] { $n } NotReady
}
names = { $names }
nodes-of = of { $trait } { $value }
nodes-with = with { $trait } { $value }
in-common = what they have in common: { $what }
named-in-brackets = { $what } ({ $names })
nodes-sharing = { $exact ->
    [yes] all { $which }
   *[no] { $lost } of the { $all } { $which }
}
node-pods-moved = what ran on { $node } { $sure ->
    [yes] is gone or cut off
   *[no] may be gone or cut off
}; { $moved ->
    [yes] its pods are moved about 5 minutes after the API server notices
   *[no] its pods are not moved while no API server works
}
node-stands-still = nothing is started, stopped or probed on { $node }; its pods are moved if this lasts
node-runtime-stands = nothing can be started or stopped on { $node }, and probes in containers fail; what runs goes on
node-no-new-pods = no new pods are placed on { $node }
no-worker-left = no worker is left (0 of { $of }), though the control plane answers
workers-gone = { $n } of { $of } workers are gone within minutes, and were not drained before
workers-added = the number of workers rose from { $from } to { $to } within minutes
api-away = the API { $api } is away: its service { $service } does not serve it ({ $reason })
no-reason-given = no reason given
requests-wait = { $n ->
    [one] { GROUP($n) } certificate request for { $signer } waits
   *[other] { GROUP($n) } certificate requests for { $signer } wait
} and nobody decides, the oldest since { $at }
check-at-nodes = { $ports } ({ $check }) { $how } on { $where }
on-every-node = every node
on-every-node-to-pods = every node, though the nodes are well: the pods' network does not carry what is sent to pods
on-some-nodes = { $n } of { $total } nodes: { $nodes }
simply-fails = fails

### What the recorded objects tell

some-of = { $more ->
    [yes] more than { $n }
   *[no] { $n }
} { $kind ->
    [pod] { $n ->
        [one] pod
       *[other] pods
    }
    [container] { $n ->
        [one] container
       *[other] containers
    }
    [ready-pod] { $n ->
        [one] ready pod
       *[other] ready pods
    }
    [listed-pod] { $n ->
        [one] listed pod
       *[other] listed pods
    }
    [service] { $n ->
        [one] service
       *[other] services
    }
    [workload] { $n ->
        [one] workload
       *[other] workloads
    }
    [claim] { $n ->
        [one] claim
       *[other] claims
    }
   *[cronjob] { $n ->
        [one] CronJob
       *[other] CronJobs
    }
}
place-on = {" "}on { $where }
place-most-on = , most on { $where }
place-most-of = , most of { $workload }
addon-down = { $role ->
    [dns] the cluster's DNS
    [network] the pods' network
    [proxy] the service proxy
   *[ingress] the ingress
} is down: { $name } has no ready pod ({ $ready } of { $wanted }){ $why }
addon-in-trouble = { $role ->
    [dns] the cluster's DNS
    [network] the pods' network
    [proxy] the service proxy
   *[ingress] the ingress
} is in trouble: { $ready } of { $wanted } pods of { $name } are ready{ $why }
addon-lacks-memory = ; its containers are killed for want of memory
addon-changed = ; { $what } at { $at }
addon-at-zero = ; it is scaled to 0
webhook-failing = { $asked } fails: webhook { $webhook } does not answer, since nothing is ready behind { $service }; reads and running pods are well
webhook-asked = { $operations } of { $resources }
every-change = every change
every-resource = everything
backup-late = no backup { $by } since { $at } ({ $schedule }){ $how }; { $last }
backup-late-ended = , it ended { $phase }
backup-ended = the last backup { $by } ended { $phase }; { $last }
backup-shrunk = the last backup { $by } is far smaller than usual: { $now } objects, else { $usual }
backup-by = { $kind ->
    [VolumeSnapshot] of volume claim { $key } by VolumeSnapshots
   *[other] by { $kind } { $key }
}
backup-good-at = the last good one is of { $at }
backup-never-good = there is none
scheduler-stuck = { $whose } has placed nothing since { $at }: { $pods } wait that it has not looked at
controllers-stuck = nothing is reconciled since { $at }: { $workloads } were changed, and no controller has looked
controllers-stuck-one = nothing is reconciled since { $at }: { $name } was changed, and no controller has looked
endpoints-lag = endpoints of { $services } do not follow their pods since { $at }: { $how }
endpoints-pods = { $pods } { $n ->
    [one] is
   *[other] are
} { $how ->
    [missing] missing
   *[gone] gone
}
endpoints-both = { $one }, { $other }
cron-job-late = a CronJob was not started when the time had come: { $names }
cron-jobs-late = { $jobs } were not started when the time had come: { $names }
objects-deleted = { $parts } were deleted within minutes
objects-deleted-part = { $n } of { $total } { $resource }
pods-fallen = pods went and are not made anew: { $left } of { $of } are left, and { $wanted } are wanted
objects-growing = the number of { $resource } runs away{ $place }: there were { $from } an hour ago
events-flood = events flood in: { $count } within ten minutes, where { $worst } were the most in the hours before; most are { $reason } in namespace { $namespace }
objects-growing-place = , most in namespace { $namespace }
nodes-cordoned = { $n ->
    [one] node { $names } is cordoned
   *[other] nodes { $names } are cordoned
}{ $state ->
    [drained] {" "}and drained
    [held] ; a disruption budget holds up the drain
   *[plain] {""}
}: no new pods are placed there
node-object-deleted = the object of node { $node } was deleted, though it was Ready and not drained
node-objects-deleted = the objects of { $n } nodes were deleted, though they were Ready and not drained: { $names }
node-reports = { $condition } on { $names }, by the node's own report
pods-evicted = { $pods } were evicted within minutes{ $place }: { $why }
containers-killed = { $containers } were killed for want of memory within minutes{ $place }
images-not-pulled = images can't be pulled from { $registry }: what restarts now does not come back
rollout-failing = new pods of { $kind } { $name } don't start: { $why }{ $rest }
rollout-no-image = image { $image } can't be pulled
rollout-crashes = { $image } ends or fails again and again ({ $reason })
rollout-none-ready = ; none is ready
rollout-some-ready = ; { $ready } of { $wanted } are ready
rollouts-failing = new pods of { $workloads } don't start: { $names }
pods-unplaced = { $pods } { $n ->
    [one] waits
   *[other] wait
} for a node: { $why }
claims-waiting = { $claims } { $which } { $n ->
    [one] gets
   *[other] get
} no volume: { $names }
claims-without-class = without a storage class
claims-of-class = of class { $class }
pods-not-starting = pods don't start{ $place }: { $why ->
    [addresses] no address is left for them
    [sandbox] their sandbox (network and container) can't be made
   *[volumes] their volumes can't be attached or mounted
}
pods-over-quota = pods are not made: the quota is used up ({ $names })
namespaces-stay = { $n ->
    [one] namespace { $names } does
   *[other] namespaces { $names } do
} not go since { $at }{ $why }
namespaces-lack-api = : the API { $api } does not answer

### What comes again and again, pressure and clocks

etcd-elects-again = etcd elects a new leader again and again
servers-in-turns = API servers go away and come back in turns, again and again: { $names }
first-packets-lost = new connections to { $host } lose their first packet at times, and take one second or three: { $what }
instance-of = { $instance } ({ $component })
nodes-starved = { $n ->
    [one] node { $names } is
   *[other] nodes { $names } are
} starved of { $pressure ->
    [MemoryPressure] memory
    [DiskPressure] disk space
   *[PIDPressure] process IDs
} ({ $pressure })
clocks-off = { $n ->
    [one] the clock of node { $names } is
   *[other] the clocks of nodes { $names } are
} off against those of the others
nodes-unnoticed = { $n ->
    [one] node { $names } renews no lease and is
   *[other] nodes { $names } renew no lease and are
} called Ready all the same: no controller looks at nodes
target-flapping = { $component } { $instance } is flapping: it { $what }
comes-and-goes = { $what } comes and goes: { $times } times within { $window }, each time for less than { $patience }
alert-of = { $alert } of { $subject }

### The canary and checks

canary-fails = { $who } { $stage ->
    [swept] can't be made, since one of an earlier run is still there
    [written] can't be written
    [watched] is written, but a watch does not tell of it
    [read] is written, but can't be read back
    [admitted] is refused
    [scheduled] is not scheduled
    [pulled] does not get its image
    [volume] can't use its volume
    [dns] can't resolve a name of the cluster
    [running] does not start
    [ready] does not become ready
    [reachable] can't be reached from outside
   *[deleted] can't be deleted
} ({ $layer ->
    [authorization] our rights (RBAC)
    [setup] the canary's own set-up
    [admission] admission
    [quota] quota
    [apiserver] API server
    [etcd] etcd
    [watch_cache] watch cache of the API server
    [controller_manager] controller-manager
    [scheduler] scheduler
    [capacity] capacity: no node takes it
    [registry] registry
    [image] image
    [container_runtime] container runtime
    [cni] CNI
    [csi] CSI
    [kubelet] kubelet
    [kube_proxy] kube-proxy
   *[dns] DNS
}): { $why }
canary-lease = the canary's Lease
canary-pod = a canary pod{ $place }
canary-write = a write (a dry run of a Lease)
canary-place = { $kind ->
    [zone] {" "}in zone { $name }
   *[node] {" "}on node { $name }
}
canary-places = { $kind ->
    [zone] {" "}in { $n } of { $total } zones ({ $names })
   *[node] {" "}on { $n } of { $total } nodes ({ $names })
}
address-fails = { $address } { $how } for all { $n } checks that ask it: { $names }
answers-with-status = answers with HTTP { $status }
gateway-alone = { $what }; it lives, and reaches no service behind it (ingress, gateway or service mesh)
address-but-nodes = { $what }; { $behind }
balancer-but-nodes = load balancer { $what }; { $behind }
check-well-at-nodes = { $check } on { $ports } { $n ->
    [one] answers on its node
   *[other] answers on every node
}

### What to do first. Commands stand in backticks, and are the same in every language.

step-address-down = look at what stands in front of the API servers: load balancer, virtual IP, DNS of { $host }; its backends answer
step-overloaded = who asks so much? `kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels` and `dump_requests` beside it, `apiserver_request_total` by user agent; what was rolled out to every node lately; a FlowSchema for it with few shares brings the others back
step-server-etcd = ssh { $host }: the API server's log (`crictl logs $(crictl ps -q --name kube-apiserver)`) and the way from it to etcd: --etcd-servers, certificates, port 2379
step-server-dropped = packets to { $server } are dropped: firewall rules on { $host } (`nft list ruleset`, `iptables -S`) and between it and the watchdog; `ss -lnt` there shows whether the listen queue is full
step-server-silent = can { $host } be reached at all? `ping`, `ssh`, console; then firewalls between the watchdog and { $server }
step-server-name = `dig { $host }` on the watchdog's machine
step-server-hangs = ssh { $host }: `ps -o stat,wchan -C kube-apiserver` (state T is stopped, D waits for a disk), `top`, `crictl ps`; restart it
step-server-expired = ssh { $host }: `kubeadm certs check-expiration`, `kubeadm certs renew apiserver`, restart the API server
step-server-down = ssh { $host }: `crictl ps -a --name kube-apiserver`, `journalctl -u kubelet`, the container's last log (`crictl logs --tail 50 ID`)
step-hidden = from the watchdog's machine: `curl -skv https://{ $server }/livez` shows who answers; let the watchdog pass there (firewall, login, proxy), or give it the servers' own addresses in `apiserver.endpoints` instead of { $names }
step-throttled = who floods it? `kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels`, and `apiserver_flowcontrol_rejected_requests_total` in its /metrics; a proxy in front may limit us too
step-slow = the line first: `mtr { $host }`, and the `connect` and `tls` phases of its probes; then the load of { $host }; a far cluster wants a longer `timeout`
step-quorum-member = ssh to the host of { $member }: `crictl ps -a --name etcd` (or `systemctl status etcd`), `journalctl -u kubelet`, `df -h`; start the member again. Where its data is lost for good, restore from a snapshot; never remove members first
step-quorum = on a control-plane host: `etcdctl endpoint status --cluster -w table` and etcd's log (`crictl logs $(crictl ps -q --name etcd)`); look at the network between the members and at their disks
step-members-beyond = look at the network and the firewall between the watchdog and etcd's client port (2379): the members work for others
step-member-unborn = start the new member, or take it out of the list again: `etcdctl member list`, `etcdctl member remove ID`
step-member = ssh to the host of { $member }: `crictl ps -a --name etcd` (or `systemctl status etcd`) and its log; then `etcdctl endpoint status --cluster -w table`
step-alarm = { $alarm ->
    [NOSPACE] `etcdctl compact` to the current revision, `etcdctl defrag --cluster`, then `etcdctl alarm disarm`; raise --quota-backend-bytes if that does not help for long
    [CORRUPT] take a snapshot of a healthy member; then stop the corrupt one, remove it, empty its data directory and add it again
   *[other] `etcdctl alarm list`, and etcd's log
}
step-stranger = on { $host }: move kube-apiserver's manifest out of /etc/kubernetes/manifests; then stop that etcd, and look at its --data-dir, --initial-cluster and --initial-cluster-state before it joins again (`etcdctl member remove`, `member add`)
step-apart = find out which member differs from the majority (`etcdctl endpoint hashkv --cluster`, `endpoint status`); take a snapshot of a good one; then remove the other, empty its data directory and add it again
step-strays = compare `etcdctl member list` with the endpoints configured for dogwatch
step-elections = the disks of the members first: etcd's log (`crictl logs $(crictl ps -q --name etcd)`) for `slow fdatasync` and `overloaded network`, `etcd_disk_wal_fsync_duration_seconds` and `etcd_network_peer_round_trip_time_seconds`; then what else uses these disks
step-turns = on their hosts: `crictl ps -a --name kube-apiserver` shows restarts, `dmesg -T | grep -i oom` kills for want of memory; then who asks so much: `kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels`
step-first-packets = ssh { $host }: `conntrack -S` (insert_failed counts races of source NAT: iptables without `--random-fully`), `nstat -az TcpExtListenOverflows TcpExtListenDrops` (a full listen queue), `ip -s link` and `ethtool -S` (drops)
step-host = look at { $host } itself: power, console, network; `ping` and `ssh` it from another control-plane host
step-host-beyond = from the watchdog's machine: `ip route get { $address }`, `mtr { $address }`; then routers, VPN and firewall rules between the watchdog and { $who }
step-cluster-name = `dig { $host }` on the watchdog's machine and elsewhere: is it the name server, or the record?
step-cluster-silent = from the watchdog's machine: `ip route get { $host }`, `mtr { $host }`; then routers, VPN and firewalls on the way; ask the site whether it has power
step-no-leader = on the control-plane hosts: `crictl ps -a --name { $job }` and its log (`crictl logs $(crictl ps -aq --name { $job } | head -1)`)
step-leaders-beyond = look at the firewall between the watchdog and the control-plane hosts, and at --bind-address
step-leader-down = ssh { $host }: `crictl ps -a --name { $job }` and its log, `journalctl -u kubelet`
step-proxies = `crictl ps -a --name kube-proxy` on the node, and its log
step-kubelet-flaps = `journalctl -u kubelet` on { $node }: restarts, memory, network
step-target-flaps = ssh { $host }: `crictl ps -a --name { $job }` shows restarts; look for out-of-memory kills and failing liveness probes
step-node-gone = look at { $node } itself: power, console, network; `ping` and `ssh` it from another node
step-kubelet-down = ssh { $node }: `systemctl status kubelet`, `journalctl -u kubelet -n 50`, `crictl ps`
step-kubelet-beyond = look at the firewall between the watchdog and port 10250 of { $node }; `ssh { $node } ss -lntp`
step-node-runtime = ssh { $node }: `systemctl status containerd` (or crio), `journalctl -u containerd -n 50`, `crictl info`
step-node-network = ssh { $node }: `ls /etc/cni/net.d`, `crictl ps -a` for the network plugin's pod and its log
step-node-not-ready = `kubectl describe node { $node }`; ssh { $node }: `journalctl -u kubelet -n 50`, `crictl info`
step-kubelets-strange = nothing, where they are out of reach by design; else open port 10250 for the watchdog, or set `kubelet: {"{"}via: proxy{"}"}`
step-nodes-share = look at what { $what } share: power, switch, hypervisor, network segment, provider
step-nodes = { $kind ->
    [lost] look for what they share: rack, switch, hypervisor, power, network segment
    [silent] look for what they share: rack, switch, hypervisor, power, network segment
    [kubelet] look for what changed on all of them: an upgrade, a configuration, an expired certificate; `journalctl -u kubelet` there
    [beyond] look at the firewall between the watchdog and the nodes (port 10250)
    [runtime] ssh one of them: `systemctl status containerd` (or crio), `crictl info`, `df -h`
    [network] look at the network plugin's pods: `kubectl -n kube-system get pods -o wide`
   *[not-ready] `kubectl describe node` of one of them; look at the network plugin and the container runtime
}
step-pressure = { $pressure ->
    [MemoryPressure] `kubectl top pods -A --sort-by memory` and `kubectl describe node { $node }`; ssh { $node }: `ps aux --sort -rss | head`, `dmesg -T | grep -i oom`: which has no limit?
    [DiskPressure] ssh { $node }: `df -h /var/lib/kubelet /var/lib/containerd`, `du -xhd1 /var/lib | sort -h`, `crictl rmi --prune`; then who writes so much
   *[PIDPressure] ssh { $node }: `ps -eLf | awk '{"{"}print $2{"}"}' | sort | uniq -c | sort -n | tail`: which has most threads?
}
step-clocks = ssh { $node }: `chronyc tracking` (or `timedatectl`): is a source of time reached?
step-controllers = on the leader's host: `crictl logs $(crictl ps -q --name kube-controller-manager)`; restart it there, and another one takes over
step-scheduler = on the leader's host: `crictl logs $(crictl ps -q --name kube-scheduler)`; restart it there: `crictl stop $(crictl ps -q --name kube-scheduler)`, and another one takes over
step-scheduler-named = `kubectl get pods -A | grep { $name }`: is the scheduler { $name } there at all?
step-cron-jobs = `kubectl describe cronjob NAME`: its events tell why (too many missed starts, a quota, a webhook); and the controller-manager's log
step-addon = `kubectl -n { $namespace } describe { $kind } { $name }`; `kubectl -n { $namespace } rollout undo { $kind } { $name }` where it was changed
step-webhook = `kubectl -n { $namespace } get pods`: bring them back. If the webhook keeps its own pods from starting: `kubectl delete { $resource } { $name }` (its controller makes it anew)
step-backup-job = `kubectl -n { $namespace } describe cronjob { $name }` and the log of its last job
step-backup = `velero backup get`; `velero backup logs` of the last one; the storage location (`kubectl -n { $namespace } get backupstoragelocations`)
step-backup-snapshot = `kubectl -n { $namespace } get volumesnapshots`, `describe` of the last one of { $name }; the logs of snapshot-controller and of the CSI driver's csi-snapshotter; whatever makes them (a CronJob, an operator)
step-pods-fallen = `kubectl get events -A --field-selector reason=FailedCreate`: a webhook or a quota that refuses pods; without any, the controller-manager on the leader's host: `crictl logs $(crictl ps -q --name kube-controller-manager)`
step-deleted = stop whoever deletes: a pipeline, a GitOps tool with an empty source, a script; the audit log names it. What was there: `dogwatch state CLUSTER export --at 30m-ago`
step-events-flood = `kubectl -n { $namespace } get events --field-selector reason={ $reason } | tail`: who fails, and is tried again without a rest?
step-growing = `kubectl -n { $namespace } get { $resource } --sort-by=.metadata.creationTimestamp | tail`: who makes them?
step-cordoned = who works at { $names }? When it is done: `kubectl uncordon { $node }`
step-node-deleted = does the machine still run? Then restart its kubelet, which registers it anew: `ssh { $node } systemctl restart kubelet`. Who deleted it: the audit log, `delete` on nodes
step-node-reports = `kubectl describe node { $node }`; ssh { $node }: `dmesg -T | tail -50`, `df -h`, `journalctl -p err -n 50`
step-evicted-node = `kubectl describe node { $node }`: pressure, and what uses it; ssh { $node }: `df -h`, `free -m`
step-evicted = `kubectl get events -A --field-selector reason=Evicted`
step-memory-kills = what grew: its limit, or what it is asked to do? `kubectl top pods -A --sort-by=memory`
step-registry = does { $registry } answer, and does it take the pull secret? On a node: `crictl pull IMAGE`; don't drain or restart anything meanwhile
step-rollout = `kubectl -n { $namespace } describe { $kind } { $name }` and its pods; back to what ran: `kubectl -n { $namespace } rollout undo { $kind }/{ $name }`
step-rollouts = what do they share: an image, a node, a registry, a secret? `kubectl get pods -A | grep -v Running`
step-unplaced = `kubectl describe pod NAME` (its last event); room on nodes: `kubectl describe nodes | grep -A8 Allocated`; does the autoscaler add one?
step-claims = `kubectl describe pvc NAME` (its events); the provisioner's pods (the CSI driver's controller) and their log; is the storage full?
step-not-starting = { $why ->
    [addresses] the subnet or pool of these nodes is used up: add a range, or move pods elsewhere
    [sandbox] the network plugin's pod on these nodes and its log; `journalctl -u kubelet -u containerd -n 50`
    [volumes] the CSI driver's controller and its pod on these nodes; `kubectl get volumeattachments`
   *[quota] `kubectl -n NAMESPACE describe resourcequota`
}
step-namespaces = `kubectl get namespace { $name } -o yaml`: its conditions name the API or the finalizer that holds it; bring back what would remove that, rather than cut the finalizer
step-workers-gone = `kubectl get nodes`; compare it with the machines of the cloud or the hypervisor; who deletes nodes: an autoscaler, the cloud controller manager, a person (audit log)?
step-workers-added = `kubectl get nodes --sort-by=.metadata.creationTimestamp`; look at what made the autoscaler grow: pods that are pending, or one workload that was scaled up
step-api-away = `kubectl get apiservice { $api }`; the pods behind the service { $service }
step-requests = `kubectl get csr`; is the controller-manager, which approves kubelets' requests, well? By hand: `kubectl certificate approve NAME`, when you know who asks
step-refused-by-one = ssh { $host }: the API server's log and its flags for authentication and authorization beside those of another one, its clock, its way to etcd
step-renew-etcd-client = put a new etcd client certificate (signed by etcd's CA) where `cert_file` and `key_file` point
step-renew-kubeconfig = make a new kubeconfig for dogwatch (deploy/rbac.yaml, or `kubeadm kubeconfig user`) and put it in the old one's place
step-compare-clocks = compare the clocks of the watchdog and the cluster
step-apply-rbac = apply dogwatch's RBAC manifest (deploy/rbac.yaml) and bind it to the user that the kubeconfig names
step-token-renew = mend why it can't be renewed (the right: `kubectl apply -f deploy/token-rbac.yaml`; `dogwatch doctor` looks at it); after its end, put a new kubeconfig in the old one's place (`dogwatch init --apply --token-lifetime 30d`)
step-token-replace = put a new one into the kubeconfig before then (`kubectl -n { $namespace } create token { $name } --duration 720h`), or have dogwatch renew it (`renew_token: true`)
step-cert-kubeconfig = make a new kubeconfig for dogwatch before then (`kubeadm kubeconfig user`) and put it in the old one's place
step-cert-etcd-client = sign a new one with etcd's CA (`kubeadm certs renew etcd-healthcheck-client`) and copy it to the watchdog
step-cert-ca = make a new CA and all that it signed anew (https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/; k3s and RKE2: `k3s certificate rotate-ca`), then put it into every kubeconfig, this one too
step-cert-servers = `kubeadm certs check-expiration` and `kubeadm certs renew all` on each control-plane host, then restart its components; elsewhere as your CA has it
step-cert-kubelets = on the node: `serverTLSBootstrap` with `rotateCertificates`, approve pending CSRs (`kubectl get csr`); a kubelet that signs its own certificate makes a new one when `/var/lib/kubelet/pki/kubelet.crt` is removed and it is restarted
step-cert-name = add the name or address to the certificate (`kubeadm init phase certs apiserver --apiserver-cert-extra-sans`), or set `tls-server-name` in the kubeconfig
step-cert-issuer = was the CA renewed, or does another server answer there? compare { $of ->
    [etcd] etcd's `ca_file`
   *[kubeconfig] the CA in our kubeconfig
} with the issuer presented (`openssl s_client -connect { $server } -showcerts`); copy the new CA if it is yours
step-canary = { $layer ->
    [authorization] grant what the message names: `kubectl apply -f canary-rbac.yaml` (deploy/)
    [setup] compare the canary's configuration with what the message says is missing (docs/canary.md)
    [image] look at the pod while it runs: `kubectl -n dogwatch-canary describe pod`; try its image by hand
    [admission] look at what refuses it: `kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies`, and whether the webhook's own pods run
    [quota] see what fills it: `kubectl -n dogwatch-canary describe resourcequota,limitrange`
    [apiserver] read the logs of the API server and of etcd for slow or failing requests; free space of etcd's disk
    [etcd] read the logs of the API server and of etcd for slow or failing requests; free space of etcd's disk
    [watch_cache] that server's clients see old objects: read its log for watch errors towards etcd; restart it if it does not catch up
    [controller_manager] see who leads: `kubectl -n kube-system get lease kube-controller-manager`, and its log
    [scheduler] see who leads: `kubectl -n kube-system get lease kube-scheduler`, and the scheduler's log
    [capacity] see what keeps nodes from it: `kubectl get nodes`, taints, `kubectl top nodes`, the autoscaler
    [registry] ask the registry from the node that is named: `crictl pull IMAGE`; then the registry itself
    [container_runtime] on the node that is named: `systemctl status containerd` (or crio), `crictl info`, its log
    [cni] on the node that is named: the CNI's pod, /etc/cni/net.d, `crictl info | grep -A5 Network`
    [csi] `kubectl -n dogwatch-canary describe pvc`, then the CSI driver's controller and its pod on the node
    [kubelet] on the node that is named: `systemctl status kubelet`, `journalctl -u kubelet`
    [kube_proxy] on the node that is named: kube-proxy's pod and log (`curl localhost:10256/healthz`), or what takes its place
   *[dns] `kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide`, their logs, and the Service kube-dns
}
step-check = ask it as dogwatch does, on the watchdog's machine: `dogwatch probe { $check } --verbose`; then look at what serves { $at }
step-check-at-nodes = ask it as dogwatch does, on the watchdog's machine: `dogwatch probe { $check } --verbose`; then look at what serves it on the nodes that are named
step-balancer = look at the load balancer at { $address }: its backends and their health checks, its certificate, the way from it to the nodes
step-address = look at what stands at { $address } (a load balancer, an ingress, a host) before what is behind it: `dogwatch probe { $check } --verbose` on the watchdog's machine shows how it fails
step-cut-off = look at the watchdog's own machine: its link, its default route and its gateway (ip link; ip route)
step-own-files = see who holds them (`ls -l /proc/$(pidof dogwatch)/fd`) and raise the limit (`LimitNOFILE=` in its unit, fs.file-max of the machine)
step-own-ports = see who holds them (`ss -s`; `ss -tan state time-wait | wc -l`), and widen net.ipv4.ip_local_port_range
step-own-memory = look at the machine's memory (`free -m`; `cat /proc/net/sockstat`; dmesg) and at the limits of dogwatch's cgroup
step-own-firewall = look at the machine's own rules (`nft list ruleset`; `iptables -S OUTPUT`) and at who changed them
step-own-proxy = try it from the watchdog's machine (`curl -v -x http://PROXY https://API-SERVER/livez`); it is the kubeconfig's `proxy-url`, or HTTPS_PROXY of the watchdog's environment
step-own-resolver = ask it from the watchdog's machine (`getent hosts NAME`; `resolvectl status`; /etc/resolv.conf); addresses in place of names in the kubeconfig make it needless
step-own-ping = let the kernel (`sysctl net.ipv4.ping_group_range="0 2147483647"`), or give the service `AmbientCapabilities=CAP_NET_RAW`; in a container, the capability NET_RAW
step-own-tls = serve a certificate of another kind (RSA of 2048 bits, P-256), or watch these targets by other means
step-store-taken = find out who touches its data directory: nothing was lost this time
step-store-anew = keep the old file if its history matters to you; restore a backup if there is one
step-store-failing = look at the disk of the watchdog's machine (df -h, mount, dmesg) and at the message above
step-not-watched = mend what the message names and run `dogwatch check`; the watchdog tries again by itself
step-alerts-untold = look at /alerts for what they have in common; silence it, or group it with `group_by`
step-messages-dropped = look at why the receivers take so little; silence the storm, or group it with `group_by`
step-receiver = look at the answer above; `dogwatch drill --receiver` proves when it works again
step-proof = run `dogwatch drill` by hand: it shows where the path ends
rule-failing = the rule { $rule } can't be evaluated
step-rule = run the expression by hand: dogwatch query '{ $expr }'
peer-silent = { $who } is not heard
other-watchdog = the other watchdog
watchdog-named = the watchdog { $name }
peer-configured = this watchdog and { $name } are configured differently
peer-clock = the clock of the watchdog { $name } differs from this one's by { $by }
step-peer-silent = look at the other machine: systemctl status dogwatch
step-peer-configured = compare clusters, routes, receivers' names and external_labels of both: `dogwatch check --explain` on each
seen-by-one = seen from { $from }; { $not_from } sees nothing
seen-by-one-path = seen from { $from }, not from { $not_from }: it may be the path from { $from }
peer-sees = { $cluster }: { $what }: seen from { $from }, not from { $not_from }
step-peer-sees = look from the machine of { $from } and from that of { $not_from } at the same address
path-or-sight = either the path from { $from }, or the sight of { $not_from }
sees-no-harm = what { $not_from } sees of { $cluster } is well
step-peer-clock = timedatectl on both: one of them has lost its time server
step-job-late = look whether it was started at all (kubectl get cronjobs,jobs -A; systemctl list-timers) and whether it reaches the watchdog; then run it by hand
step-job-refused = look at what it made (is it complete, can it be restored?) and at its own log; its next success ends this
step-job-failed = read what it sent (below, and on the page) and its own log; its next success ends this
step-job-too-long = look whether it still makes progress or waits for something (a lock, a mount, a peer) before you end it
step-monitoring = look at Prometheus inside the cluster (is it running, does it send: prometheus_notifications_dropped_total, its log) and at the way from there to the watchdog
step-restore-too-long = look at which step it is, and report its end: `done`, or `fail` where it can't be restored so
step-restore-failed = find out what is missing (the backup, its key, a step that nobody wrote down), mend it, and drill again
step-restore-missed = see which step takes the time, or how often backups are made; change that or the objective, and drill again
step-restore-overdue = plan a drill, and open it with `dogwatch drill restore { $drill }`: its end ends this

### Certificates and credentials

expires = { $when ->
    [over] { $whose } expired on { $date }
    [day] { $whose } expires within a day, at { $at }
    [week] { $whose } expires within a week, on { $date }
   *[later] { $whose } expires on { $date }
}
token-ends = { $when ->
    [over] our token ({ $subject }) ended on { $date }
    [day] our token ({ $subject }) ends within a day, at { $at }
   *[later] our token ({ $subject }) ends on { $date }
}{ $how ->
    [failed] , and renewing it fails: { $why }
    [not-yet] , and was not renewed yet
   *[others] , and nobody has put a new one into the kubeconfig
}
cert-of-kubeconfig = our client certificate in the kubeconfig ({ $subject })
cert-of-etcd-client = our etcd client certificate ({ $subject })
cert-of-ca = { $of ->
    [etcd] the CA in etcd's `ca_file` ({ $subject })
   *[kubeconfig] the CA in the kubeconfig ({ $subject })
}
cert-of-kubelet = the serving certificate of the kubelet on { $node }
cert-of-kubelets = the serving certificates of { $n } kubelets are running out: the first, of { $node },
cert-of-one = certificate { $subject } of { $component } { $instance }
cert-of-several = certificate { $subject } of { $n } { $component }
cert-of-targets = certificate { $subject } of { $n } targets
cert-wrong-name = the { $whose } certificate does not carry the name by which we call: { $why }
cert-wrong-ca = the { $whose } certificate is not signed by { $ca ->
    [etcd] etcd's `ca_file`
   *[kubeconfig] the CA in our kubeconfig
}
component-possessive = { $n ->
    [one] { $component }'s
   *[other] { $component }'
}
ca-refused = { $over ->
    [yes] whoever trusts this CA refuses all that it signed: kubectl, kubelets, controllers
   *[no] whoever trusts this CA will refuse all that it signed: kubectl, kubelets, controllers
}
certificate-refused = { $over ->
    [yes] clients that check certificates refuse to connect there
   *[no] clients that check certificates will refuse to connect there
}
watchdog-refused = { $over ->
    [yes] the cluster refuses the watchdog, which sees less of it
   *[no] the cluster will refuse the watchdog, which then sees less of it
}
refuse-our-credentials = { $who } { $n ->
    [one] refuses our credentials
   *[other] refuse our credentials
}
they-live-unknown = { $what }: they live, but their health is unknown
credentials-refused = our credentials are refused by { $who }: { $why }
with-code = { $what } ({ $code })
others-accept = the others accept them, so that { $n ->
    [one] it is at fault
   *[other] they are at fault
}
certificate-expired-on = { $of ->
    [etcd] our etcd client certificate expired on { $date }
   *[kubeconfig] the client certificate in the kubeconfig expired on { $date }
}
token-ended-on = the token in the kubeconfig ended on { $date }
certificate-not-yet = { $of ->
    [etcd] our etcd client certificate is not valid before { $at }
   *[kubeconfig] the client certificate in the kubeconfig is not valid before { $at }
}
not-allowed = they know us, but don't allow this (RBAC)
not-known = they don't know us: the token or certificate in the kubeconfig is not valid there (another CA, revoked, or expired)
answers-so-lives = { $n ->
    [one] { $names } answers: it lives
   *[other] { $names } answer: they live
}

### What still works

components-answer = { $who } { $n ->
    [one] answers
   *[other] answer
}
containers-go-on = { $what }: running containers go on
etcd-keeps-quorum-as = etcd keeps quorum: { $proof }
etcd-healthy = etcd is healthy ({ $total } of { $total })
etcd-keeps-quorum = etcd keeps quorum ({ $alive } of { $total })
etcd-serves-reads = etcd serves reads
leaders-lead = scheduler and controller-manager lead

### The watchdog itself

cut-off = the watchdog itself is cut off from the network: no cluster is judged until it sees again
nothing-known-against = nothing is known against any cluster: their last verdicts are kept
seen-when-back = an outage that begins now would be seen only when the watchdog is back
nothing-known-against-seen = nothing is known against any cluster: what was last known of them is kept
outage-unseen = an outage that begins there now would not be seen
fault-hides = { $what }: { $targets ->
    [one] 1 target
   *[other] { $targets } targets
} of { $clusters ->
    [one] cluster
   *[other] clusters
} { $names } can't be seen
fault-files = the watchdog has no file descriptors left
fault-ports = the watchdog's machine has no local address or port left to connect from
fault-memory = the watchdog's machine has no memory left for connections
fault-firewall = a firewall on the watchdog's own machine forbids its connections
fault-proxy = the proxy { $proxy } that we use is down, or opens no way
fault-resolver = the resolver of the watchdog's machine answers for no name
fault-ping = the watchdog's user may not ping
fault-tls = dogwatch's TLS library does not know { $what }
store-taken-away = the watchdog's database was taken away while it ran
store-anew = the watchdog had to begin its history anew
store-failing = the watchdog can't write its history; it goes on probing and notifying from memory
probing-goes-on = probing, verdicts and notifications
lost-at-restart = what happens now is lost if the watchdog is restarted before it can write again
not-watched = cluster { $cluster } is not being watched
alerts-untold = more alerts fire than are told one by one: a limit is reached
messages-dropped = messages are dropped: more than { $n } wait for their receivers
receiver-failing = the receiver { $receiver } { $refused ->
    [yes] refuses messages
   *[no] does not take messages
}
proof-missing = the drill's proof of delivery is missing: alarms may not arrive

## Pages: what every page has.

nav-pages = Pages
nav-incidents = Incidents
nav-alerts = Alerts
nav-silences = Silences
nav-heartbeats = Heartbeats
nav-report = Report
nav-runbooks = Runbooks
nav-audit = Audit
as-of = as of { $at }
page-unsaved = The watchdog can't write to its disk: what is handed in now holds, but a restart before it can write again would lose it.
log-out = Log out
logged-in-as = logged in as { $user }
fresh-every = fresh every { $n } s
link-metrics = metrics
link-state = state as JSON
state = { $state ->
    [up] up
    [suspect] suspect
    [down] down
    [flapping] flapping
   *[unknown] unknown
}
severity = { $severity ->
    [critical] critical
    [warning] warning
   *[info] info
}
incident-state = { $incident-state ->
    [open] open
   *[resolved] resolved
}
for-time = for { $time }
time-ago = { $time } ago
silenced-by = Silenced by { $who } until { $until }.
silenced-for = Silenced by { $who } until { $until }: { $why }.
looks-after-it = { $who } looks after it
looks-after-it-for = { $who } looks after it, for { $time }.
nobody-looks-after-it = Nobody looks after it
i-look-after-it = I look after it
silence-it-button = Silence it
silence-it = silence it
broken-because-of-it = Broken because of it
also-wrong = Also wrong
silenced = silenced
for-since = for { $lasted }, since { $at }
show = Show
there-is-none = There is none.
and-more-listed = and { GROUP($n) } more, listed in { $where }
all-clusters = All clusters
nothing-written = Nothing is written down yet.
runbook-link = runbook
job-title = { $kind ->
    [kube-apiserver] API servers
    [etcd] etcd members
    [kube-scheduler] Schedulers
    [kube-controller-manager] Controller managers
    [kubelet] Kubelets
    [kube-proxy] kube-proxies
   *[check] Checks
}

### The first page

advertised-address-note = advertised address
and-more-open = and { $n }
more-open-incidents = { $n ->
   *[other] more open incidents
}
and-n-others = { $what } (and { $n } more)
as-last-seen = as last seen
canary = Canary
gap = { $what } not watched: { $why }
gap-how = To watch it, { $how }.
lately-resolved = Lately resolved
resolved-lasted = resolved { $ago } ago, lasted { $lasted }
all-incidents = All incidents
watchdog-itself = The watchdog itself
line-cut-off = The watchdog itself is cut off, so it accuses no cluster. { $why }
line-no-cluster = No cluster is configured.
line-no-target = No target is known yet: no API server has told what there is.
n-clusters = { $n ->
    [one] { GROUP($n) } cluster
   *[other] { GROUP($n) } clusters
}
line-one-up = { $n ->
   *[other] The one target of { $of } is up.
}
line-all-up = All { GROUP($n) } targets of { $of } are up.
line-not-up = No open incident, but { GROUP($n) } of { GROUP($total) } targets { $n ->
    [one] is
   *[other] are
} not up: { $kinds }.
line-not-watched = Not watched: { $names }.
line-not-watched-everywhere = Not watched everywhere: { $names }.
n-in-state = { GROUP($n) } { $state ->
    [up] up
    [suspect] suspect
    [down] down
    [flapping] flapping
   *[unknown] unknown
}
no-targets-yet = no targets yet
all-n-up = all { GROUP($n) } up
n-up-and = { GROUP($n) } up, { $others }
n-more-not-up = { GROUP($n) } more not up
all-n-of-fold-up = { GROUP($n) } up
checks-of-no-cluster = Checks of the configuration that belong to no cluster.
api-last-read = Its API was last read { $ago } ago.
api-not-read-yet = Its API has not been read yet.
api-unreadable = Its API can't be read ({ $why }). The targets are those known at { $at }, { $ago } ago.
api-never-read = Its API has never been read: { $why }
last-failed-ago = last failed { $ago } ago: { $why }
check-at = { $check } at { $node }
last-run-ago = last run { $ago } ago
failing-for = for { $time }: { $why }
heartbeat-state = { $state ->
    [new] new
    [ok] ok
    [running] running
    [late] late
    [failed] failed
    [too-long] too long
   *[paused] paused
}

### Incidents and alerts

resolved-title = resolved: { $what }
resolved-badge = resolved
ended-badge = ended
lasted-from-to = lasted { $lasted }, from { $from } to { $to }
over-untold = It was over before anybody was told.
not-told-yet = Nobody has been told yet: it may mend itself, or it is muted.
what-happened = What happened
somebody-noted = { $who } noted:
notes-unreadable = Notes can't be read: { $why }
add-a-note = Add a note
as-markdown = As Markdown, for a post-mortem
findings = Findings
now-part-of = now part of
ended-at = ended { $at }
told-to-nobody = told to nobody
told-if-it-lasts = told if it lasts
caused-by = caused by
who-was-told = Who was told
deliveries-unreadable = The deliveries can't be read: { $why }
older-attempts = { $n } older attempts are not listed here.
message-to = message { $message } to { $receiver } in { $took }
nobody-while-silenced = Nobody, while it is silenced.
no-attempt-yet = No attempt yet.
incident-as-json = This incident as JSON
history-unreadable = Those that ended earlier can't be read: { $why }
incident-number = incident { $id }
open = open
lasted = lasted { $lasted }
none-before = There is none before that.
newest = Newest
older = Older
earlier-ones = earlier ones
none-is-open = none is open
n-are-open = { $n ->
    [one] { GROUP($n) } is open
   *[other] { GROUP($n) } are open
}
filter-cluster = Cluster
filter-severity = Severity
filter-state = State
filter-since = Since
filter-all = all
filter-any = any
filter-open-and-resolved = open and resolved
any-time = any time
since-last-day = the last day
since-last-week = the last week
since-last-30-days = the last 30 days
since-last-90-days = the last 90 days
n-told = { $n } told
alerts-what = Everything that fires, of the diagnosis, of rules and from outside: who is told of it, or why nobody is.
nothing-fires = Nothing fires.
nothing-fires-but = Nothing fires but what is explained below.
explained-by-incident = Explained by an incident
explained-what = These are listed in their incident and not told by themselves.
over-looking-back = over; its alerts still look back
n-alerts = { $n ->
    [one] { $n } alert
   *[other] { $n } alerts
}
and-more-alerts-listed = and { $n } more alerts, listed in { $where }
not-told-by-itself = not told by itself: { $by }
alert-silenced-by = silenced by { $by }
alert-inhibited-by = inhibited by { $by }
alert-muted-by = muted by { $by }
no-route-takes-it = no route takes it
alert-told-to = told to { $by }

### Heartbeats and silences

heartbeats-what = Jobs that report in. Nobody waits for one that is paused; one that is resumed begins anew.
size = size { $size }
pause = Pause { $what }
resume = Resume { $what }
no-heartbeat = No heartbeat is configured.
restore-drills = Restore drills
no-restore-drill = No restore drill is configured.
silences-what = What they match is not told; whoever was told of a beginning is told of the end.
new-silence = New silence
silence-state = { $state ->
    [to-come] to come
    [in-force] in force
   *[ended] ended
}
silence-by-from-to = by { $who }, from { $from } to { $to }
begins-in = begins in { $time }
ends-in = ends in { $time }
ended-ago = ended { $time } ago
change-or-extend = Change or extend
silence-again = Silence again
end-it-now = End it now
no-silence = No silence is in force, to come or lately ended.
change-a-silence = Change a silence
crumb-change = Change
crumb-new = New
silence-change-what = With other conditions it ends, and a new one takes its place: the past stays as it was.
conditions-label = Conditions, one a line; all must hold
how-long-label = For how long, or until when (UTC)
how-long-example = 2h, or 2026-11-24 22:00
from-when-label = From when on, if not now (UTC)
who-label = Who
why-label = Why
change-it = Change it
silence-button = Silence
show-preview = Show what it would silence
preview-title = What it would silence

### Forms, logging in, and the rest

crumb-incident = Incident { $id }
crumb-acknowledge = Acknowledge
crumb-note = Note
your-name = Your name
acknowledge-what = Who looks after it? Nobody else is called then, and reminders rest; what gets worse is told all the same.
note-title = Note: { $what }
note-what = What was tried, seen or learnt: it stands in the timeline with name and time, and in the text for a post-mortem.
keep-it = Keep it
log-in = Log in
log-in-what = This dogwatch shows itself to those who are known at { $issuer }.
log-in-at = Log in at { $issuer }
issuer-silent = Does it not answer?
log-in-by-password = Log in by a password
password-known-here = that dogwatch itself knows.
nothing-here = Nothing here
what-there-is = What there is:
lost-home = what is wrong, and every target
lost-incidents = what is and what was
lost-alerts = what fires, and who is told
lost-silences = what nobody is told of
lost-runbooks = what to do, for every alert
lost-metrics = for Prometheus
lost-state = the same as JSON
lost-api-incidents = incidents, open and lately resolved
word-and = and
lost-health = for whoever watches the watchdog
cluster-as-last-seen = { $cluster } as last seen
recorded-what = What
recorded-search = Search
recorded-namespace = Namespace
recorded-at = At
recorded-table = What is recorded
recorded-left-out = { $n } more are not shown: search, or choose a namespace.
audit-title = Who did what
newest-first = The newest first.
as-json = As JSON
from-address = from { $address }
earlier = Earlier

### A target

n-times = { $n } times
target-is = { $target } is { $state }
state-for = { $state } for
ago-since = { $lasted }, since { $at }
job = Job
node = Node
last-success = Last success
never-seen = never seen
probes-succeeded = Probes that succeeded
share-in = in { $over }
probed = Probed
every-deadline = every { $every }, deadline { $deadline }
part-of-incident = Part of the incident
chart-range = How far the chart looks back
chart-title = How long its probes took, and when they failed
chart-longest = From { $from } to { $to } the longest probe took { $took }.
chart-none-failed = None failed.
chart-failed = Probes failed in { $n } of { $parts ->
    [one] { GROUP($parts) } part
   *[other] { GROUP($parts) } parts
} of { $each } each, the last from { $at } on.
past-unreadable = Not all of its past can be told now: { $why }
nothing-measured = Nothing was measured yet.
fires-about-it = What fires about it
newest-probe = The newest probe
failed = failed
succeeded = succeeded
checks-that-fail = Checks that fail
phase = Phase { $phase }
certificates-presented = Certificates presented
certificate-until = by { $issuer }, until { $until }, { $left } left
certificate-over = by { $issuer }, expired on { $until }, { $ago } ago
checks-pass = { $n } checks pass
its-steps = Its steps
last-results = The last results
earlier-states = Earlier states
from-time = from { $at }
state-ever-since = { $state } ever since it was first seen, or for as long as history is kept.
last-failed = The last failed probes
none-since-start = None since the watchdog started.
last-hour = The last hour
last-six-hours = The last six hours
last-24-hours = The last 24 hours
last-seven-days = The last seven days
last-30-days = The last 30 days

## The report.

report-title = Availability: { $what }
report-span = From { $from } to { $to }, made { $made }. Times are in { $zone }. How it is counted: docs/availability.md.
report-subject = Report of { $what }
report-last = the last { $time }
report-none = None.
report-nothing-known = nothing is known
report-days = { $n } d
report-yes = yes
report-no = no
report-not-known = not known
report-never = never
report-lasts = lasts
report-objectives = Objectives
report-clusters = Clusters
report-components = Components
report-worst = Targets that were down longest
report-certificates = Certificates that come due
report-average = On average detected after { $detected }, acknowledged after { $acknowledged }, restored after { $restored }.
report-more = There were more; these are the newest.
head-objective = objective
head-wanted = wanted
head-available = available
head-met = met
head-down = down
head-allowed = allowed
head-budget-left = budget left
head-name = name
head-outages = outages
head-longest = longest
head-maintenance = maintenance
head-unseen = unseen
head-unknown = unknown
head-id = id
head-cluster = cluster
head-severity = severity
head-began = began
head-what = what
head-cause = cause
head-detected = detected
head-acknowledged = acknowledged
head-restored = restored
head-ends = ends
head-subject = subject
head-where = where
head-seen-at = seen at
head-heartbeat = heartbeat
head-successes = successes
head-last-success = last success
head-troubles = troubles
head-in-all = in all
head-longest-run = longest run
head-drill = drill
head-done = done
head-last = last
head-how = how
head-took = took
head-rto = RTO
head-data-was = data was
head-rpo = RPO

## Heartbeats.

expected-every = every { $time }
expected-at = at { $times } in { $zone }
no-success-ever = it has never reported a success
last-success-at = last success { $at }
job-late = the job { $job } is late: { $last }, expected { $expected }
job-refused = the job { $job } reported in, but { $why }; { $last }
job-failed = the job { $job } failed with exit status { $status }; { $last }
job-says-failed = the job { $job } says that it failed; { $last }
job-too-long = the job { $job } runs longer than { $max }: it began at { $at }
job-overdue = the job { $job } does not end: its success is overdue
job-overdue-since = the job { $job } does not end: its success is overdue, began at { $at }
job-purpose-missing = what the job is for (a backup, a renewal, a drill) is missing
monitoring-silent = the monitoring inside is silent: no { $alert } for { $time }
restore-too-long = the restore drill { $drill } takes longer than its objective of { $rto }: it began at { $at }
restore-failed = the restore drill { $drill } failed at { $at }{ $said }
restore-said = : { $said }
restore-missed = the restore drill { $drill } did not meet its objectives: { $missed }
restore-missed-rto = it took { $took }, and may take { $rto }
restore-missed-rpo = it had data that was { $age } old, and may be { $rpo }
restore-overdue = the restore drill { $drill } is overdue: { $last }
restore-last-done = the last one was done at { $at }
restore-never-done = none has ever been done
