"""What a scheme says, by language: its title, what its columns, codes and values mean, the headings of its steps.

The first of ``languages`` in ``policy.yaml`` is that of the scheme's own files. Every other one has ``texts/<language>.yaml``
with the same sections, complete, or the scheme is refused::

    title: ...
    header: {standard_type: ..., not_known: [...]}   # the header's sentences
    grades: {H: ...}
    inputs: {department: ...}                        # descriptions of the input columns
    choices: {department: {lima: Lima}}              # labels of the words of the columns that have a vocabulary
    outputs: {sulfur_limit: ...}
    statuses: {compliant: ...}                       # messages of the status and reason codes
    reasons: {sulfur_above_limit: ...}               # of a reason `over:nox:WHTC` the entry `over` says the meaning
    flags: {stage_assumed: ...}
    checks: {"contradiction:use": ...}
    values: {sulfur_limit: ...}
    rules: {margin: ...}                             # headings of an explanation
    overlays: {strict: ...}

``texts/<first language>.yaml`` holds ``statuses`` and ``reasons`` only, as the rest stands in the scheme's own files; a scheme
in one language may leave it out. Codes, names and numbers are the same in every language. The words of the house itself
are in :mod:`.language`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .columns import REFUSALS
from .errors import LawError, UnknownName, near
from .language import say
from .values import read_yaml

if TYPE_CHECKING:
    from .definition import Definition
    from .program import Program

#: Sections that only a file of texts can hold; a scheme in one language needn't.
_MESSAGES = ("statuses", "reasons")


@dataclass(frozen=True)
class Texts:
    """A scheme's texts in one language. The mappings go from names and codes to what they mean, '' where nothing is said."""

    language: str
    title: str
    header: Mapping[str, Any]
    grades: Mapping[str, str]
    inputs: Mapping[str, str]
    choices: Mapping[str, Mapping[str, str]]
    outputs: Mapping[str, str]
    flags: Mapping[str, str]
    checks: Mapping[str, str]
    values: Mapping[str, str]
    rules: Mapping[str, str]
    overlays: Mapping[str, str]
    statuses: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def say(self, text: str, **parts: object) -> str:
        """The house's English ``text`` in this language; see :func:`say`."""
        return say(self.language, text, **parts)

    def status(self, code: str) -> str:
        """What a status means, '' where the scheme doesn't say."""
        return self.statuses.get(code, "")

    def reason(self, code: str) -> str:
        """What one reason means: a word of the scheme, ``missing:name``, or ``code:column`` of a refusal; '' if unknown."""
        if code in self.reasons or code in self.checks:
            return self.reasons.get(code) or self.checks[code]
        kind, _, name = code.partition(":")
        if kind in self.reasons:
            return f"{self.reasons[kind]}: {name}"
        if kind == "missing":
            return self.say("not given or not known: {what}", what=self.named(name))
        if kind == "duplicate":
            return self.say("stands in an earlier record too")
        return self.say(REFUSALS[kind]) if kind in REFUSALS else ""

    def flag(self, code: str) -> str:
        """What a flag or mark means."""
        kind, _, name = code.partition(":")
        if code in self.flags or kind not in _MARKS:
            return self.flags.get(code, "")
        return self.say(_MARKS[kind], name=name)

    def named(self, name: str) -> str:
        """An input column or a value in words."""
        return self.inputs.get(name) or self.values.get(name) or name


_MARKS = {
    "doubtful": "{name} is inferred or comes from a single weak source",
    "overlay": "values of the overlay {name} were used, which are not the law as read here",
    "reading": "not the default reading: {name}",
}


def own_texts(definition: Definition) -> dict[str, Any]:
    """The sections that the scheme's own files hold, in its first language."""
    d = definition
    return {
        "title": d.title,
        "header": {key: text for key, text in d.header.items() if isinstance(text, str) or key == "not_known"},
        "grades": {grade.grade: grade.meaning for grade in d.grades},
        "inputs": {column.name: column.description for column in d.inputs},
        "choices": {column.name: dict(column.choices) for column in d.inputs if column.choices},
        "outputs": {output.name: output.description for output in d.outputs},
        "flags": {flag.name: flag.description for flag in d.flags},
        "checks": {check.name: check.description for check in d.checks},
        "values": {value.name: value.description for value in d.values.values()},
        "rules": {name: heading(variants[0].function) for name, variants in d.rules.items() if not _as_given(d, name)},
        # read only where there is another language to compare with, so that a bad overlay stops nobody who doesn't use it
        "overlays": {name: d.overlay(name).title for name in d.overlays()} if len(d.languages) > 1 else {},
    }


def _as_given(definition: Definition, name: str) -> bool:
    """Whether a rule only hands on an input column, for groups of rows."""
    return definition.group is not None and name in definition.group.given_rules()


def heading(function: Any) -> str:
    """A rule's heading: its docstring in one line."""
    return " ".join((function.__doc__ or function.__name__).split())


def load_texts(definition: Definition) -> dict[str, Texts]:
    """The texts of every language of a scheme, the first one first; raises :class:`LawError` for what is not complete."""
    folder = definition.folder / "texts"
    first, *others = definition.languages
    for path in sorted(folder.glob("*.yaml")):
        if path.stem not in definition.languages:
            raise LawError(f"{path}: policy.yaml does not list the language {path.stem!r}")
    own = own_texts(definition)
    path = folder / f"{first}.yaml"
    messages = _read(path) if path.exists() else {}
    wanted = _MESSAGES if others else tuple(messages)
    _complete(messages, {key: messages.get(key, {}) for key in wanted if key in _MESSAGES}, str(path))
    found = {first: Texts(first, **own, **messages)}
    for language in others:
        path = folder / f"{language}.yaml"
        if not path.exists():
            raise LawError(f"{path}: is missing, though policy.yaml lists the language {language!r}")
        raw = _read(path)
        _complete(raw, {**own, **messages}, str(path))
        found[language] = Texts(language, **raw)
    return found


def check_messages(texts: Mapping[str, Texts], program: Program) -> None:
    """Refuse a scheme that has messages for its codes, but not for every code; raises :class:`LawError`."""
    outcome = program.definition.outcome
    wanted = {"statuses": {*program.status_cell.words}, "reasons": {*program.reason_cell.words} - {"", "none"}}
    wanted["statuses"] |= {outcome.undetermined, outcome.refused}
    for language, of in texts.items():
        for section, codes in wanted.items():
            have = getattr(of, section)
            if have and (lacking := sorted(codes - set(have))):
                raise LawError(
                    f"{program.definition.folder}/texts/{language}.yaml: {section}: has no text for {', '.join(lacking)}"
                )


def choose_language(definition: Definition, wanted: str | None, otherwise: str | None = None) -> str:
    """The language asked for, or ``otherwise`` if the scheme has that, or its first; :class:`UnknownName` for no such one."""
    if wanted is None:
        return otherwise if otherwise in definition.languages else definition.languages[0]
    if wanted not in definition.languages:
        raise UnknownName(f"{definition.id} has no language {wanted!r}; known are {', '.join(definition.languages)}")
    return wanted


def _read(path: Path) -> dict[str, Any]:
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise LawError(f"{path}: is not a mapping of sections")
    return raw


def _complete(raw: Any, own: Any, where: str) -> None:
    """Refuse texts that lack an entry of ``own``, have one more, or say nothing."""
    if isinstance(own, dict):
        if not isinstance(raw, dict):
            raise LawError(f"{where}: is not a mapping")
        if lacking := [key for key in own if key not in raw]:
            raise LawError(f"{where}: has no text for {', '.join(lacking)}")
        for key in raw:
            if key not in own:
                raise LawError(f"{where}: {key!r} is no such entry; {near(key, sorted(own))}")
            _complete(raw[key], own[key], f"{where}: {key}")
    elif isinstance(own, list):
        if not isinstance(raw, list) or len(raw) != len(own):
            raise LawError(f"{where}: needs {len(own)} texts in the same order")
        for place, text in enumerate(raw, 1):
            _complete(text, own[place - 1], f"{where}, {place}")
    elif not isinstance(raw, str) or (own and not raw.strip()):
        raise LawError(f"{where}: is not a text")
