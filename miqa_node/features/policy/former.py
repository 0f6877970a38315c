"""Writes a policy of the form of before, with ``[[scope]]``, as rules, and says what became of each table.

Tables become tables: of an image the first scope that covered it applied, so a place is ``except`` all earlier ones
that it meets. What rules cannot say is an obstacle, and so is what the reader of rules finds wrong with the outcome.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count, groupby
from typing import Any

from miqa_node.core.domain.rule import ALL, ANOMALY, CARD, SITE, Subject, Then, Where
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.core.taxonomy.entries import check_keys, flag, name_list, required, rules
from miqa_node.core.taxonomy.evidence_tables import TRIAL_KEY
from miqa_node.core.taxonomy.lookup import finding_entries
from miqa_node.core.taxonomy.places import parse_places, parse_where
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.core.taxonomy.rule_tables import DEFAULT, USUAL
from miqa_node.errors import SettingsError
from miqa_node.features.policy.figures_alone import FIGURE_KEYS, FiguresAlone
from miqa_node.features.policy.rivals import Entry, are_rivals, winner
from miqa_node.features.policy.toml_text import inline, policy_text

CONDITIONS = ("modality", "body_part", "view", "kind")
RULE_KEYS = {
    "finding": ("name", "verdict", "min_probability", "min_severity", "soft", "over"),
    "measurement": ("name", "verdict", "above", "below", "reason"),
    "usual": ("name", "verdict", "side", "reason"),
    "plausibility": ("name", "verdict"),
    "anomaly": ("verdict", "min_percentile"),
}
"""Tables of a scope that are rules."""
PACKAGE_KEYS = ("name", "min_confidence", "max_percentile", "accepted_only")
ACCEPT_KEYS = ("body_part", "measured", TRIAL_KEY)
SCOPE_KEYS = (
    "name", *CONDITIONS, *RULE_KEYS, "default_findings", "ignored_findings", "package", "accept", "figure",
    "finding_figure", "own_figures",
)  # fmt: skip
SUBJECTS = {"finding": Subject.FINDING, "plausibility": Subject.CONTRADICTION}
"""What rules of these tables are about; all others are about measurements."""
BY_OWN_FIGURES = "own_figures is true, so it had no effect"
HEAD = """\
# Written by `miqa-node policy convert` from a policy with [[scope]], whose comments are not here. The head of
# config/policy.toml explains the form.

"""
Table = Mapping[str, Any]
Became = tuple[tuple[str, ...], str]
"""The lines that a table became, and a remark."""
Evidence = str | list[str]


@dataclass(frozen=True, slots=True)
class Step:
    """What one table of a place became, as lines of TOML; ``remark`` says why it is nothing, or another thing.

    ``obstacle`` says why it could not be converted, and what to do.
    """

    place: str
    before: str
    after: tuple[str, ...] = ()
    remark: str = ""
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The policy as rules, and what each of its tables became."""

    text: str
    steps: tuple[Step, ...]

    @property
    def obstacles(self) -> tuple[Step, ...]:
        """What could not be converted."""
        return tuple(one for one in self.steps if one.obstacle)

    def lines(self) -> Iterator[str]:
        """Yield the steps as a diff."""
        for place, steps in groupby(self.steps, lambda one: one.place):
            yield f"@@ {place} @@"
            for step in steps:
                yield f"- {step.before}"
                yield from (f"+ {line}" for line in step.after)
                yield from (f"! could not be converted: {text}" for text in (step.obstacle,) if text)
                yield from (f"  ({text})" for text in (step.remark,) if text)


def convert(document: Table) -> Conversion:
    """The policy in a document of the form of before, which decides alike; ValueError if it has no scopes."""
    new = _NewPolicy()
    for key in sorted(document.keys() - {"version", "scope"}):
        new.steps.append(Step("", key, remark="it had no effect and is left out"))
    for table in rules(document, "scope", dict):
        _Scope(new, table).convert()
    text = HEAD + policy_text(document.get("version", ""), new.where, new.evidence, new.rules, new.packages)
    if not any(step.obstacle for step in new.steps):
        try:
            parse_policy(tomllib.loads(text), text)
        except SettingsError as error:
            new.steps.append(Step("", "the policy as a whole", obstacle=f"{error} Correct it in the old file."))
    return Conversion(text, tuple(new.steps))


class _NewPolicy:
    """The tables of the policy to come; ``wide`` are its places without what they except."""

    def __init__(self) -> None:
        self.where: dict[str, Entry] = {}
        self.wide: dict[str, Where] = {}
        self.evidence: dict[str, Entry] = {}
        self.rules: list[tuple[Entry, list[Entry]]] = []
        self.packages: list[Entry] = []
        self.steps: list[Step] = []

    def record(self, table: Table, name: str) -> str:
        """The name of a record of evidence; equal ones are one."""
        same = next((label for label, other in self.evidence.items() if other == table), "")
        name = same or _free(name, self.evidence)
        self.evidence[name] = dict(table)
        return name

    def add(self, shared: Entry, entry: Entry) -> None:
        """Add an entry to the rule that has this in common, or to a new one."""
        entries = next((entries for common, entries in self.rules if common == shared), None)
        if entries is None:
            entries = []
            self.rules.append((shared, entries))
        entries.append(entry)


class _Scope:
    """One scope on its way into the new policy."""

    def __init__(self, new: _NewPolicy, table: Table) -> None:
        self._new, self._table = new, table
        self._name = _free(str(table.get("name", "")), new.where)
        self._evidence: Evidence = CARD
        self._accepting: list[set[str]] = []

    def convert(self) -> None:
        """Add the place, then its evidence, rules and packages."""
        if not self._try(f"[[scope]] {inline(self._conditions | {'name': self._table.get('name', '')})}", self._place):
            return
        if self._value("own_figures", flag, False):
            self._evidence = SITE
            self._tell("own_figures = true", f"evidence = {inline(SITE)}")
        self._each("figure", self._figure)
        self._findings()
        for kind in ("measurement", "usual", "plausibility", "anomaly"):
            self._rules(kind)
        self._each("accept", self._accept)
        self._each("package", self._package)

    @property
    def _conditions(self) -> Entry:
        return {key: self._table[key] for key in CONDITIONS if self._table.get(key)}

    def _tell(self, before: str, *after: str, remark: str = "", obstacle: str = "") -> None:
        self._new.steps.append(Step(self._name, before, after, remark, obstacle))

    def _try(self, before: str, step: Callable[[], Became]) -> bool:
        """Whether a table became anything; what is wrong with it is an obstacle."""
        try:
            after, remark = step()
        except ValueError as error:
            self._tell(before, obstacle=str(error))
            return False
        self._tell(before, *after, remark=remark)
        return bool(after)

    def _each(self, kind: str, step: Callable[[Table], Became]) -> None:
        for table in self._value(kind, lambda table, key, _: list(rules(table, key, dict)), ()):
            self._try(f"[[scope.{kind}]] {inline(table)}", partial(step, table))

    def _value(self, key: str, read: Callable[[Table, str, Any], Any], default: Any) -> Any:
        try:
            return read(self._table, key, default)
        except ValueError as error:
            self._tell(key, obstacle=str(error))
            return default

    def _add(self, entry: Entry, evidence: Evidence, **conditions: Any) -> Became:
        self._new.add({"where": self._name, **conditions, "evidence": evidence}, entry)
        return (inline(conditions | entry),), ""

    def _place(self) -> Became:
        check_keys(self._table, SCOPE_KEYS)
        conditions, new = self._conditions, self._new
        wide = parse_places({"where": {self._name: conditions}})[self._name]
        if earlier := next((name for name, one in new.wide.items() if wide.is_within(one)), None):
            return (), f"left out with all that it says: {earlier!r} covers all of its images, so it never applied"
        if met := [name for name, one in new.wide.items() if wide.meets(one)]:
            conditions["except"] = met
        new.where[self._name], new.wide[self._name] = conditions, wide
        is_same = self._name == self._table.get("name")
        return (f"[where.{inline(self._name)}] {inline(conditions)}",), "" if is_same else "the name is new"

    def _figure(self, table: Table) -> Became:
        check_keys(table, FIGURE_KEYS)
        if self._evidence == SITE:
            return (), BY_OWN_FIGURES
        name = self._new.record(table, f"{self._name}, figure")
        before = [self._evidence] if isinstance(self._evidence, str) else self._evidence
        self._evidence = _one_or_all([one for one in (*before, name) if one != CARD])
        return (f"[evidence.{inline(name)}] {inline(table)}",), ""

    def _findings(self) -> None:
        """Add the rule for ACCEPT, own rules, defaults of all other findings, hints, and figures of single findings."""
        self._add({"finding": ALL, "then": Then.ACCEPT.value}, self._evidence)
        has_defaults = self._value("default_findings", flag, False)
        over_of: dict[str, list[Any]] = {}
        for entry in self._rules("finding"):
            over_of.setdefault(str(entry["finding"]), []).append(entry.get("over"))
        ignored = [str(one) for one in self._value("ignored_findings", lambda table, key, _: name_list(table, key), ())]
        left_out = list(dict.fromkeys((*over_of, *ignored)))
        if has_defaults:
            default = {"finding": DEFAULT, **({"except": left_out} if left_out else {})}
            self._try("default_findings = true", lambda: self._add(default, self._evidence))
            over_of |= {
                name: [rule.over for rule in entry.policy]
                for name, entry in finding_entries().items()
                if name not in left_out and entry.policy
            }
        for name in ignored:
            self._try(f"ignored_findings: {name}", partial(self._ignored, name, over_of))
        self._figures_alone(over_of)

    def _ignored(self, name: str, over_of: Container[str]) -> Became:
        if name in over_of:
            return (), "it has a rule of its own, which flagged it all the same, and still does"
        return self._add({"finding": name, "then": Then.HINT.value}, SITE)

    def _figures_alone(self, over_of: Mapping[str, Sequence[Any]]) -> None:
        places = parse_places({"where": self._new.where})
        figures = FiguresAlone(lambda own: parse_where({"where": self._name, **own}, places)[0], over_of)

        def add(table: Table) -> Became:
            remark = BY_OWN_FIGURES if self._evidence == SITE else self._elsewhere(table) or figures.add(table)
            return (), remark or "its rule follows"

        self._each("finding_figure", add)
        figures.finish(places[self._name])
        for one in figures.rules:
            names = [self._new.record(record, f"{self._name}, {one.entry['finding']}") for record in one.records]
            entry = {**one.entry, "evidence": _one_or_all(names)}
            self._new.add({"where": self._name, **one.conditions}, entry)
            records = (f"[evidence.{inline(name)}] {inline(self._new.evidence[name])}" for name in names)
            self._tell("[[scope.finding_figure]]", *records, inline(one.conditions | entry))

    def _elsewhere(self, table: Table) -> str:
        own = parse_where({key: table[key] for key in ("body_part", "view") if key in table}, {})[0]
        return "" if own.meets(self._new.wide[self._name]) else "no image of the scope is of these, so it had no effect"

    def _rules(self, kind: str) -> list[Entry]:
        entries: list[Entry] = []

        def add(table: Table) -> Became:
            check_keys(table, RULE_KEYS[kind])
            entry = _entry(kind, table)
            rival = next((one for one in entries if are_rivals(one, entry)), None)
            if rival is None:
                entries.append(entry)
                return (inline(entry),), ""
            stays = winner(rival, entry)
            entries[entries.index(rival)] = stays
            return (inline(stays),), "one rule with an earlier one about the same, which asks for no more"

        self._each(kind, add)
        for entry in entries:
            self._add(entry, SITE if kind in ("measurement", "plausibility") else self._evidence)
        return entries

    def _accept(self, table: Table) -> Became:
        check_keys(table, ACCEPT_KEYS)
        if remark := self._elsewhere(table):
            return (), remark
        of_scope = {*self._new.wide[self._name].body_part}
        own = {*STANDARD.body_parts.expanded(name_list(table, "body_part"))}
        own = own & of_scope if of_scope else own
        before = {part for parts in self._accepting for part in parts}
        if set() in self._accepting or (own and own <= before):
            return (), "earlier tables cover all of its images, so it had no effect"
        self._accepting.append(own)
        part = {"body_part": sorted(own - before) if own & before else table["body_part"]} if own else {}
        record = {TRIAL_KEY: table.get(TRIAL_KEY, [])}
        name = self._new.record(record, f"{self._name}, scanners")
        after, _ = self._add({"then": Then.ACCEPT.value, "measurement": table.get("measured", [])}, name, **part)
        return (f"[evidence.{inline(name)}] {inline(record)}", *after), ""

    def _package(self, table: Table) -> Became:
        """Packages went by the header alone, so kinds of slices did not count."""
        check_keys(table, PACKAGE_KEYS)
        *before, mine = (replace(one, kind=()) for one in self._new.wide.values())
        met = [one for one in before if mine.meets(one)]
        where: Entry = {"where": self._name}
        if any(self._new.wide[one.name].kind for one in (mine, *met)):
            if any(mine.is_within(one) for one in met):
                return (), "packages went by the header alone, which an earlier scope covers, so it had no effect"
            if met:
                raise ValueError(
                    "packages went by the header alone, whatever the kind of slices, and an earlier scope covers some "
                    "of these images. Take the table out, convert again, and add a [[package]] for those meant."
                )
            where = {key: one for key, one in self._conditions.items() if key != "kind"}
        self._new.packages.append({**where, **table})
        return (f"[[package]] {inline({**where, **table})}",), ""


def _entry(kind: str, table: Table) -> Entry:
    """A rule as entry of a rule for the same place."""
    if kind == "anomaly":
        return {
            "measurement": ANOMALY,
            "then": required(table, "verdict"),
            "min_percentile": table.get("min_percentile"),
        }
    subject = SUBJECTS.get(kind, Subject.MEASUREMENT).value
    entry: Entry = {subject: required(table, "name"), "then": required(table, "verdict")}
    if kind == "usual":
        entry[required(table, "side")] = USUAL
    return entry | {key: one for key, one in table.items() if key not in ("name", "verdict", "side")}


def _free(name: str, others: Container[str]) -> str:
    numbers = (f"{name} {number}" for number in count(2))
    return next(one for one in chain((name,), numbers) if one not in others)


def _one_or_all(names: list[str]) -> Evidence:
    return names[0] if len(names) == 1 else names
