### Français. Tous les messages sont dans en.ftl ; ce qui manquerait ici serait dit en anglais.

language-name = Français

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
