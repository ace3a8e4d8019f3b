"""Languages: a scheme's texts, complete or refused; the house's own sentences; codes that stay the same."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import cleanfleet
from cleanfleet.law.columns import REFUSALS, Column, Refused
from cleanfleet.law.definition import HEADER, load_definition
from cleanfleet.law.errors import LawError, UnknownName
from cleanfleet.law.language import say, sentences
from cleanfleet.law.policy import Policy
from cleanfleet.law.texts import _MARKS, Texts, own_texts
from cleanfleet.tables import explain_refusal
from cleanfleet.tables.explain import _UNCERTAIN_MARK, CELL_REASONS, RECORD_REASONS

from .toy import BARGE, KNOWN, definition


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The toy scheme in English and Spanish, every text of it marked by its own English one."""
    plain = definition(tmp_path / "toy")
    own = {**own_texts(plain), "overlays": {}}
    words = Policy(plain, known=KNOWN).program
    english = {
        "statuses": {code: f"status {code}" for code in {*words.status_cell.words, "not_determined", "refused"}},
        "reasons": {code: f"reason {code}" for code in words.reason_cell.words if code not in ("", "none")},
    }
    save(plain.folder, "en", english)
    save(plain.folder, "es", spanish({**own, **english}))
    return listed(plain.folder, "en", "es")


def listed(folder: Path, *languages: object) -> Path:
    """The folder, its policy.yaml now listing these languages."""
    stated = yaml.safe_load((folder / "policy.yaml").read_text(encoding="utf-8"))
    stated["languages"] = list(languages)
    (folder / "policy.yaml").write_text(yaml.safe_dump(stated, sort_keys=False), encoding="utf-8")
    return folder


def spanish(texts: Any) -> Any:
    if isinstance(texts, dict):
        return {key: spanish(text) for key, text in texts.items()}
    return [spanish(text) for text in texts] if isinstance(texts, list) else f"ES {texts}"


def save(folder: Path, language: str, texts: dict[str, Any]) -> None:
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts" / f"{language}.yaml").write_text(yaml.safe_dump(texts, allow_unicode=True), encoding="utf-8")


def read(folder: Path, language: str = "es") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "texts" / f"{language}.yaml").read_text(encoding="utf-8"))
    return found


def policy(folder: Path, language: str | None = None) -> Policy:
    return Policy(load_definition(folder), known=KNOWN, language=language)


# -- a scheme's texts


def test_a_scheme_without_languages_speaks_english(tmp_path: Path) -> None:
    found = Policy(definition(tmp_path / "toy"), known=KNOWN)
    assert (found.definition.languages, found.texts.language, found.title) == (("en",), "en", "Charge on loud barges")
    assert found.texts.status("determined") == ""


def test_another_language_changes_texts_and_no_code(folder: Path) -> None:
    plain, other = policy(folder), policy(folder, "es")
    assert (plain.title, other.title) == ("Charge on loud barges", "ES Charge on loud barges")
    assert plain.one(BARGE) == other.one(BARGE)
    assert plain.digest == other.digest
    assert other.at(known="2025-01-01").texts.language == "es"
    assert other.at(language="en").title == plain.title


def test_an_explanation_is_told_in_the_language(folder: Path) -> None:
    plain, other = policy(folder).explain(BARGE), policy(folder, "es").explain(BARGE)
    assert [step.rule for step in plain.steps] == [step.rule for step in other.steps]
    assert [f"ES {step.heading}" for step in plain.steps] == [step.heading for step in other.steps]
    assert str(other).startswith(f"ES Charge on loud barges, según lo conocido el {KNOWN}\n")
    assert "determined: ES status determined" in str(other)
    assert "determined: status determined" in str(plain)
    assert "grado H" in str(other)
    assert "grade H" in str(plain)
    assert other.as_dict()["status_meaning"] == "ES status determined"


def test_what_is_missing_or_refused_is_told_in_the_language(folder: Path) -> None:
    found = policy(folder, "es").explain({**BARGE, "noise": "", "mass_kg": "0"})
    assert found.refusals == ("mass_kg: '0' está fuera del intervalo admitido; se admite un número entero de 1 a 9000 kg",)
    found = policy(folder, "es").explain({**BARGE, "noise": ""})
    assert "no determinado, falta noise" in str(found)
    assert found.reasons[0] == ("missing:noise", "no dado o no conocido: ES ")


def test_marks_and_reasons_have_meanings(folder: Path) -> None:
    es = policy(folder, "es").texts
    assert es.flag("heavy") == "ES "
    assert es.flag("overlay:x") == "se usaron valores de la superposición x, que no son la ley tal como se lee aquí"
    assert es.flag("doubtful:rate") == "rate se infiere o procede de una sola fuente débil"
    assert es.flag("unheard") == es.reason("unheard") == es.reason("odd:name") == ""
    assert es.reason("duplicate:name") == "figura también en un registro anterior"
    assert es.reason("not_a_number:noise") == "no es un número"
    assert es.reason("contradiction:mass_kg") == "ES "


def test_an_unknown_language_is_refused(folder: Path) -> None:
    with pytest.raises(UnknownName, match="toy-barges has no language 'fr'; known are en, es"):
        policy(folder, "fr")


LACKS = {
    "the title": (("title",), r"es\.yaml: has no text for title"),
    "a section": (("flags",), r"es\.yaml: has no text for flags"),
    "a column": (("inputs", "noise"), r"es\.yaml: inputs: has no text for noise"),
    "a label": (("choices", "port", "south"), r"es\.yaml: choices: port: has no text for south"),
    "a sentence of the header": (("header", "scope"), r"es\.yaml: header: has no text for scope"),
    "a heading": (("rules", "verdict"), r"es\.yaml: rules: has no text for verdict"),
    "a message": (("statuses", "refused"), r"es\.yaml: statuses: has no text for refused"),
}


@pytest.mark.parametrize("what", LACKS)
def test_a_language_that_lacks_something_is_refused_at_load(folder: Path, what: str) -> None:
    path, message = LACKS[what]
    texts = read(folder)
    inner = texts
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    save(folder, "es", texts)
    with pytest.raises(LawError, match=message):
        load_definition(folder)


ODD = {
    "an entry too many": ({"flags": {"heavy": "x", "hevay": "x"}}, r"flags: 'hevay' is no such entry; did you mean heavy"),
    "a section too many": ({"titles": "x"}, r"'titles' is no such entry; did you mean title"),
    "an empty text": ({"title": ""}, r"title: is not a text"),
    "a list for a text": ({"title": ["x"]}, r"title: is not a text"),
    "a text for a section": ({"flags": "x"}, r"flags: is not a mapping"),
    "a list of another length": ({"header": {"not_known": []}}, r"not_known: needs 1 texts in the same order"),
}


@pytest.mark.parametrize("what", ODD)
def test_a_language_that_says_something_odd_is_refused_at_load(folder: Path, what: str) -> None:
    change, message = ODD[what]
    texts = read(folder)
    for key, value in change.items():
        texts[key] = {**texts[key], **value} if isinstance(value, dict) else value
    save(folder, "es", texts)
    with pytest.raises(LawError, match=rf"es\.yaml: .*{message}"):
        load_definition(folder)


def test_a_file_of_texts_and_the_list_of_languages_go_together(folder: Path) -> None:
    (folder / "texts" / "es.yaml").rename(folder / "texts" / "fr.yaml")
    with pytest.raises(LawError, match=r"fr\.yaml: policy\.yaml does not list the language 'fr'"):
        load_definition(folder)
    (folder / "texts" / "fr.yaml").unlink()
    with pytest.raises(LawError, match=r"es\.yaml: is missing, though policy\.yaml lists the language 'es'"):
        load_definition(folder)
    (folder / "texts" / "en.yaml").write_text("just words")
    with pytest.raises(LawError, match=r"en\.yaml: is not a mapping of sections"):
        load_definition(folder)


@pytest.mark.parametrize("languages", ["en", ["english language"], ["en", "en"], ["E1"]])
def test_odd_languages_are_refused(tmp_path: Path, languages: object) -> None:
    with pytest.raises(LawError, match=r"policy\.yaml: language"):
        definition(tmp_path / "toy", policy={"languages": languages})


def test_a_code_without_message_is_refused_when_the_rules_are_read(folder: Path) -> None:
    for language in ("en", "es"):
        texts = read(folder, language)
        del texts["statuses"]["not_determined"]
        save(folder, language, texts)
    with pytest.raises(LawError, match=r"texts/en\.yaml: statuses: has no text for not_determined"):
        policy(folder)


def test_english_may_have_messages_alone(folder: Path) -> None:
    (folder / "texts" / "es.yaml").unlink()
    listed(folder, "en")
    assert policy(folder).texts.status("refused") == "status refused"
    save(folder, "en", {"title": "twice"})
    with pytest.raises(LawError, match=r"en\.yaml: 'title' is no such entry"):
        load_definition(folder)


# -- the house's sentences


def within(node: ast.AST) -> Iterator[ast.AST]:
    """An expression's parts, but for what it hands to other calls, which need not be said."""
    if not isinstance(node, ast.Call):
        yield node
        for part in ast.iter_child_nodes(node):
            yield from within(part)


def said() -> Iterator[str]:
    """Every sentence that the code gives to ``say`` as it stands, and those that it keeps in tables.

    The registry is left out: it answers in English, and has functions of its own by that name.
    """
    source = Path(cleanfleet.__file__).parent
    for path in source.rglob("*.py"):
        if "registry" in path.relative_to(source).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in ("say", "told"):
                    for argument in node.args[:2]:
                        yield from (
                            one.value
                            for one in within(argument)
                            if isinstance(one, ast.Constant) and isinstance(one.value, str)
                        )
    yield from [*REFUSALS.values(), *CELL_REASONS.values(), *RECORD_REASONS.values(), *_MARKS.values(), _UNCERTAIN_MARK]
    yield from (key.replace("_", " ") for key in HEADER if key not in ("instruments", "not_known"))


#: Strings in such calls that are no sentences.
NOT_SAID = {"", "boolean"}


def test_every_sentence_of_the_house_has_its_spanish() -> None:
    assert {text for text in said() if text not in NOT_SAID} - set(sentences("es")) == set()


def test_the_spanish_puts_in_the_same_names() -> None:
    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for english, there in sentences("es").items():
        assert names(english) == names(there), english


def test_a_sentence_that_nobody_translated_stays_english() -> None:
    assert say("xx", "allowed is {allowed}", allowed=1) == say("en", "allowed is {allowed}", allowed=1) == "allowed is 1"


def test_a_refusal_of_a_file_is_told_in_the_language(folder: Path) -> None:
    texts: Texts = policy(folder, "es").texts
    columns = [Column("colour", "choice", choices={"red": "", "green": "", "blue": ""})]

    def told(reason: str, cell: object, **more: Any) -> str:
        return explain_refusal(reason, columns, {"colour": cell}, texts=texts, **more)

    assert told("unknown_value:colour", "grene") == (
        "colour: 'grene' no es uno de los valores admitidos (¿quiso decir green?); se admite uno de red, green, blue."
    )
    assert told("ragged_row", "x") == "La línea tiene más o menos celdas que el encabezado; se conserva tal cual."
    assert told("duplicate:colour", "red", first_row=3) == (
        "colour: 'red' ya figura en registro 3; cada valor puede darse una sola vez."
    )
    assert told("contradiction:mass_kg", "red") == "mass_kg: ES ."


# -- near matches


@pytest.mark.parametrize(
    ("value", "close"), [("gren", ["green"]), ("blu", ["blue"]), ("verde", ["green"]), ("xyzzy", []), ("", []), (7, [])]
)
def test_near_words_of_a_choice(value: object, close: list[str]) -> None:
    column = Column("colour", "choice", choices={"red": "", "green": "", "blue": ""}, aliases={"verd": "green"})
    assert column.close(value) == close
    if value:
        with pytest.raises(Refused) as refused:
            column.read(value)
        assert (f"did you mean {close[0]}?" in refused.value.message) == bool(close) if close else True
        assert refused.value.message.endswith("; allowed is one of red, green, blue")
