### Français. Tous les messages sont dans en.ftl ; ce qui manquerait ici serait dit en anglais.

## Nombres, durées et moments (format de strftime).

thousands-separator = {" "}
decimal-separator = ,
number = { GROUP($n) }
list-and = { $head } et { $last }
list-more = { $n ->
    [one] { $n } autre
   *[other] { $n } autres
}
duration-none = moins de 1 s
duration-seconds = { $n } s
duration-minutes = { $n } min
duration-hours = { $n } h
duration-days = { $n ->
    [one] { GROUP($n) } jour
   *[other] { GROUP($n) } jours
}
duration-two = { $large } { $small }
moment-format = %d/%m/%Y %H:%M:%S %Z
time-format = %H:%M:%S %Z
date-format = %d/%m/%Y
month-title = { $month ->
    [1] janvier
    [2] février
    [3] mars
    [4] avril
    [5] mai
    [6] juin
    [7] juillet
    [8] août
    [9] septembre
    [10] octobre
    [11] novembre
   *[other] décembre
} { $year }

## Messages.

drill-mark = [EXERCICE]
drill-notice = Ceci est un exercice : rien n'est en panne.
and-more-problems = { $what } (et { $n ->
    [one] { $n } autre problème
   *[other] { $n } autres problèmes
})
fleet-headline = { $what } ; même chose dans { $where }, { $shared }
fleet-machines-of = à chaque fois de { $trait } { $value }
fleet-machines-with = à chaque fois avec { $trait } { $value }
fleet-change = après le même changement : { $what }
fleet-address = à chaque fois derrière { $address }
fleet-network = à chaque fois dans le réseau { $network }
fleet-unknown = au même moment ; on ne sait pas pourquoi
fleet-the-same = même chose dans { $cluster } depuis { $at } (incident { $incident }) : { $what }
fleet-well-again = terminé dans { $cluster } depuis { $at } (incident { $incident }) : { $what }
fleet-part-of = fait partie de l'incident { $incident } de { $cluster }, annoncé pour les deux : même chose là-bas, { $shared }
fleet-beside = même chose dans { $cluster } (incident { $incident }, annoncé à d'autres), { $shared }
subject-worse = Aggravation : { $what }
subject-update = Du nouveau : { $what }
subject-still = Toujours en cours après { $time } : { $what }
subject-unwatched = N'est plus surveillé : { $what }
subject-resolved = Rétabli après { $time } : { $what }
status-problem = PROBLÈME
status-worse = AGGRAVATION
status-update = DU NOUVEAU
status-still = TOUJOURS EN COURS
status-unwatched = N'EST PLUS SURVEILLÉ
status-resolved = RÉTABLI
when-open = Depuis le { $began }, soit { $lasted } au moment de ce message.
when-over = Du { $began } au { $end } : { $lasted }.
since = depuis le { $at }
over-since = terminé depuis le { $at }
and-n-more = et { $n ->
    [one] { $n } autre
   *[other] { $n } autres
}
n-more-lines = { $n ->
    [one] { $n } ligne de plus
   *[other] { $n } lignes de plus
}
n-more-problems = { $n ->
    [one] { $n } autre problème
   *[other] { $n } autres problèmes
}
see-the-page = voir la page
footer = incident { $incident }, message { $message }
runbook-at = Procédure : { $url }
read-the-runbook = Lire la procédure
open-dogwatch = Ouvrir dogwatch
first-step = À faire en premier
still-works = Ce qui fonctionne encore
what-was-seen = Ce qui a été constaté
what-changed = Ce qui a changé auparavant
because-of-it = Conséquences
also-in-it = Aussi dans cet incident
change-before = { $what } ({ $apart } avant, à { $at })
change-after = { $what } (constaté { $apart } après, à { $at })
change-unseen = { $what } (entre le { $from } et le { $to }, pendant que dogwatch ne regardait pas)

## Le diagnostic et ses parties.

component = { $kind ->
    [kube-apiserver] { $n ->
        [one] serveur API
       *[other] serveurs API
    }
    [etcd] { $n ->
        [one] membre etcd
       *[other] membres etcd
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
       *[other] kube-proxys
    }
   *[check] { $n ->
        [one] contrôle
       *[other] contrôles
    }
}
all-components = { $kind ->
    [kube-apiserver] { $n ->
        [1] le serveur API
        [2] les deux serveurs API
       *[other] les { $n } serveurs API
    }
    [etcd] { $n ->
        [1] le membre etcd
        [2] les deux membres etcd
       *[other] les { $n } membres etcd
    }
    [kube-scheduler] { $n ->
        [1] le scheduler
        [2] les deux schedulers
       *[other] les { $n } schedulers
    }
    [kube-controller-manager] { $n ->
        [1] le controller-manager
        [2] les deux controller-managers
       *[other] les { $n } controller-managers
    }
    [kubelet] { $n ->
        [1] le kubelet
        [2] les deux kubelets
       *[other] les { $n } kubelets
    }
    [kube-proxy] { $n ->
        [1] le kube-proxy
        [2] les deux kube-proxys
       *[other] les { $n } kube-proxys
    }
   *[check] { $n ->
        [1] le contrôle
        [2] les deux contrôles
       *[other] les { $n } contrôles
    }
}
some-components = { $n } { $kind ->
    [kube-apiserver] { $n ->
        [one] serveur API
       *[other] serveurs API
    }
    [etcd] { $n ->
        [one] membre etcd
       *[other] membres etcd
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
       *[other] kube-proxys
    }
   *[check] { $n ->
        [one] contrôle
       *[other] contrôles
    }
} sur { $total }
fails-so = { $how ->
    [refused] { $n ->
        [one] refuse les connexions
       *[other] refusent les connexions
    }
    [silent] { $n ->
        [one] ne répond pas
       *[other] ne répondent pas
    }
    [unreachable] { $n ->
        [one] est injoignable
       *[other] sont injoignables
    }
    [dns] { $n ->
        [one] a un nom qui ne se résout pas
       *[other] ont des noms qui ne se résolvent pas
    }
    [hangs] { $n ->
        [one] accepte les connexions puis reste bloqué
       *[other] acceptent les connexions puis restent bloqués
    }
    [handshake] { $n ->
        [one] échoue à la négociation TLS
       *[other] échouent à la négociation TLS
    }
    [expired] { $n ->
        [one] présente un certificat expiré
       *[other] présentent un certificat expiré
    }
    [ca-expired] { $n ->
        [one] est certifié par une autorité (CA) expirée
       *[other] sont certifiés par une autorité (CA) expirée
    }
    [untrusted] { $n ->
        [one] présente un certificat auquel on ne peut se fier
       *[other] présentent des certificats auxquels on ne peut se fier
    }
    [credentials] { $n ->
        [one] refuse nos identifiants
       *[other] refusent nos identifiants
    }
    [wrong] { $n ->
        [one] répond de travers
       *[other] répondent de travers
    }
    [etcd] { $n ->
        [one] échoue à cause d'etcd
       *[other] échouent à cause d'etcd
    }
    [sick] { $n ->
        [one] n'est pas en bonne santé
       *[other] ne sont pas en bonne santé
    }
    [slow] { $n ->
        [one] répond lentement
       *[other] répondent lentement
    }
    [throttles] { $n ->
        [one] nous limite
       *[other] nous limitent
    }
    [hidden] { $n ->
        [one] est caché derrière autre chose qui répond
       *[other] sont cachés derrière autre chose qui répond
    }
   *[unseen] { $n ->
        [one] ne peut être vu, pour une raison de notre côté
       *[other] ne peuvent être vus, pour une raison de notre côté
    }
}
are-down = { $sure ->
    [certain] { $n ->
        [one] est en panne
       *[other] sont en panne
    }
    [likely] { $n ->
        [one] est probablement en panne
       *[other] sont probablement en panne
    }
   *[open] { $n ->
        [one] échoue, la cause n'est pas connue
       *[other] échouent, la cause n'est pas connue
    }
}
who-fails-so = { $who } { $how }
one-and-others = { $one } ; { $others }
who-is-down = { $who } { $down } : { $by }{ $though }
who-fails-though = { $who } { $how }{ $though }
who-is-down-alike = { $who } { $down } : ils { $how }

### Serveurs API

though-host-answers = , alors que { $n ->
    [one] son hôte répond
   *[other] leurs hôtes répondent
}
though-etcd-is-well = { $what }, alors qu'etcd va bien
though-etcd-is-well-login = { $what }, alors qu'etcd va bien : soupçonnez le certificat par lequel ils s'y connectent, puis le chemin jusqu'à lui
and-etcd-is-fine = { $what } ; etcd va bien
servers-not-from-here = { $who } ne peuvent être utilisés d'ici, alors que l'adresse annoncée { $address } répond : { $by }
servers-beyond = { $n ->
    [one] { $who } est injoignable d'ici, mais il vit : { $by }
   *[other] { $who } sont injoignables d'ici, mais ils vivent : { $by }
}
servers-overloaded = surcharge de { $who } : { $by }
all-wait = kubectl, contrôleurs et kubelets attendent ou sont refusés ; des baux peuvent expirer
server-fails-on-etcd = le serveur API { $server } échoue à cause d'etcd
server-unwell = le serveur API { $server } n'est pas en bonne santé : { $why }
server-checks-fail = le serveur API { $server } n'est pas en bonne santé : { $n ->
    [one] la vérification { $checks } échoue
   *[other] les vérifications { $checks } échouent
}
server-throttles = le serveur API { $server } vit et nous limite (HTTP 429)
server-slow = le serveur API { $server } vit et tout y est lent : { $why }
advertised-down = l'adresse annoncée { $address } { $how }, alors que { $n ->
    [one] { $behind } répond derrière elle
   *[other] { $behind } répondent derrière elle
}
advertised-address = l'adresse annoncée { $address }
something-in-front = autre chose répond devant { $who } : ce qu'il y a derrière ne peut être vu d'ici
no-change-possible = rien ne peut être créé, modifié ni planifié ; kubectl échoue
one-more-server = la perte d'un serveur API de plus arrête la conduite du cluster
who-uses-address = qui passe par { $address } ne peut atteindre le cluster : utilisateurs, et nœuds qui l'ont rejoint par elle
blind-to-cluster = nœuds, baux et endpoints ne peuvent être lus : ce qui était connu continue d'être surveillé

### etcd

quorum-unknown = le quorum d'etcd n'est pas connu : { $n ->
    [one] { GROUP($n) } membre ne répond pas
   *[other] { GROUP($n) } membres ne répondent pas
}
quorum-presumably-lost = tous les serveurs API disent qu'etcd échoue : etcd a sans doute perdu le quorum (ses membres ne peuvent être interrogés d'ici)
etcd-down = etcd est en panne
etcd-only-member = etcd { $down } : son seul membre { $member } { $how }
is-down = est en panne
never-started = n'a jamais démarré
etcd-quorum-lost = { $sure ->
    [yes] etcd a perdu le quorum
   *[no] etcd a probablement perdu le quorum
} : { $how }
members-down = { $n ->
    [one] { $n } membre sur { $total } en panne
   *[other] { $n } membres sur { $total } en panne
}
members-silent = { $n ->
    [one] { $n } membre sur { $total } ne répond pas
   *[other] { $n } membres sur { $total } ne répondent pas
}
members-gone = { $n ->
    [one] { $n } membre sur { $total } perdu
   *[other] { $n } membres sur { $total } perdus
} ({ $down } en panne, { $silent } sans réponse)
etcd-lacks = { $what ->
    [leader] etcd n'a pas de leader
   *[work] etcd ne fonctionne pas
} : { $how }
members-none-well = les { $total } membres répondent, aucun n'est en bonne santé
members-some-well = { $n ->
    [one] { $n } membre sur { $total } répond et n'est pas en bonne santé
   *[other] { $n } membres sur { $total } répondent et ne sont pas en bonne santé
}
members-and-sick = { $gone }, { $n ->
    [one] { $n } autre en mauvaise santé
   *[other] { $n } autres en mauvaise santé
}
no-change-until-quorum = rien ne peut être créé, modifié, planifié ni déplacé tant que { $needed } membres sur { $total } ne répondent pas
no-change-until-it-answers = rien ne peut être créé, modifié, planifié ni déplacé tant qu'il ne répond pas
no-change-until-etcd = rien ne peut être créé, modifié ni planifié tant qu'etcd ne fonctionne pas
members-beyond = { $n ->
    [one] { $n } membre etcd sur { $total } est injoignable d'ici, mais etcd garde le quorum
   *[other] { $n } membres etcd sur { $total } sont injoignables d'ici, mais etcd garde le quorum
}
member-what = { $role ->
    [member] le membre etcd
   *[learner] le membre etcd en apprentissage
} { $member } { $what }
member-what-margin = { $what } : { $margin }
member-last-margin = { $what } : { $margin } : une perte de plus arrête le cluster
quorum-margin = quorum tenu par { $alive } sur { $total }, marge { $margin }
beyond-us = est injoignable d'ici
of-another-cluster = appartient à un autre cluster
sees-no-leader = répond mais ne voit pas de leader
sees-no-quorum = répond mais ne voit pas de quorum
answers-unwell = répond et n'est pas en bonne santé ({ $why })
down-silent = { $down } ({ $how ->
    [silent] sans réponse
    [unreachable] injoignable
   *[dns] son nom ne se résout pas
})
etcd-no-space = etcd n'a plus de place (alarme NOSPACE de { $who }) : il refuse toute écriture
etcd-corrupt = les données d'etcd sont corrompues (alarme CORRUPT de { $who })
etcd-other-alarm = etcd a levé l'alarme { $alarm } ({ $who })
etcd-strays = etcd hors de la liste des membres : { $by }
etcd-stranger-new = etcd sur { $place } est un cluster neuf et vide : n'écrivez rien ; arrêtez les serveurs API qui l'utilisent
etcd-stranger = etcd sur { $place } appartient à un autre cluster que les autres membres : arrêtez les serveurs API qui l'utilisent
etcd-revisions-differ = les membres d'etcd n'ont pas les mêmes données : { $one } et { $other } sont à des révisions différentes, ce qu'un même journal ne peut donner
etcd-keys-differ = les membres d'etcd n'ont pas les mêmes données : les clés jusqu'à la même révision diffèrent entre { $one } et { $other }

### Le réseau et les hôtes

names-not-resolved = rien du cluster n'est joignable : { $n ->
    [one] { $names } ne se résout pas
   *[other] { $names } ne se résolvent pas
}
cluster-gone = le cluster semble avoir disparu : son nom { $name } ne se résout plus, et { $n ->
    [one] { GROUP($n) } autre hôte ne répond pas
   *[other] { GROUP($n) } autres hôtes ne répondent pas
}
only-address-fails = le cluster est injoignable d'ici : sa seule adresse connue { $address } { $how }
cluster-unreachable = rien du cluster n'est joignable d'ici : { $targets ->
    [one] { GROUP($targets) } cible
   *[other] { GROUP($targets) } cibles
} sur { $hosts ->
    [one] { GROUP($hosts) } hôte
   *[other] { GROUP($hosts) } hôtes
} { $targets ->
    [one] ne répond pas
   *[other] ne répondent pas
} ; le réseau entre le watchdog et le cluster est coupé, ou le cluster n'a plus de courant
may-be-fine = ce qui y tourne va peut-être bien, ou non : cela ne peut être vu d'ici
host-down = l'hôte de control plane { $host } est en panne ou coupé : { $n ->
    [one] { $parts } ne répond pas
   *[other] { $parts } ne répondent pas
}{ $margin }
host-etcd-margin = {""} ; etcd : { $margin }
hosts-beyond = { $n ->
    [one] { $who } est injoignable d'ici
   *[other] { $who } sont injoignables d'ici
}, mais { $fate ->
    [needed] {""}
   *[lives] { $n ->
        [one] il vit :{" "}
       *[other] ils vivent :{" "}
    }
}{ $seen }
others-see-them = d'autres les voient
fate-together = il s'est tu en même temps que { $host }, qui vit
fate-by-quorum = etcd garde le quorum, ce qui demande { $n } d'entre eux : { $proof }
witness-member-reads = le membre etcd { $who } répond aux lectures linéarisables
witness-server-reads = le serveur API { $who } lit jusque dans etcd
witness-member-hears = le membre etcd { $who } reçoit des nouvelles de { $name }
witness-server-lease = le serveur API de { $host } renouvelle son bail
witness-still-listed = les autres serveurs API listent encore { $who }
witness-leader-lease = { $component } sur { $host } renouvelle son bail
witness-kubelet-lease = le kubelet de { $host } renouvelle son bail
line-of = { $name } : { $line }
component-named = { $component } { $name }
with-lost = { $what } ; { $how ->
    [it] avec lui { $lost }
    [them] avec eux { $lost }
   *[perhaps] y tournaient { $lost }
}
lost-pod = le pod { $name }
lost-replicas = { $n ->
    [1] le seul réplica de { $name }
   *[other] les { $n } réplicas de { $name }
}

### Schedulers et controller-managers

nobody-leads = { $who } { $down } : { $means }
no-fresh-lease = aucun { $component } ne tient de bail à jour : { $means }
means-not-placed = les nouveaux pods ne sont pas placés
means-not-repaired = rien n'est réparé ni remplacé, les nœuds perdus ne sont pas remarqués
leaders-beyond = { $who } : injoignable d'ici, mais le bail est renouvelé
services-stale = les changements de Services et d'Endpoints restent sans effet sur ces nœuds

### Nœuds

kubelet-unwell = le kubelet de { $node } dit ne pas être en bonne santé : { $why }
kubelet-checks-fail = le kubelet de { $node } dit ne pas être en bonne santé : échec de { $checks }
kubelet-wrong = le kubelet de { $node } répond de travers : { $why }
kubelet-but-node-lives = le kubelet de { $node } { $how }, mais { $heard ->
    [lease] son bail est à jour
   *[api] le serveur API a de ses nouvelles
} : le nœud vit
kubelet-dead = le kubelet de { $node } { $how } ; les conteneurs y tournent sans doute encore
down-refused = est en panne (connexion refusée)
kubelet-never-answered = le kubelet de { $node } n'a jamais répondu d'ici, alors que le serveur API a de ses nouvelles
kubelets-never-answered = { $n } kubelets n'ont jamais répondu d'ici, alors que le serveur API a de leurs nouvelles : { $names }
node-silent = pas de réponse du nœud { $node } : { $why ->
    [lease] son kubelet ne répond pas ; son bail montrera bientôt s'il vit
    [ready] son kubelet ne répond pas ; son bail ne peut être lu, et le serveur API le dit encore Ready
   *[mute] son kubelet ne répond pas, et son bail ne peut être lu
}
node-lost = le nœud { $node } est perdu : { $why ->
    [lease] son kubelet ne répond pas et ne renouvelle plus son bail
   *[api] son kubelet ne répond pas et le serveur API le dit NotReady
}
node-not-heard = le nœud { $node } est perdu : les serveurs API n'ont plus de nouvelles de son kubelet ({ $reason })
node-no-runtime = nœud { $node } : son moteur de conteneurs ne répond pas{ $though }
node-slow-runtime = nœud { $node } : son moteur de conteneurs est bloqué ou surchargé (PLEG){ $though }
node-no-network = nœud { $node } : son réseau de pods n'est pas en place ({ $why }){ $though }
node-not-ready = le nœud { $node } est NotReady ({ $why }){ $though }
though-kubelet-answers = , alors que son kubelet répond
node-starved = { $what } ; il manque { $pressure ->
    [MemoryPressure] de mémoire
    [DiskPressure] de place sur disque
   *[PIDPressure] d'identifiants de processus
} ({ $pressure })
nodes-alike = { $kind ->
    [lost] { $n } nœuds sur { $total } sont perdus : { $who }
    [silent] { $n } nœuds sur { $total } ne répondent pas : { $who }
    [kubelet] { $n } kubelets sur { $total } sont en panne : { $who } ; les conteneurs y tournent sans doute encore
    [beyond] { $n } kubelets sur { $total } sont injoignables d'ici, mais leurs nœuds vivent : { $who }
    [runtime] le moteur de conteneurs de { $n } nœuds sur { $total } ne répond pas : { $who }
    [network] le réseau de pods de { $n } nœuds sur { $total } n'est pas en place : { $who }
   *[not-ready] { $n } nœuds sur { $total } sont NotReady : { $who }
}
nodes-in-trouble = { $n } nœuds sur { $total } sont en difficulté : { $parts }{ $which }
nodes-which = {""} ; { $which }
nodes-part = { $kind ->
    [lost] { $n ->
        [one] { $n } perdu
       *[other] { $n } perdus
    }
    [silent] { $n } sans réponse
    [kubelet] { $n } au kubelet mort
    [beyond] { $n } hors de notre portée
    [runtime] { $n } sans moteur de conteneurs
    [network] { $n } sans réseau de pods
   *[not-ready] { $n } NotReady
}
names = { $names }
nodes-of = de { $trait } { $value }
nodes-with = avec { $trait } { $value }
in-common = ce qu'ils ont en commun : { $what }
named-in-brackets = { $what } ({ $names })
nodes-sharing = { $exact ->
    [yes] tous ceux { $which }
   *[no] { $lost } des { $all } { $which }
}
node-pods-moved = { $sure ->
    [yes] ce qui tournait sur { $node } est perdu ou coupé
   *[no] ce qui tournait sur { $node } est peut-être perdu ou coupé
} ; { $moved ->
    [yes] ses pods sont déplacés environ 5 minutes après que le serveur API l'a remarqué
   *[no] ses pods ne sont pas déplacés tant qu'aucun serveur API ne fonctionne
}
node-stands-still = rien n'est démarré, arrêté ni sondé sur { $node } ; ses pods sont déplacés si cela dure
node-runtime-stands = rien ne peut être démarré ni arrêté sur { $node }, et les sondes dans les conteneurs échouent ; ce qui tourne continue
node-no-new-pods = aucun nouveau pod n'est placé sur { $node }
no-worker-left = il ne reste aucun worker (0 sur { $of }), alors que le control plane répond
workers-gone = { $n ->
    [one] { $n } worker sur { $of } a disparu
   *[other] { $n } workers sur { $of } ont disparu
} en quelques minutes, sans avoir été vidés auparavant
workers-added = le nombre de workers est passé de { $from } à { $to } en quelques minutes
api-away = l'API { $api } est absente : son service { $service } ne la sert pas ({ $reason })
no-reason-given = sans raison donnée
requests-wait = { $n ->
    [one] { GROUP($n) } demande de certificat pour { $signer } attend
   *[other] { GROUP($n) } demandes de certificat pour { $signer } attendent
} et personne ne décide, la plus ancienne depuis le { $at }
check-at-nodes = { $ports } ({ $check }) { $how } sur { $where }
on-every-node = tous les nœuds
on-every-node-to-pods = tous les nœuds, alors que les nœuds vont bien : le réseau des pods ne porte pas ce qui leur est envoyé
on-some-nodes = { $n ->
    [one] { $n } nœud sur { $total } : { $nodes }
   *[other] { $n } nœuds sur { $total } : { $nodes }
}
simply-fails = échoue

### Ce que disent les objets enregistrés

some-of = { $more ->
    [yes] plus de { $n }
   *[no] { $n }
} { $kind ->
    [pod] { $n ->
        [one] pod
       *[other] pods
    }
    [container] { $n ->
        [one] conteneur
       *[other] conteneurs
    }
    [ready-pod] { $n ->
        [one] pod prêt
       *[other] pods prêts
    }
    [listed-pod] { $n ->
        [one] pod listé
       *[other] pods listés
    }
    [service] { $n ->
        [one] Service
       *[other] Services
    }
    [workload] { $n ->
        [one] workload
       *[other] workloads
    }
    [claim] { $n ->
        [one] PVC
       *[other] PVC
    }
   *[cronjob] { $n ->
        [one] CronJob
       *[other] CronJobs
    }
}
place-on = {" "}sur { $where }
place-most-on = , surtout sur { $where }
place-most-of = , pour la plupart de { $workload }
addon-down = { $role ->
    [dns] le DNS du cluster
    [network] le réseau des pods
    [proxy] le proxy de services
   *[ingress] l'ingress
} est en panne : { $name } n'a aucun pod prêt ({ $ready } sur { $wanted }){ $why }
addon-in-trouble = { $role ->
    [dns] le DNS du cluster
    [network] le réseau des pods
    [proxy] le proxy de services
   *[ingress] l'ingress
} est en difficulté : { $ready ->
    [one] { $ready } pod de { $name } sur { $wanted } est prêt
   *[other] { $ready } pods de { $name } sur { $wanted } sont prêts
}{ $why }
addon-lacks-memory = {""} ; ses conteneurs sont tués par manque de mémoire
addon-changed = {""} ; { $what }, le { $at }
addon-at-zero = {""} ; il est réduit à 0 réplica
webhook-failing = échec de { $asked } : le webhook { $webhook } ne répond pas, car rien n'est prêt derrière { $service } ; les lectures et les pods en place vont bien
webhook-asked = { $operations } ({ $resources })
every-change = toute modification
every-resource = toutes les ressources
backup-late = pas de sauvegarde { $by } depuis le { $at } ({ $schedule }){ $how } ; { $last }
backup-late-ended = , terminée par { $phase }
backup-ended = la dernière sauvegarde { $by } s'est terminée par { $phase } ; { $last }
backup-shrunk = la dernière sauvegarde { $by } est bien plus petite que d'habitude : { $now } objets, contre { $usual } habituellement
backup-by = { $kind ->
    [VolumeSnapshot] du volume claim { $key } par VolumeSnapshots
   *[other] par { $kind } { $key }
}
backup-good-at = la dernière réussie date du { $at }
backup-never-good = aucune n'a réussi
scheduler-stuck = { $whose } n'a rien placé depuis le { $at } : { $pods } en attente sans qu'il s'en occupe
controllers-stuck = plus rien n'est réconcilié depuis le { $at } : { $workloads } ont été modifiés sans qu'aucun contrôleur ne s'en occupe
controllers-stuck-one = plus rien n'est réconcilié depuis le { $at } : { $name } a été modifié sans qu'aucun contrôleur ne s'en occupe
endpoints-lag = les endpoints de { $services } ne suivent plus leurs pods depuis le { $at } : { $how }
endpoints-pods = { $pods } { $how ->
    [missing] { $n ->
        [one] manque
       *[other] manquent
    }
   *[gone] { $n ->
        [one] a disparu
       *[other] ont disparu
    }
}
endpoints-both = { $one }, { $other }
cron-job-late = un CronJob n'a pas été lancé à l'heure prévue : { $names }
cron-jobs-late = { $jobs } n'ont pas été lancés à l'heure prévue : { $names }
objects-deleted = suppression en quelques minutes de { $parts }
objects-deleted-part = { $n } { $resource } sur { $total }
pods-fallen = des pods ont disparu et ne sont pas recréés : il en reste { $left } sur { $of }, pour { $wanted } attendus
objects-growing = le nombre de { $resource } s'emballe{ $place } : il y en avait { $from } une heure plus tôt
events-flood = les événements affluent : { $count } en dix minutes, contre { $worst } au plus dans les heures précédentes ; la plupart sont { $reason } dans le namespace { $namespace }
objects-growing-place = , surtout dans le namespace { $namespace }
nodes-cordoned = { $n ->
    [one] le nœud { $names } est isolé (cordon)
   *[other] les nœuds { $names } sont isolés (cordon)
}{ $state ->
    [drained] { $n ->
        [one] {" "}et vidé
       *[other] {" "}et vidés
    }
    [held] {""} ; un PodDisruptionBudget bloque le drain
   *[plain] {""}
} : aucun nouveau pod n'y est placé
node-object-deleted = l'objet du nœud { $node } a été supprimé, alors que le nœud était Ready et n'avait pas été vidé
node-objects-deleted = les objets de { $n } nœuds ont été supprimés, alors que ces nœuds étaient Ready et n'avaient pas été vidés : { $names }
node-reports = { $condition } sur { $names }, signalé par le nœud lui-même
pods-evicted = { $pods } évincés en quelques minutes{ $place } : { $why }
containers-killed = { $containers } tués par manque de mémoire en quelques minutes{ $place }
images-not-pulled = impossible de télécharger les images depuis { $registry } : ce qui redémarre maintenant ne revient pas
rollout-failing = les nouveaux pods de { $kind } { $name } ne démarrent pas : { $why }{ $rest }
rollout-no-image = impossible de télécharger l'image { $image }
rollout-crashes = { $image } s'arrête ou échoue sans cesse ({ $reason })
rollout-none-ready = {""} ; aucun n'est prêt
rollout-some-ready = {""} ; { $ready ->
    [one] { $ready } sur { $wanted } est prêt
   *[other] { $ready } sur { $wanted } sont prêts
}
rollouts-failing = les nouveaux pods de { $workloads } ne démarrent pas : { $names }
pods-unplaced = { $pods } { $n ->
    [one] attend
   *[other] attendent
} un nœud : { $why }
claims-waiting = { $claims } { $which } { $n ->
    [one] n'obtient
   *[other] n'obtiennent
} pas de volume : { $names }
claims-without-class = sans classe de stockage
claims-of-class = de la classe { $class }
pods-not-starting = des pods ne démarrent pas{ $place } : { $why ->
    [addresses] il ne reste plus d'adresse pour eux
    [sandbox] leur sandbox (réseau et conteneur) ne peut être créée
   *[volumes] leurs volumes ne peuvent être attachés ou montés
}
pods-over-quota = des pods ne sont pas créés : le quota est épuisé ({ $names })
namespaces-stay = { $n ->
    [one] le namespace { $names } ne disparaît pas, alors qu'il est supprimé
   *[other] les namespaces { $names } ne disparaissent pas, alors qu'ils sont supprimés
} depuis le { $at }{ $why }
namespaces-lack-api = {""} : l'API { $api } ne répond pas

### Ce qui se répète, le manque de ressources et les horloges

etcd-elects-again = etcd ne cesse d'élire un nouveau leader
servers-in-turns = des serveurs API disparaissent et reviennent tour à tour, sans cesse : { $names }
first-packets-lost = les nouvelles connexions vers { $host } perdent parfois leur premier paquet et prennent une ou trois secondes : { $what }
instance-of = { $instance } ({ $component })
nodes-starved = { $n ->
    [one] le nœud { $names } manque
   *[other] les nœuds { $names } manquent
} { $pressure ->
    [MemoryPressure] de mémoire
    [DiskPressure] de place sur disque
   *[PIDPressure] d'identifiants de processus
} ({ $pressure })
clocks-off = { $n ->
    [one] l'horloge du nœud { $names } est décalée
   *[other] les horloges des nœuds { $names } sont décalées
} par rapport à celles des autres
nodes-unnoticed = { $n ->
    [one] le nœud { $names } ne renouvelle plus son bail et reste pourtant Ready
   *[other] les nœuds { $names } ne renouvellent plus leur bail et restent pourtant Ready
} : aucun contrôleur ne surveille les nœuds
target-flapping = { $component } { $instance } instable : { $what }
comes-and-goes = { $what } va et vient : { $times } fois en { $window }, chaque fois pendant moins de { $patience }
alert-of = { $alert } de { $subject }

### Le canari et les contrôles

canary-fails = { $who } { $stage ->
    [swept] ne peut être créé, car il en reste un d'un passage précédent
    [written] ne peut être écrit
    [watched] est écrit, mais un watch ne le signale pas
    [read] est écrit, mais ne peut être relu
    [admitted] est refusé
    [scheduled] n'est pas planifié
    [pulled] n'obtient pas son image
    [volume] ne peut utiliser son volume
    [dns] ne peut résoudre un nom du cluster
    [running] ne démarre pas
    [ready] ne devient pas prêt
    [reachable] est injoignable de l'extérieur
   *[deleted] ne peut être supprimé
} ({ $layer ->
    [authorization] nos droits (RBAC)
    [setup] la configuration du canari
    [admission] admission
    [quota] quota
    [apiserver] serveur API
    [etcd] etcd
    [watch_cache] cache de watch du serveur API
    [controller_manager] controller-manager
    [scheduler] scheduler
    [capacity] capacité : aucun nœud ne le prend
    [registry] registre d'images
    [image] image
    [container_runtime] moteur de conteneurs
    [cni] CNI
    [csi] CSI
    [kubelet] kubelet
    [kube_proxy] kube-proxy
   *[dns] DNS
}) : { $why }
canary-lease = le Lease du canari
canary-pod = un pod canari{ $place }
canary-write = un essai d'écriture (Lease en dry run)
canary-place = { $kind ->
    [zone] {" "}dans la zone { $name }
   *[node] {" "}sur le nœud { $name }
}
canary-places = { $kind ->
    [zone] {" "}dans { $n } zones sur { $total } ({ $names })
   *[node] {" "}sur { $n } nœuds sur { $total } ({ $names })
}
address-fails = { $address } { $how } pour les { $n } contrôles qui l'interrogent : { $names }
answers-with-status = répond par HTTP { $status }
gateway-alone = { $what } ; elle vit, et n'atteint aucun service derrière elle (ingress, passerelle ou service mesh)
address-but-nodes = { $what } ; { $behind }
balancer-but-nodes = répartiteur de charge { $what } ; { $behind }
check-well-at-nodes = { $check } sur { $ports } répond sur { $n ->
    [one] son nœud
   *[other] tous les nœuds
}

### À faire en premier. Les commandes, entre accents graves, sont les mêmes dans toutes les langues.

step-address-down = regardez ce qui se trouve devant les serveurs API : répartiteur de charge, IP virtuelle, DNS de { $host } ; derrière, ils répondent
step-overloaded = qui demande autant ? `kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels` et `dump_requests` à côté, `apiserver_request_total` par user agent ; ce qui a été déployé récemment sur tous les nœuds ; une FlowSchema avec peu de parts pour le fautif rend leur place aux autres
step-server-etcd = ssh { $host } : le journal du serveur API (`crictl logs $(crictl ps -q --name kube-apiserver)`) et son chemin jusqu'à etcd : --etcd-servers, certificats, port 2379
step-server-dropped = les paquets vers { $server } sont perdus : règles de pare-feu sur { $host } (`nft list ruleset`, `iptables -S`) et entre lui et le watchdog ; sur place, `ss -lnt` montre si la file d'écoute est pleine
step-server-silent = { $host } est-il seulement joignable ? `ping`, `ssh`, console ; puis les pare-feu entre le watchdog et { $server }
step-server-name = `dig { $host }` sur la machine du watchdog
step-server-hangs = ssh { $host } : `ps -o stat,wchan -C kube-apiserver` (état T : arrêté, D : attend un disque), `top`, `crictl ps` ; redémarrez-le
step-server-expired = ssh { $host } : `kubeadm certs check-expiration`, `kubeadm certs renew apiserver`, puis redémarrez le serveur API
step-server-down = ssh { $host } : `crictl ps -a --name kube-apiserver`, `journalctl -u kubelet`, le dernier journal du conteneur (`crictl logs --tail 50 ID`)
step-hidden = depuis la machine du watchdog : `curl -skv https://{ $server }/livez` montre qui répond ; laissez-y passer le watchdog (pare-feu, authentification, proxy), ou donnez-lui les adresses propres des serveurs dans `apiserver.endpoints` à la place de { $names }
step-throttled = qui l'inonde ? `kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels`, et `apiserver_flowcontrol_rejected_requests_total` dans son /metrics ; un proxy placé devant peut aussi nous limiter
step-slow = d'abord la ligne : `mtr { $host }`, et les phases `connect` et `tls` de ses sondes ; puis la charge de { $host } ; un cluster lointain demande un `timeout` plus long
step-quorum-member = ssh sur l'hôte de { $member } : `crictl ps -a --name etcd` (ou `systemctl status etcd`), `journalctl -u kubelet`, `df -h` ; redémarrez le membre. Si ses données sont définitivement perdues, restaurez un snapshot ; ne commencez jamais par retirer des membres
step-quorum = sur un hôte du control plane : `etcdctl endpoint status --cluster -w table` et le journal d'etcd (`crictl logs $(crictl ps -q --name etcd)`) ; regardez le réseau entre les membres et leurs disques
step-members-beyond = regardez le réseau et le pare-feu entre le watchdog et le port client d'etcd (2379) : les membres travaillent pour d'autres
step-member-unborn = démarrez le nouveau membre, ou retirez-le de la liste : `etcdctl member list`, `etcdctl member remove ID`
step-member = ssh sur l'hôte de { $member } : `crictl ps -a --name etcd` (ou `systemctl status etcd`) et son journal ; puis `etcdctl endpoint status --cluster -w table`
step-alarm = { $alarm ->
    [NOSPACE] `etcdctl compact` jusqu'à la révision courante, `etcdctl defrag --cluster`, puis `etcdctl alarm disarm` ; augmentez --quota-backend-bytes si cela ne suffit pas longtemps
    [CORRUPT] prenez un snapshot d'un membre sain ; puis arrêtez le membre corrompu, retirez-le, videz son répertoire de données et ajoutez-le de nouveau
   *[other] `etcdctl alarm list`, et le journal d'etcd
}
step-stranger = sur { $host } : sortez le manifeste de kube-apiserver de /etc/kubernetes/manifests ; puis arrêtez cet etcd et vérifiez ses --data-dir, --initial-cluster et --initial-cluster-state avant qu'il ne rejoigne le cluster (`etcdctl member remove`, `member add`)
step-apart = trouvez quel membre diffère de la majorité (`etcdctl endpoint hashkv --cluster`, `endpoint status`) ; prenez un snapshot d'un membre sain ; puis retirez l'autre, videz son répertoire de données et ajoutez-le de nouveau
step-strays = comparez `etcdctl member list` avec les endpoints configurés dans dogwatch
step-elections = d'abord les disques des membres : dans le journal d'etcd (`crictl logs $(crictl ps -q --name etcd)`), cherchez `slow fdatasync` et `overloaded network`, puis `etcd_disk_wal_fsync_duration_seconds` et `etcd_network_peer_round_trip_time_seconds` ; ensuite, ce qui utilise aussi ces disques
step-turns = sur leurs hôtes : `crictl ps -a --name kube-apiserver` montre les redémarrages, `dmesg -T | grep -i oom` les processus tués par manque de mémoire ; puis qui demande autant : `kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels`
step-first-packets = ssh { $host } : `conntrack -S` (insert_failed compte les conflits du NAT source : iptables sans `--random-fully`), `nstat -az TcpExtListenOverflows TcpExtListenDrops` (file d'écoute pleine), `ip -s link` et `ethtool -S` (pertes)
step-host = regardez { $host } lui-même : courant, console, réseau ; `ping` et `ssh` depuis un autre hôte du control plane
step-host-beyond = depuis la machine du watchdog : `ip route get { $address }`, `mtr { $address }` ; puis les routeurs, VPN et règles de pare-feu entre le watchdog et { $who }
step-cluster-name = `dig { $host }` sur la machine du watchdog et ailleurs : est-ce le serveur de noms, ou l'enregistrement ?
step-cluster-silent = depuis la machine du watchdog : `ip route get { $host }`, `mtr { $host }` ; puis les routeurs, VPN et pare-feu en chemin ; demandez sur le site s'il y a du courant
step-no-leader = sur les hôtes du control plane : `crictl ps -a --name { $job }` et son journal (`crictl logs $(crictl ps -aq --name { $job } | head -1)`)
step-leaders-beyond = regardez le pare-feu entre le watchdog et les hôtes du control plane, et --bind-address
step-leader-down = ssh { $host } : `crictl ps -a --name { $job }` et son journal, `journalctl -u kubelet`
step-proxies = `crictl ps -a --name kube-proxy` sur le nœud, et son journal
step-kubelet-flaps = `journalctl -u kubelet` sur { $node } : redémarrages, mémoire, réseau
step-target-flaps = ssh { $host } : `crictl ps -a --name { $job }` montre les redémarrages ; cherchez les processus tués par manque de mémoire et les sondes de liveness en échec
step-node-gone = regardez { $node } lui-même : courant, console, réseau ; `ping` et `ssh` depuis un autre nœud
step-kubelet-down = ssh { $node } : `systemctl status kubelet`, `journalctl -u kubelet -n 50`, `crictl ps`
step-kubelet-beyond = regardez le pare-feu entre le watchdog et le port 10250 de { $node } ; `ssh { $node } ss -lntp`
step-node-runtime = ssh { $node } : `systemctl status containerd` (ou crio), `journalctl -u containerd -n 50`, `crictl info`
step-node-network = ssh { $node } : `ls /etc/cni/net.d`, `crictl ps -a` pour le pod du plugin réseau, et son journal
step-node-not-ready = `kubectl describe node { $node }` ; ssh { $node } : `journalctl -u kubelet -n 50`, `crictl info`
step-kubelets-strange = rien, s'ils sont volontairement hors d'atteinte ; sinon ouvrez le port 10250 au watchdog, ou réglez `kubelet: {"{"}via: proxy{"}"}`
step-nodes-share = regardez ce que partagent les nœuds concernés, { $what } : courant, switch, hyperviseur, segment réseau, fournisseur
step-nodes = { $kind ->
    [lost] cherchez ce qu'ils partagent : baie, switch, hyperviseur, courant, segment réseau
    [silent] cherchez ce qu'ils partagent : baie, switch, hyperviseur, courant, segment réseau
    [kubelet] cherchez ce qui a changé sur tous : une mise à jour, une configuration, un certificat expiré ; sur place, `journalctl -u kubelet`
    [beyond] regardez le pare-feu entre le watchdog et les nœuds (port 10250)
    [runtime] ssh sur l'un d'eux : `systemctl status containerd` (ou crio), `crictl info`, `df -h`
    [network] regardez les pods du plugin réseau : `kubectl -n kube-system get pods -o wide`
   *[not-ready] `kubectl describe node` sur l'un d'eux ; regardez le plugin réseau et le moteur de conteneurs
}
step-pressure = { $pressure ->
    [MemoryPressure] `kubectl top pods -A --sort-by memory` et `kubectl describe node { $node }` ; ssh { $node } : `ps aux --sort -rss | head`, `dmesg -T | grep -i oom` : lequel n'a pas de limite ?
    [DiskPressure] ssh { $node } : `df -h /var/lib/kubelet /var/lib/containerd`, `du -xhd1 /var/lib | sort -h`, `crictl rmi --prune` ; puis qui écrit autant
   *[PIDPressure] ssh { $node } : `ps -eLf | awk '{"{"}print $2{"}"}' | sort | uniq -c | sort -n | tail` : lequel a le plus de threads ?
}
step-clocks = ssh { $node } : `chronyc tracking` (ou `timedatectl`) : une source de temps est-elle joignable ?
step-controllers = sur l'hôte du leader : `crictl logs $(crictl ps -q --name kube-controller-manager)` ; redémarrez-le sur place, un autre prend le relais
step-scheduler = sur l'hôte du leader : `crictl logs $(crictl ps -q --name kube-scheduler)` ; redémarrez-le sur place : `crictl stop $(crictl ps -q --name kube-scheduler)`, un autre prend le relais
step-scheduler-named = `kubectl get pods -A | grep { $name }` : le scheduler { $name } existe-t-il seulement ?
step-cron-jobs = `kubectl describe cronjob NAME` : ses événements disent pourquoi (trop de départs manqués, un quota, un webhook) ; puis le journal du controller-manager
step-addon = `kubectl -n { $namespace } describe { $kind } { $name }` ; `kubectl -n { $namespace } rollout undo { $kind } { $name }` s'il a été modifié
step-webhook = `kubectl -n { $namespace } get pods` : remettez-les en service. Si le webhook empêche ses propres pods de démarrer : `kubectl delete { $resource } { $name }` (son contrôleur le recrée)
step-backup-job = `kubectl -n { $namespace } describe cronjob { $name }` et le journal de son dernier job
step-backup = `velero backup get` ; `velero backup logs` de la dernière ; l'emplacement de stockage (`kubectl -n { $namespace } get backupstoragelocations`)
step-backup-snapshot = `kubectl -n { $namespace } get volumesnapshots`, `describe` du dernier de { $name } ; les journaux de snapshot-controller et du csi-snapshotter du pilote CSI ; ce qui les crée (un CronJob, un opérateur)
step-pods-fallen = `kubectl get events -A --field-selector reason=FailedCreate` : un webhook ou un quota qui refuse les pods ; s'il n'y en a pas, le controller-manager sur l'hôte du leader : `crictl logs $(crictl ps -q --name kube-controller-manager)`
step-deleted = arrêtez ce qui supprime : un pipeline, un outil GitOps dont la source est vide, un script ; le journal d'audit le nomme. Ce qu'il y avait : `dogwatch state CLUSTER export --at 30m-ago`
step-events-flood = `kubectl -n { $namespace } get events --field-selector reason={ $reason } | tail` : qui échoue et recommence sans pause ?
step-growing = `kubectl -n { $namespace } get { $resource } --sort-by=.metadata.creationTimestamp | tail` : qui les crée ?
step-cordoned = qui travaille sur { $names } ? Une fois que c'est fini : `kubectl uncordon { $node }`
step-node-deleted = la machine tourne-t-elle encore ? Alors redémarrez son kubelet, qui l'enregistre de nouveau : `ssh { $node } systemctl restart kubelet`. Qui l'a supprimé : le journal d'audit, `delete` sur nodes
step-node-reports = `kubectl describe node { $node }` ; ssh { $node } : `dmesg -T | tail -50`, `df -h`, `journalctl -p err -n 50`
step-evicted-node = `kubectl describe node { $node }` : ce qui manque, et qui le consomme ; ssh { $node } : `df -h`, `free -m`
step-evicted = `kubectl get events -A --field-selector reason=Evicted`
step-memory-kills = qu'est-ce qui a changé : sa limite, ou ce qui lui est demandé ? `kubectl top pods -A --sort-by=memory`
step-registry = { $registry } répond-il, et accepte-t-il le secret de téléchargement ? Sur un nœud : `crictl pull IMAGE` ; en attendant, ne videz et ne redémarrez rien
step-rollout = `kubectl -n { $namespace } describe { $kind } { $name }` et ses pods ; retour à ce qui tournait : `kubectl -n { $namespace } rollout undo { $kind }/{ $name }`
step-rollouts = qu'ont-ils en commun : une image, un nœud, un registre, un secret ? `kubectl get pods -A | grep -v Running`
step-unplaced = `kubectl describe pod NAME` (son dernier événement) ; place sur les nœuds : `kubectl describe nodes | grep -A8 Allocated` ; l'autoscaler en ajoute-t-il un ?
step-claims = `kubectl describe pvc NAME` (ses événements) ; les pods du provisioner (le contrôleur du pilote CSI) et leur journal ; le stockage est-il plein ?
step-not-starting = { $why ->
    [addresses] le sous-réseau ou la plage de ces nœuds est épuisé : ajoutez une plage, ou déplacez des pods ailleurs
    [sandbox] le pod du plugin réseau sur ces nœuds et son journal ; `journalctl -u kubelet -u containerd -n 50`
    [volumes] le contrôleur du pilote CSI et son pod sur ces nœuds ; `kubectl get volumeattachments`
   *[quota] `kubectl -n NAMESPACE describe resourcequota`
}
step-namespaces = `kubectl get namespace { $name } -o yaml` : ses conditions nomment l'API ou le finalizer qui le retient ; remettez en service ce qui devrait le traiter, plutôt que de retirer le finalizer
step-workers-gone = `kubectl get nodes` ; comparez avec les machines du cloud ou de l'hyperviseur ; qui supprime des nœuds : un autoscaler, le cloud controller manager, une personne (journal d'audit) ?
step-workers-added = `kubectl get nodes --sort-by=.metadata.creationTimestamp` ; regardez ce qui a fait grandir l'autoscaler : des pods en attente, ou un workload qui a été agrandi
step-api-away = `kubectl get apiservice { $api }` ; les pods derrière le service { $service }
step-requests = `kubectl get csr` ; le controller-manager, qui approuve les demandes des kubelets, va-t-il bien ? À la main : `kubectl certificate approve NAME`, si vous savez qui demande
step-refused-by-one = ssh { $host } : comparez le journal du serveur API et ses options d'authentification et d'autorisation avec ceux d'un autre ; son horloge, son chemin jusqu'à etcd
step-renew-etcd-client = placez un nouveau certificat client d'etcd (signé par l'autorité d'etcd) là où pointent `cert_file` et `key_file`
step-renew-kubeconfig = créez un nouveau kubeconfig pour dogwatch (deploy/rbac.yaml, ou `kubeadm kubeconfig user`) et mettez-le à la place de l'ancien
step-compare-clocks = comparez les horloges du watchdog et du cluster
step-apply-rbac = appliquez le manifeste RBAC de dogwatch (deploy/rbac.yaml) et liez-le à l'utilisateur que nomme le kubeconfig
step-token-renew = corrigez ce qui empêche de le renouveler (le droit : `kubectl apply -f deploy/token-rbac.yaml` ; `dogwatch doctor` le vérifie) ; après son terme, mettez un nouveau kubeconfig à la place de l'ancien (`dogwatch init --apply --token-lifetime 30d`)
step-token-replace = mettez-en un nouveau dans le kubeconfig d'ici là (`kubectl -n { $namespace } create token { $name } --duration 720h`), ou laissez dogwatch le renouveler (`renew_token: true`)
step-cert-kubeconfig = d'ici là, créez un nouveau kubeconfig pour dogwatch (`kubeadm kubeconfig user`) et mettez-le à la place de l'ancien
step-cert-etcd-client = signez-en un nouveau avec l'autorité d'etcd (`kubeadm certs renew etcd-healthcheck-client`) et copiez-le sur le watchdog
step-cert-ca = créez une nouvelle autorité et refaites tout ce que l'ancienne a signé (https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/ ; k3s et RKE2 : `k3s certificate rotate-ca`), puis mettez-la dans chaque kubeconfig, celui-ci compris
step-cert-servers = `kubeadm certs check-expiration` et `kubeadm certs renew all` sur chaque hôte du control plane, puis redémarrez ses composants ; ailleurs, selon votre autorité
step-cert-kubelets = sur le nœud : `serverTLSBootstrap` avec `rotateCertificates`, approuvez les CSR en attente (`kubectl get csr`) ; un kubelet qui signe lui-même son certificat en fait un nouveau si l'on supprime `/var/lib/kubelet/pki/kubelet.crt` et qu'on le redémarre
step-cert-name = ajoutez le nom ou l'adresse au certificat (`kubeadm init phase certs apiserver --apiserver-cert-extra-sans`), ou réglez `tls-server-name` dans le kubeconfig
step-cert-issuer = l'autorité a-t-elle été renouvelée, ou un autre serveur répond-il là ? Comparez { $of ->
    [etcd] le `ca_file` d'etcd
   *[kubeconfig] l'autorité (CA) de notre kubeconfig
} avec l'émetteur présenté (`openssl s_client -connect { $server } -showcerts`) ; copiez la nouvelle autorité si c'est la vôtre
step-canary = { $layer ->
    [authorization] accordez ce que nomme le message : `kubectl apply -f canary-rbac.yaml` (deploy/)
    [setup] comparez la configuration du canari avec ce qui manque d'après le message (docs/canary.md)
    [image] regardez le pod pendant qu'il tourne : `kubectl -n dogwatch-canary describe pod` ; essayez son image à la main
    [admission] regardez ce qui le refuse : `kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies`, et si les pods du webhook tournent
    [quota] voyez ce qui l'occupe : `kubectl -n dogwatch-canary describe resourcequota,limitrange`
    [apiserver] cherchez dans les journaux du serveur API et d'etcd des requêtes lentes ou en échec ; la place libre sur le disque d'etcd
    [etcd] cherchez dans les journaux du serveur API et d'etcd des requêtes lentes ou en échec ; la place libre sur le disque d'etcd
    [watch_cache] les clients de ce serveur voient des objets périmés : cherchez dans son journal des erreurs de watch vers etcd ; redémarrez-le s'il ne rattrape pas son retard
    [controller_manager] voyez qui est leader : `kubectl -n kube-system get lease kube-controller-manager`, et son journal
    [scheduler] voyez qui est leader : `kubectl -n kube-system get lease kube-scheduler`, et le journal du scheduler
    [capacity] voyez ce qui en écarte les nœuds : `kubectl get nodes`, les taints, `kubectl top nodes`, l'autoscaler
    [registry] interrogez le registre depuis le nœud nommé : `crictl pull IMAGE` ; puis le registre lui-même
    [container_runtime] sur le nœud nommé : `systemctl status containerd` (ou crio), `crictl info`, son journal
    [cni] sur le nœud nommé : le pod du CNI, /etc/cni/net.d, `crictl info | grep -A5 Network`
    [csi] `kubectl -n dogwatch-canary describe pvc`, puis le contrôleur du pilote CSI et son pod sur le nœud
    [kubelet] sur le nœud nommé : `systemctl status kubelet`, `journalctl -u kubelet`
    [kube_proxy] sur le nœud nommé : le pod et le journal de kube-proxy (`curl localhost:10256/healthz`), ou de ce qui le remplace
   *[dns] `kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide`, leurs journaux, et le Service kube-dns
}
step-check = interrogez-le comme le fait dogwatch, sur la machine du watchdog : `dogwatch probe { $check } --verbose` ; puis regardez ce qui sert { $at }
step-check-at-nodes = interrogez-le comme le fait dogwatch, sur la machine du watchdog : `dogwatch probe { $check } --verbose` ; puis regardez ce qui le sert sur les nœuds nommés
step-balancer = regardez le répartiteur de charge à { $address } : ses backends et leurs health checks, son certificat, son chemin jusqu'aux nœuds
step-address = regardez ce qui se trouve à { $address } (un répartiteur de charge, un ingress, un hôte) avant ce qui est derrière : `dogwatch probe { $check } --verbose` sur la machine du watchdog montre comment cela échoue
step-cut-off = regardez la machine même du watchdog : sa liaison, sa route par défaut et sa passerelle (ip link; ip route)
step-own-files = voyez qui les occupe (`ls -l /proc/$(pidof dogwatch)/fd`) et relevez la limite (`LimitNOFILE=` dans son unité, fs.file-max de la machine)
step-own-ports = voyez qui les occupe (`ss -s`; `ss -tan state time-wait | wc -l`), et élargissez net.ipv4.ip_local_port_range
step-own-memory = regardez la mémoire de la machine (`free -m`; `cat /proc/net/sockstat`; dmesg) et les limites du cgroup de dogwatch
step-own-firewall = regardez les règles de la machine même (`nft list ruleset`; `iptables -S OUTPUT`) et qui les a modifiées
step-own-proxy = essayez-le depuis la machine du watchdog (`curl -v -x http://PROXY https://API-SERVER/livez`) ; c'est le `proxy-url` du kubeconfig, ou HTTPS_PROXY dans l'environnement du watchdog
step-own-resolver = interrogez-le depuis la machine du watchdog (`getent hosts NAME`; `resolvectl status`; /etc/resolv.conf) ; des adresses à la place des noms dans le kubeconfig permettent de s'en passer
step-own-ping = autorisez-le dans le noyau (`sysctl net.ipv4.ping_group_range="0 2147483647"`), ou donnez au service `AmbientCapabilities=CAP_NET_RAW` ; dans un conteneur, la capability NET_RAW
step-own-tls = servez un certificat d'un autre type (RSA 2048 bits, P-256), ou surveillez ces cibles par un autre moyen
step-store-taken = trouvez qui touche à son répertoire de données : cette fois, rien n'a été perdu
step-store-anew = gardez l'ancien fichier si son historique compte pour vous ; restaurez une sauvegarde s'il y en a une
step-store-failing = regardez le disque de la machine du watchdog (df -h, mount, dmesg) et le message ci-dessus
step-not-watched = corrigez ce que nomme le message et lancez `dogwatch check` ; le watchdog réessaie de lui-même
step-alerts-untold = cherchez dans /alerts ce qu'elles ont en commun ; mettez-le en silence, ou regroupez-les avec `group_by`
step-messages-dropped = voyez pourquoi les destinataires prennent si peu ; mettez la tempête en silence, ou regroupez-la avec `group_by`
step-receiver = regardez la réponse ci-dessus ; `dogwatch drill --receiver` prouve quand cela fonctionne de nouveau
step-proof = lancez `dogwatch drill` à la main : il montre où le chemin s'arrête
rule-failing = la règle { $rule } ne peut être évaluée
step-rule = exécutez l'expression à la main : dogwatch query '{ $expr }'
peer-silent = { $who } ne donne plus signe de vie
other-watchdog = l'autre watchdog
watchdog-named = le watchdog { $name }
peer-configured = ce watchdog et { $name } n'ont pas la même configuration
peer-clock = l'horloge du watchdog { $name } diffère de la nôtre de { $by }
step-peer-silent = regardez l'autre machine : systemctl status dogwatch
step-peer-configured = comparez les clusters, les routes, les noms des destinataires et les external_labels des deux : `dogwatch check --explain` sur chacun
seen-by-one = vu depuis { $from } ; { $not_from } ne voit rien
seen-by-one-path = vu depuis { $from }, pas depuis { $not_from } : c'est peut-être le chemin depuis { $from }
peer-sees = { $cluster } : { $what } : vu depuis { $from }, pas depuis { $not_from }
step-peer-sees = regardez la même adresse depuis la machine de { $from } et depuis celle de { $not_from }
path-or-sight = soit le chemin depuis { $from }, soit la vue de { $not_from }
sees-no-harm = ce que { $not_from } voit de { $cluster } va bien
step-peer-clock = timedatectl sur les deux : l'un d'eux a perdu son serveur de temps
step-job-late = voyez si elle a seulement été lancée (kubectl get cronjobs,jobs -A; systemctl list-timers) et si elle atteint le watchdog ; puis lancez-la à la main
step-job-refused = regardez ce qu'elle a produit (est-ce complet, est-ce restaurable ?) et son propre journal ; son prochain succès y met fin
step-job-failed = lisez ce qu'elle a envoyé (ci-dessous, et sur la page) et son propre journal ; son prochain succès y met fin
step-job-too-long = voyez si elle avance encore ou attend quelque chose (un verrou, un montage, un pair) avant de l'interrompre
step-monitoring = regardez Prometheus dans le cluster (tourne-t-il, envoie-t-il : prometheus_notifications_dropped_total, son journal) et le chemin de là au watchdog
step-restore-too-long = voyez à quelle étape il en est, et signalez sa fin : `done`, ou `fail` si la restauration est impossible ainsi
step-restore-failed = trouvez ce qui manque (la sauvegarde, sa clé, une étape que personne n'a écrite), corrigez-le et refaites l'exercice
step-restore-missed = voyez quelle étape prend du temps, ou à quel rythme les sauvegardes sont faites ; changez cela ou l'objectif, et refaites l'exercice
step-restore-overdue = prévoyez un exercice et ouvrez-le par `dogwatch drill restore { $drill }` : son achèvement y met fin

### Certificats et identifiants

expires = { $when ->
    [over] { $whose } : expiré le { $date }
    [day] { $whose } : expire dans la journée, le { $at }
    [week] { $whose } : expire dans la semaine, le { $date }
   *[later] { $whose } : expire le { $date }
}
token-ends = notre jeton ({ $subject }) { $when ->
    [over] est arrivé à son terme le { $date }
    [day] arrive à son terme dans la journée, le { $at }
   *[later] arrive à son terme le { $date }
}{ $how ->
    [failed] , et son renouvellement échoue : { $why }
    [not-yet] , et n'a pas encore été renouvelé
   *[others] , et personne n'en a mis un nouveau dans le kubeconfig
}
cert-of-kubeconfig = notre certificat client dans le kubeconfig ({ $subject })
cert-of-etcd-client = notre certificat client d'etcd ({ $subject })
cert-of-ca = { $of ->
    [etcd] l'autorité (CA) dans le `ca_file` d'etcd ({ $subject })
   *[kubeconfig] l'autorité (CA) dans le kubeconfig ({ $subject })
}
cert-of-kubelet = le certificat serveur du kubelet de { $node }
cert-of-kubelets = les certificats serveur de { $n } kubelets arrivent à leur fin, le premier sur { $node }
cert-of-one = certificat { $subject } ({ $component } { $instance })
cert-of-several = certificat { $subject } ({ $n } { $component })
cert-of-targets = certificat { $subject } ({ $n } cibles)
cert-wrong-name = le certificat ({ $whose }) ne porte pas le nom par lequel nous appelons : { $why }
cert-wrong-ca = le certificat ({ $whose }) n'est pas signé par { $ca ->
    [etcd] le `ca_file` d'etcd
   *[kubeconfig] l'autorité (CA) de notre kubeconfig
}
component-possessive = { $n ->
    [one] { $component }
   *[other] { $component }
}
ca-refused = { $over ->
    [yes] qui se fie à cette autorité refuse tout ce qu'elle a signé : kubectl, kubelets, contrôleurs
   *[no] qui se fie à cette autorité refusera tout ce qu'elle a signé : kubectl, kubelets, contrôleurs
}
certificate-refused = { $over ->
    [yes] les clients qui vérifient les certificats refusent de s'y connecter
   *[no] les clients qui vérifient les certificats refuseront de s'y connecter
}
watchdog-refused = { $over ->
    [yes] le cluster refuse le watchdog, qui en voit moins
   *[no] le cluster refusera le watchdog, qui en verra moins
}
refuse-our-credentials = { $n ->
    [one] { $who } refuse nos identifiants
   *[other] { $who } refusent nos identifiants
}
they-live-unknown = { $what } : ils vivent, mais leur santé n'est pas connue
credentials-refused = nos identifiants sont refusés par { $who } : { $why }
with-code = { $what } ({ $code })
others-accept = les autres les acceptent, { $n ->
    [one] la faute est donc chez lui
   *[other] la faute est donc chez eux
}
certificate-expired-on = { $of ->
    [etcd] notre certificat client d'etcd a expiré le { $date }
   *[kubeconfig] le certificat client du kubeconfig a expiré le { $date }
}
token-ended-on = le jeton du kubeconfig est arrivé à son terme le { $date }
certificate-not-yet = { $of ->
    [etcd] notre certificat client d'etcd n'est pas valable avant le { $at }
   *[kubeconfig] le certificat client du kubeconfig n'est pas valable avant le { $at }
}
not-allowed = ils nous connaissent, mais ne le permettent pas (RBAC)
not-known = ils ne nous connaissent pas : le jeton ou le certificat du kubeconfig n'y est pas valable (autre CA, révoqué ou expiré)
answers-so-lives = { $n ->
    [one] { $names } répond : il vit
   *[other] { $names } répondent : ils vivent
}

### Ce qui fonctionne encore

components-answer = { $n ->
    [one] { $who } répond
   *[other] { $who } répondent
}
containers-go-on = { $what } : les conteneurs en marche continuent
etcd-keeps-quorum-as = etcd garde le quorum : { $proof }
etcd-healthy = etcd est en bonne santé ({ $total } sur { $total })
etcd-keeps-quorum = etcd garde le quorum ({ $alive } sur { $total })
etcd-serves-reads = etcd sert les lectures
leaders-lead = scheduler et controller-manager ont leur leader

### Le watchdog lui-même

cut-off = le watchdog lui-même est coupé du réseau : aucun cluster n'est jugé tant qu'il ne voit rien
nothing-known-against = rien n'est reproché à aucun cluster : leurs derniers verdicts sont gardés
seen-when-back = une panne qui commencerait maintenant ne serait vue qu'au retour du watchdog
nothing-known-against-seen = rien n'est reproché à aucun cluster : ce qu'on en savait est gardé
outage-unseen = une panne qui y commencerait maintenant ne serait pas vue
fault-hides = { $what } : { $targets ->
    [one] 1 cible
   *[other] { $targets } cibles
} { $clusters ->
    [one] du cluster
   *[other] des clusters
} { $names } ne peuvent être vues
fault-files = le watchdog n'a plus de descripteurs de fichier
fault-ports = la machine du watchdog n'a plus d'adresse ou de port local d'où se connecter
fault-memory = la machine du watchdog n'a plus de mémoire pour des connexions
fault-firewall = un pare-feu sur la machine même du watchdog interdit ses connexions
fault-proxy = le proxy { $proxy } que nous utilisons est en panne, ou n'ouvre aucun passage
fault-resolver = le résolveur de la machine du watchdog ne répond pour aucun nom
fault-ping = l'utilisateur du watchdog n'a pas le droit de faire un ping
fault-tls = la bibliothèque TLS de dogwatch ne connaît pas { $what }
store-taken-away = la base de données du watchdog lui a été retirée pendant qu'il tournait
store-anew = le watchdog a dû recommencer son historique
store-failing = le watchdog ne peut écrire son historique ; il continue de sonder et de notifier de mémoire
probing-goes-on = les sondes, les verdicts et les notifications
lost-at-restart = ce qui se passe maintenant est perdu si le watchdog redémarre avant de pouvoir écrire à nouveau
not-watched = le cluster { $cluster } n'est pas surveillé
alerts-untold = trop d'alertes pour être signalées une à une : une limite est atteinte
messages-dropped = des messages sont abandonnés : plus de { $n } attendent leurs destinataires
receiver-failing = le destinataire { $receiver } { $refused ->
    [yes] refuse les messages
   *[no] ne prend pas les messages
}
proof-missing = l'exercice n'a pas de preuve de remise : des alarmes pourraient ne pas arriver

## Pages : ce que chacune porte.

nav-pages = Pages
nav-incidents = Incidents
nav-alerts = Alertes
nav-silences = Silences
nav-heartbeats = Battements
nav-report = Rapport
nav-runbooks = Procédures
nav-audit = Audit
as-of = au { $at }
page-unsaved = Le watchdog ne peut écrire sur son disque : ce qui est confié maintenant vaut, mais un redémarrage avant qu'il puisse écrire à nouveau le perdrait.
log-out = Se déconnecter
logged-in-as = connecté en tant que { $user }
fresh-every = rafraîchi toutes les { $n } s
link-metrics = métriques
link-state = état en JSON
state = { $state ->
    [up] en service
    [suspect] douteux
    [down] en panne
    [flapping] instable
   *[unknown] inconnu
}
severity = { $severity ->
    [critical] critique
    [warning] avertissement
   *[info] info
}
incident-state = { $incident-state ->
    [open] ouvert
   *[resolved] résolu
}
for-time = depuis { $time }
time-ago = il y a { $time }
silenced-by = Mis en silence par { $who } jusqu'au { $until }.
silenced-for = Mis en silence par { $who } jusqu'au { $until } : { $why }.
looks-after-it = { $who } s'en occupe
looks-after-it-for = { $who } s'en occupe, depuis { $time }.
nobody-looks-after-it = Personne ne s'en occupe
i-look-after-it = Je m'en occupe
silence-it-button = Mettre en silence
silence-it = mettre en silence
broken-because-of-it = En panne à cause de cela
also-wrong = Également en défaut
silenced = en silence
for-since = depuis { $lasted }, à partir du { $at }
show = Afficher
there-is-none = Il n'y en a aucun.
and-more-listed = et { $n ->
    [one] { GROUP($n) } autre, listé
   *[other] { GROUP($n) } autres, listés
} dans { $where }
all-clusters = Tous les clusters
nothing-written = Rien n'est encore consigné.
runbook-link = procédure
job-title = { $kind ->
    [kube-apiserver] Serveurs API
    [etcd] Membres etcd
    [kube-scheduler] Schedulers
    [kube-controller-manager] Controller managers
    [kubelet] Kubelets
    [kube-proxy] kube-proxys
   *[check] Contrôles
}

### La première page

advertised-address-note = adresse annoncée
and-more-open = et { $n }
more-open-incidents = { $n ->
    [one] autre incident ouvert
   *[other] autres incidents ouverts
}
and-n-others = { $what } (et { $n ->
    [one] { $n } autre
   *[other] { $n } autres
})
as-last-seen = tel que vu en dernier
canary = Canari
gap = { $what } n'est pas surveillé : { $why }
gap-how = Pour le surveiller : { $how }.
lately-resolved = Récemment résolus
resolved-lasted = résolu il y a { $ago }, a duré { $lasted }
all-incidents = Tous les incidents
watchdog-itself = Le watchdog lui-même
line-cut-off = Le watchdog lui-même est coupé du réseau, il n'accuse donc aucun cluster. { $why }
line-no-cluster = Aucun cluster n'est configuré.
line-no-target = Aucune cible n'est encore connue : aucun serveur API n'a dit ce qu'il y a.
n-clusters = { $n ->
    [one] { GROUP($n) } cluster
   *[other] { GROUP($n) } clusters
}
line-one-up = { $n ->
   *[other] La seule cible de { $of } est en service.
}
line-all-up = Les { GROUP($n) } cibles de { $of } sont en service.
line-not-up = Aucun incident ouvert, mais { $n ->
    [one] { GROUP($n) } cible sur { GROUP($total) } n'est pas en service
   *[other] { GROUP($n) } cibles sur { GROUP($total) } ne sont pas en service
} : { $kinds }.
line-not-watched = Non surveillé : { $names }.
line-not-watched-everywhere = Non surveillé partout : { $names }.
n-in-state = { GROUP($n) } { $state ->
    [up] en service
    [suspect] { $n ->
        [one] douteuse
       *[other] douteuses
    }
    [down] en panne
    [flapping] { $n ->
        [one] instable
       *[other] instables
    }
   *[unknown] { $n ->
        [one] inconnue
       *[other] inconnues
    }
}
no-targets-yet = pas encore de cible
all-n-up = les { GROUP($n) } en service
n-up-and = { GROUP($n) } en service, { $others }
n-more-not-up = { GROUP($n) } de plus hors service
all-n-of-fold-up = { GROUP($n) } en service
checks-of-no-cluster = Contrôles de la configuration qui ne relèvent d'aucun cluster.
api-last-read = Son API a été lue il y a { $ago }.
api-not-read-yet = Son API n'a pas encore été lue.
api-unreadable = Son API ne peut être lue ({ $why }). Les cibles sont celles connues au { $at }, il y a { $ago }.
api-never-read = Son API n'a jamais été lue : { $why }
last-failed-ago = dernier échec il y a { $ago } : { $why }
check-at = { $check } sur { $node }
last-run-ago = dernier passage il y a { $ago }
failing-for = depuis { $time } : { $why }
heartbeat-state = { $state ->
    [new] nouveau
    [ok] à l'heure
    [running] en cours
    [late] en retard
    [failed] en échec
    [too-long] trop long
   *[paused] en pause
}

### Incidents et alertes

resolved-title = résolu : { $what }
resolved-badge = résolu
ended-badge = terminé
lasted-from-to = a duré { $lasted }, du { $from } au { $to }
over-untold = C'était fini avant que quiconque soit prévenu.
not-told-yet = Personne n'a encore été prévenu : cela peut se rétablir de soi-même, ou c'est mis en sourdine.
what-happened = Ce qui s'est passé
somebody-noted = { $who } a noté :
notes-unreadable = Les notes ne peuvent être lues : { $why }
add-a-note = Ajouter une note
as-markdown = En Markdown, pour un post-mortem
findings = Constats
now-part-of = fait maintenant partie de
ended-at = terminé à { $at }
told-to-nobody = personne n'a été prévenu
told-if-it-lasts = signalé si cela dure
caused-by = causé par
who-was-told = Qui a été prévenu
deliveries-unreadable = Les envois ne peuvent être lus : { $why }
older-attempts = { $n ->
    [one] { $n } tentative plus ancienne n'est pas listée ici.
   *[other] { $n } tentatives plus anciennes ne sont pas listées ici.
}
message-to = message { $message } à { $receiver } en { $took }
nobody-while-silenced = Personne, tant que c'est en silence.
no-attempt-yet = Aucune tentative encore.
incident-as-json = Cet incident en JSON
history-unreadable = Ceux qui ont pris fin plus tôt ne peuvent être lus : { $why }
incident-number = incident { $id }
open = ouvert
lasted = a duré { $lasted }
none-before = Il n'y en a aucun avant.
newest = Les plus récents
older = Plus anciens
earlier-ones = les précédents
none-is-open = aucun n'est ouvert
n-are-open = { $n ->
    [one] { GROUP($n) } est ouvert
   *[other] { GROUP($n) } sont ouverts
}
filter-cluster = Cluster
filter-severity = Gravité
filter-state = État
filter-since = Depuis
filter-all = tous
filter-any = toutes
filter-open-and-resolved = ouverts et résolus
any-time = toujours
since-last-day = le dernier jour
since-last-week = la dernière semaine
since-last-30-days = les 30 derniers jours
since-last-90-days = les 90 derniers jours
n-told = { $n ->
    [one] { $n } signalée
   *[other] { $n } signalées
}
alerts-what = Tout ce qui est en alerte, d'après le diagnostic, les règles et l'extérieur : qui en est prévenu, ou pourquoi personne ne l'est.
nothing-fires = Rien n'est en alerte.
nothing-fires-but = Rien n'est en alerte hormis ce qui est expliqué plus bas.
explained-by-incident = Expliqué par un incident
explained-what = Elles sont listées dans leur incident et ne sont pas signalées par elles-mêmes.
over-looking-back = terminé ; ses alertes regardent encore en arrière
n-alerts = { $n ->
    [one] { $n } alerte
   *[other] { $n } alertes
}
and-more-alerts-listed = et { $n ->
    [one] { $n } autre alerte, listée
   *[other] { $n } autres alertes, listées
} dans { $where }
not-told-by-itself = non signalée par elle-même : { $by }
alert-silenced-by = mise en silence par { $by }
alert-inhibited-by = inhibée par { $by }
alert-muted-by = mise en sourdine par { $by }
no-route-takes-it = aucune route ne la prend
alert-told-to = signalée à { $by }

### Battements et silences

heartbeats-what = Tâches qui donnent signe de vie. Personne n'attend celle qui est en pause ; celle qui reprend recommence à neuf.
size = taille { $size }
pause = Mettre en pause { $what }
resume = Reprendre { $what }
no-heartbeat = Aucun battement n'est configuré.
restore-drills = Exercices de restauration
no-restore-drill = Aucun exercice de restauration n'est configuré.
silences-what = Ce qu'ils visent n'est pas signalé ; qui a été prévenu d'un début l'est de la fin.
new-silence = Nouveau silence
silence-state = { $state ->
    [to-come] à venir
    [in-force] en vigueur
   *[ended] terminé
}
silence-by-from-to = par { $who }, du { $from } au { $to }
begins-in = commence dans { $time }
ends-in = finit dans { $time }
ended-ago = fini il y a { $time }
change-or-extend = Modifier ou prolonger
silence-again = Remettre en silence
end-it-now = Y mettre fin
no-silence = Aucun silence n'est en vigueur, à venir ou récemment terminé.
change-a-silence = Modifier un silence
crumb-change = Modifier
crumb-new = Nouveau
silence-change-what = Avec d'autres conditions il prend fin, et un nouveau prend sa place : le passé reste tel qu'il était.
conditions-label = Conditions, une par ligne ; toutes doivent être remplies
how-long-label = Pour combien de temps, ou jusqu'à quand (UTC)
how-long-example = 2h, ou 2026-11-24 22:00
from-when-label = À partir de quand, si ce n'est maintenant (UTC)
who-label = Qui
why-label = Pourquoi
change-it = Le modifier
silence-button = Mettre en silence
show-preview = Montrer ce qu'il mettrait en silence
preview-title = Ce qu'il mettrait en silence

### Formulaires, connexion et le reste

crumb-incident = Incident { $id }
crumb-acknowledge = Prise en charge
crumb-note = Note
your-name = Votre nom
acknowledge-what = Qui s'en occupe ? Personne d'autre n'est alors appelé, et les rappels cessent ; ce qui s'aggrave est signalé malgré tout.
note-title = Note : { $what }
note-what = Ce qui a été tenté, vu ou appris : cela figure dans la chronologie avec nom et heure, et dans le texte pour un post-mortem.
keep-it = L'enregistrer
log-in = Se connecter
log-in-what = Ce dogwatch se montre à ceux que connaît { $issuer }.
log-in-at = Se connecter chez { $issuer }
issuer-silent = Il ne répond pas ?
log-in-by-password = Se connecter par un mot de passe
password-known-here = que dogwatch connaît lui-même.
nothing-here = Rien ici
what-there-is = Ce qu'il y a :
lost-home = ce qui ne va pas, et toutes les cibles
lost-incidents = ce qui est et ce qui fut
lost-alerts = ce qui est en alerte, et qui est prévenu
lost-silences = ce dont personne n'est prévenu
lost-runbooks = que faire, pour chaque alerte
lost-metrics = pour Prometheus
lost-state = la même chose en JSON
lost-api-incidents = incidents, ouverts et récemment résolus
word-and = et
lost-health = pour qui surveille le watchdog
cluster-as-last-seen = { $cluster } tel que vu en dernier
recorded-what = Quoi
recorded-search = Chercher
recorded-namespace = Namespace
recorded-at = À
recorded-table = Ce qui est enregistré
recorded-left-out = { $n ->
    [one] { $n } de plus n'est pas montré : cherchez, ou choisissez un namespace.
   *[other] { $n } de plus ne sont pas montrés : cherchez, ou choisissez un namespace.
}
audit-title = Qui a fait quoi
newest-first = Le plus récent d'abord.
as-json = En JSON
from-address = depuis { $address }
earlier = Plus tôt

### Une cible

n-times = { $n } fois
target-is = { $target } : { $state }
state-for = { $state } depuis
ago-since = { $lasted }, à partir du { $at }
job = Job
node = Nœud
last-success = Dernier succès
never-seen = jamais vu
probes-succeeded = Sondes réussies
share-in = sur { $over }
probed = Sondé
every-deadline = toutes les { $every }, délai { $deadline }
part-of-incident = Fait partie de l'incident
chart-range = Jusqu'où remonte le graphique
chart-title = Combien ont duré ses sondes, et quand elles ont échoué
chart-longest = De { $from } à { $to } la plus longue sonde a duré { $took }.
chart-none-failed = Aucune n'a échoué.
chart-failed = Des sondes ont échoué dans { $n } sur { $parts ->
    [one] { GROUP($parts) } tranche
   *[other] { GROUP($parts) } tranches
} de { $each }, la dernière à partir de { $at }.
past-unreadable = Tout son passé ne peut être dit maintenant : { $why }
nothing-measured = Rien n'a encore été mesuré.
fires-about-it = Ce qui est en alerte à son sujet
newest-probe = La dernière sonde
failed = échec
succeeded = réussie
checks-that-fail = Vérifications en échec
phase = Phase { $phase }
certificates-presented = Certificats présentés
certificate-until = par { $issuer }, jusqu'au { $until }, reste { $left }
certificate-over = par { $issuer }, expiré le { $until }, il y a { $ago }
checks-pass = { $n ->
    [one] { $n } vérification réussie
   *[other] { $n } vérifications réussies
}
its-steps = Ses étapes
last-results = Les derniers résultats
earlier-states = États précédents
from-time = à partir du { $at }
state-ever-since = { $state } depuis qu'elle est connue, ou aussi loin que va l'historique.
last-failed = Les dernières sondes en échec
none-since-start = Aucune depuis le démarrage du watchdog.
last-hour = La dernière heure
last-six-hours = Les six dernières heures
last-24-hours = Les dernières 24 heures
last-seven-days = Les sept derniers jours
last-30-days = Les 30 derniers jours

## Le rapport.

report-title = Disponibilité : { $what }
report-span = Du { $from } au { $to }, établi le { $made }. Les heures sont celles de { $zone }. Comment c'est compté : docs/availability.md.
report-subject = Rapport de { $what }
report-last = les derniers { $time }
report-none = Aucun.
report-nothing-known = rien n'est connu
report-days = { $n } j
report-yes = oui
report-no = non
report-not-known = inconnu
report-never = jamais
report-lasts = dure
report-objectives = Objectifs
report-clusters = Clusters
report-components = Composants
report-worst = Cibles le plus longtemps en panne
report-certificates = Certificats arrivant à échéance
report-average = En moyenne détecté après { $detected }, pris en charge après { $acknowledged }, rétabli après { $restored }.
report-more = Il y en a eu davantage ; voici les plus récents.
head-objective = objectif
head-wanted = visé
head-available = disponible
head-met = atteint
head-down = en panne
head-allowed = permis
head-budget-left = budget restant
head-name = nom
head-outages = pannes
head-longest = la plus longue
head-maintenance = maintenance
head-unseen = non vu
head-unknown = inconnu
head-id = n°
head-cluster = cluster
head-severity = gravité
head-began = début
head-what = quoi
head-cause = cause
head-detected = détecté
head-acknowledged = pris en charge
head-restored = rétabli
head-ends = fin
head-subject = sujet
head-where = où
head-seen-at = vu sur
head-heartbeat = battement
head-successes = succès
head-last-success = dernier succès
head-troubles = défauts
head-in-all = en tout
head-longest-run = passage le plus long
head-drill = exercice
head-done = faits
head-last = dernier
head-how = issue
head-took = durée
head-rto = RTO
head-data-was = âge des données
head-rpo = RPO

## Battements.

expected-every = toutes les { $time }
expected-at = à { $times } ({ $zone })
no-success-ever = elle n'a jamais signalé de succès
last-success-at = dernier succès le { $at }
job-late = la tâche { $job } est en retard : { $last }, attendue { $expected }
job-refused = la tâche { $job } a donné signe de vie, mais { $why } ; { $last }
job-failed = la tâche { $job } a échoué avec le code de sortie { $status } ; { $last }
job-says-failed = la tâche { $job } dit avoir échoué ; { $last }
job-too-long = la tâche { $job } dure plus de { $max } : elle a commencé le { $at }
job-overdue = la tâche { $job } ne se termine pas : son succès tarde
job-overdue-since = la tâche { $job } ne se termine pas : son succès tarde, elle a commencé le { $at }
job-purpose-missing = ce à quoi sert la tâche (une sauvegarde, un renouvellement, un exercice) manque
monitoring-silent = la supervision interne est muette : pas de { $alert } depuis { $time }
restore-too-long = l'exercice de restauration { $drill } dépasse son objectif de { $rto } : il a commencé le { $at }
restore-failed = l'exercice de restauration { $drill } a échoué le { $at }{ $said }
restore-said = {""} : { $said }
restore-missed = l'exercice de restauration { $drill } n'a pas atteint ses objectifs : { $missed }
restore-missed-rto = il a pris { $took }, pour { $rto } au plus
restore-missed-rpo = ses données dataient de { $age }, pour { $rpo } au plus
restore-overdue = l'exercice de restauration { $drill } est en retard : { $last }
restore-last-done = le dernier a été fait le { $at }
restore-never-done = aucun n'a jamais été fait
