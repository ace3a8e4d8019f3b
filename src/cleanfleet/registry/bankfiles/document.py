"""XML from outside, read without ever leaving the bytes that were given: no document type, so no entities and nothing external.

Expat is asked directly, because its handlers see a document type before anything of it takes effect.
"""

from __future__ import annotations

from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from cleanfleet.registry.refusals import Invalid

#: The most of a file that is read: bytes, elements, and how deep they may nest.
MOST_BYTES = 20 * 1024 * 1024
MOST_ELEMENTS = 1_000_000
MOST_DEEP = 60


def read(content: bytes) -> Element:
    """The root element; names are ``{namespace}name``.

    Raises :class:`Invalid`: ``too_big``, ``document_type`` (a DOCTYPE, whatever it declares), ``not_xml``.
    """
    if len(content) > MOST_BYTES:
        raise Invalid("too_big", f"the file has {len(content)} bytes; allowed are {MOST_BYTES}", field="file")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = _refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise Invalid("not_xml", f"the file is no XML: {error}", field="file") from None
    return reader.builder.close()


def _refuse(*_: Any) -> NoReturn:
    raise Invalid(
        "document_type", "the file declares a document type; bank files have none, and it isn't read", field="file"
    )


class _Reader:
    """Builds the tree, within bounds."""

    def __init__(self) -> None:
        self.builder = TreeBuilder()
        self.elements = self.depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        self.depth += 1
        if self.elements > MOST_ELEMENTS or self.depth > MOST_DEEP:
            raise Invalid(
                "too_big",
                f"the file has over {MOST_ELEMENTS} elements, or more than {MOST_DEEP} in each other",
                field="file",
            )
        self.builder.start(_full(name), attributes)

    def end(self, name: str) -> None:
        self.depth -= 1
        self.builder.end(_full(name))


def _full(name: str) -> str:
    return f"{{{name}" if "}" in name else name
