### English: every message that there is. What begins with "$" is put in by dogwatch; texts of templates keep their own markup
### around it. GROUP($n) sets the thousands of a number apart. How a language is added: docs/languages.md.

language-name = English

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
