"""Generates values that are valid for a JSON schema. The values come from the user's text if possible."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from langchain_pollinations.emulator.service.error_responses import upstream
from langchain_pollinations.emulator.synthesis.answers import words
from langchain_pollinations.emulator.synthesis.answers.patterns import matches, text_for
from langchain_pollinations.emulator.synthesis.answers.words import Words

Schema = Mapping[str, Any]

MAX_ITEMS = 100  # items of a list whose schema has no limit
MAX_SIZE = 20_000_000  # characters of an instance; larger schemas are rejected
VALUE_SIZE = 1000  # what each value adds to the size, because it takes time
DEPTH = 5  # optional branches end at this depth, so that recursive schemas end, too


def _resolved(schema: Any, root: Schema) -> Schema:
    """Replace the `$ref` and the `allOf` at the top level of a schema with their contents.

    A boolean schema such as `true` becomes an empty schema.
    """
    for _ in range(20):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return _merged(schema, root)
        target: Any = root
        for step in reference.lstrip("#").strip("/").split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            target = target.get(step, {}) if isinstance(target, Mapping) and step else target
        schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}} if isinstance(target, Mapping) else {}
    return {}


def _merged(schema: Schema, root: Schema) -> Schema:
    """Merge the schemas of `allOf` into the schema that contains it."""
    if "allOf" not in schema:
        return schema
    whole: dict[str, Any] = {k: v for k, v in schema.items() if k != "allOf"}
    for part in schema["allOf"]:
        inner = _resolved(part, root)
        properties = {**whole.get("properties", {}), **inner.get("properties", {})}
        required = [*whole.get("required", []), *inner.get("required", [])]
        whole = {**whole, **inner}
        if properties:
            whole["properties"] = properties
        if required:
            whole["required"] = required
    return whole


def _both(outer: Schema, inner: Schema) -> Schema:
    """Merge a schema and the selected variant of its `anyOf` or `oneOf`. The result has the properties of both."""
    both = {**outer, **inner}
    if "properties" in outer:
        both["properties"] = {**outer["properties"], **inner.get("properties", {})}
    if "required" in outer:
        both["required"] = [*outer["required"], *inner.get("required", [])]
    return both


def _types(schema: Schema) -> list[str]:
    given = schema.get("type")
    if isinstance(given, str):
        return [given]
    if isinstance(given, list):
        return [t for t in given if isinstance(t, str)]
    if "properties" in schema:
        return ["object"]
    if "items" in schema:
        return ["array"]
    return ["string"]


class InstanceBuilder:
    """Builds a value for a schema from a text. The fields get the numbers and quotations of the text in order."""

    def __init__(self, found: Words, root: Schema) -> None:
        self.words, self.root = found, root
        self._lower_text = found.text.lower()
        self._lower_words = frozenset(re.findall(r"\w+", self._lower_text))
        self._stems = words.stems(found.text)
        self._tokens = tuple(dict.fromkeys((*found.text.split(), *SAMPLES)))
        self._matching: dict[str, list[str]] = {}
        self._size = 0

    def _add_size(self, characters: int) -> None:
        self._size += VALUE_SIZE + characters
        if self._size > MAX_SIZE:
            raise upstream(400, "400 Bad Request: Invalid schema: the answer would be too large", 400)

    def build(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        known = self._concrete(schema, depth)
        if "const" in known:
            return self._sized(known["const"])
        if known.get("enum"):
            return self._sized(self._choice(known["enum"]))
        kinds = _types(known)
        kind = next((k for k in kinds if k != "null"), "null")
        if "null" in kinds and (depth >= DEPTH or known.get("default", 0) is None and not self._named(name)):
            return self._sized(None)
        if kind != "string":  # a text adds its own size
            self._add_size(0)
        return self._of_kind[kind](self, known, name, depth) if kind in self._of_kind else None

    def _sized(self, value: Any) -> Any:
        self._add_size(len(str(value)))
        return value

    def _concrete(self, schema: Any, depth: int) -> Schema:
        """Replace each `anyOf` or `oneOf` at the top level of a schema with one of its variants."""
        known = _resolved(schema, self.root)
        for key in ("anyOf", "oneOf"):
            if known.get(key):
                rest = {k: v for k, v in known.items() if k != key}
                return self._concrete(_both(rest, self._variant(known[key], depth)), depth)
        return known

    def _values(self, schema: Schema) -> list[Any] | None:
        """Return the values that a schema allows by `const` or `enum`, or by a union of such schemas.

        Return None if the schema also allows other values.
        """
        if "const" in schema:
            return [schema["const"]]
        if schema.get("enum"):
            return list(schema["enum"])
        united = schema.get("anyOf") or schema.get("oneOf") or []
        each = [self._values(_resolved(variant, self.root)) for variant in united]
        return None if None in each or not each else [value for values in each for value in values or ()]

    def _variant(self, variants: Sequence[Any], depth: int) -> Schema:
        """Return one variant of a union. The text can name a variant. The default is the first variant that is not
        null.

        At the depth limit, null takes precedence. This ends the recursion. Null also takes precedence over a number or
        an enum if the text contains no such value.
        """
        resolved = [_resolved(v, self.root) for v in variants]
        nothing = [v for v in resolved if _types(v) == ["null"]]
        something = [v for v in resolved if _types(v) != ["null"]]
        if nothing and (depth >= DEPTH or not something):
            return nothing[0]
        if nothing and len(something) == 1 and self._lacks(something[0]):
            return nothing[0]
        simple = [v for v in something if _types(v) != ["object"]]
        possible = simple if depth >= DEPTH and simple else something
        return next((v for v in possible if self._mentions(v)), possible[0])

    def _lacks(self, variant: Schema) -> bool:
        """Return whether the text has no number for a numeric schema, or none of the values of an enum."""
        if _is_numeric(variant):
            return not self.words.numbers
        values = [value for value in variant.get("enum") or () if isinstance(value, str)]
        return bool(values) and not any(map(self._says, values))

    def _mentions(self, variant: Schema) -> bool:
        """Return whether the text contains a constant of a variant, or a constant of one of its fields."""
        fields = [variant, *(_resolved(field, self.root) for field in (variant.get("properties") or {}).values())]
        return any(self._says(field.get("const")) for field in fields)

    def _says(self, value: Any) -> bool:
        """Return whether the text contains a value as a word or as several words."""
        if not isinstance(value, str) or not value or value.lower() not in self._lower_text:
            return False
        if re.fullmatch(r"\w+", value.lower()):  # "İ" becomes two characters, of which one is no letter
            return value.lower() in self._lower_words
        return bool(re.search(rf"(?<!\w){re.escape(value.lower())}(?!\w)", self._lower_text))

    def _named(self, name: str) -> bool:
        """Return whether the text contains all words of a field name."""
        own = words.stems(name)
        return bool(own) and own <= self._stems

    def _choice(self, values: Sequence[Any]) -> Any:
        """Return the value that the text names. The default is the first value."""
        return max(filter(self._says, values), key=len, default=values[0])

    def _boolean(self, schema: Schema, name: str, depth: int) -> bool:
        denied = re.search(rf"\b(?:no|not|without|never)\s+(?:\w+\s)?{re.escape(name)}\b", self.words.text, re.I)
        return False if denied else bool(schema.get("default", True))

    def _limits(self, schema: Schema, step: float) -> tuple[float, float]:
        low, high = float("-inf"), float("inf")
        if _is_number(schema.get("minimum")):
            low = float(schema["minimum"])
        if _is_number(schema.get("exclusiveMinimum")):
            low = max(low, float(schema["exclusiveMinimum"]) + step)
        if _is_number(schema.get("maximum")):
            high = float(schema["maximum"])
        if _is_number(schema.get("exclusiveMaximum")):
            high = min(high, float(schema["exclusiveMaximum"]) - step)
        return low, high

    def _number(self, schema: Schema, name: str, depth: int) -> float | int:
        whole = "integer" in _types(schema)
        step = schema.get("multipleOf") or (1 if whole else 0.01)
        low, high = self._limits(schema, step if whole else min(step, 0.01))
        wanted = self.words.near(name) if name else None
        wanted = self.words.take_number() if wanted is None else wanted
        if wanted is None:
            wanted = float(schema["default"]) if _is_number(schema.get("default")) else max(low, 1.0)
        value = min(max(wanted, low), high)
        if schema.get("multipleOf"):
            value = -(-value // step) * step
            value = value if value <= high else value - step
        return int(value) if whole or value == int(value) and abs(value) < 1e15 else value

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        least = int(schema.get("minItems", 0))
        most = int(schema.get("maxItems", max(least, MAX_ITEMS)))
        least = min(least, most)
        unique = bool(schema.get("uniqueItems"))
        if schema.get("prefixItems"):
            return [self.build(item, name, depth + 1) for item in schema["prefixItems"]][:most]
        if depth >= DEPTH and not least:
            return []
        values = self._values(_resolved(schema.get("items", {}), self.root))
        if values is not None:
            return self._choices(values, least, most, unique)
        item = self._concrete(schema.get("items", {}), depth + 1)
        if _types(item) == ["string"] and "format" not in item:
            made = [self._fitted(text, item) for text in (self._listed() or [self.words.subject])[: max(most, 0)]]
            while len(made) < least:
                made.append(self._numbered(self.words.subject, item, len(made) + 1))
        else:
            made = self._items(item, _singular(name), min(most, max(least, 1, self._several(item))), depth + 1)
        return self._unique(made, item, least) if unique else made

    def _unique(self, values: Sequence[Any], item: Schema, least: int) -> list[Any]:
        """Remove duplicates from a list, and add variations of its first value until it is long enough."""
        found = {_key_of(value): value for value in values}
        for number in range(1, 2 * least):
            if len(found) >= least:
                break
            other = self._variation(values[0], item, number)
            found.setdefault(_key_of(other), other)
        return self._enough(list(found.values()), least)

    def _enough(self, values: list[Any], least: int) -> list[Any]:
        """Return different values, or refuse the schema if there are not enough."""
        if len(values) < least:
            says = f"400 Bad Request: The emulator cannot make at least {least} different values for this schema"
            raise upstream(400, says, 400)
        return values

    def _variation(self, value: Any, schema: Any, number: int) -> Any:
        """Return the n-th other value for a schema. Return the value itself if there is no such value."""
        known = self._concrete(schema, 0)
        if (values := self._values(known)) is not None:
            return values[number % len(values)]
        match value:
            case bool():
                return value if number > 1 else not value
            case int() | float():
                return self._other_number(value, known, number)
            case str() if (form := str(known.get("format"))) in FORMATS:
                return VARIED[form](number) if form in VARIED else value
            case str():
                return self._numbered(value, known, number + 1)
            case dict():
                fields = known.get("properties") or {}
                varied = ((key, self._variation(value[key], fields[key], number)) for key in value if key in fields)
                return next(({**value, key: other} for key, other in varied if other != value[key]), value)
            case list():
                parts = [*known.get("prefixItems", ()), *[known.get("items", {})] * len(value)]
                others = [self._variation(part, schema, number) for part, schema in zip(value, parts, strict=False)]
                place = next((n for n, other in enumerate(others) if other != value[n]), 0)
                return [*value[:place], *others[place : place + 1], *value[place + 1 :]]
        return value

    def _other_number(self, value: float | int, schema: Schema, number: int) -> float | int:
        """Return the n-th number above a number or, where a schema allows no such number, below it."""
        whole = "integer" in _types(schema)
        step = schema.get("multipleOf") or (1 if whole else 0.01)
        low, high = self._limits(schema, step)
        above = int(min((high - value) / step, number))
        other = value + number * step if above == number else value - (number - above) * step
        return other if other >= low else value

    def _numbered(self, text: str, schema: Schema, number: int, separator: str = " ") -> str:
        """Return a text that ends with a number, and has the length and the pattern that a schema requires."""
        ending, most = f"{separator}{number}", schema.get("maxLength")
        text = text if most is None else text[: max(0, int(most) - len(ending))]
        return self._fitted(f"{text}{ending}".lstrip(), schema)

    def _items(self, item: Schema, name: str, count: int, depth: int) -> list[Any]:
        return [self.build(item, name, depth) for _ in range(count)]

    def _several(self, item: Schema) -> int:
        """Return how many items the text names for an array.

        For numeric items, this is the count of numbers. For items with a name field, it is the count of quotations or
        names.
        """
        if _is_numeric(item):
            return len(self.words.numbers)
        named = any(re.search(r"name", key) for key in item.get("properties", {}))
        return len(self.words.quoted) or len(self.words.names) if named else 1

    def _choices(self, values: Sequence[Any], least: int, most: int, unique: bool) -> list[Any]:
        """Return the values that the text names, and as many others as a list requires."""
        values = list({_key_of(value): value for value in values}.values())
        is_named = [self._says(value) for value in values]
        named = [value for value, says in zip(values, is_named, strict=True) if says]
        rest = [value for value, says in zip(values, is_named, strict=True) if not says]
        found = [self._sized(value) for value in [*named, *rest[: max(least - len(named), 0 if named else 1)]][:most]]
        while len(found) < least and not unique:
            found.append(self._sized(values[0]))
        return self._enough(found, least)

    def _listed(self) -> list[str]:
        """Return the items that the text lists.

        These are its quotations. Without quotations, they are the comma-separated items after a colon. Without such
        items, they are its names.
        """
        if self.words.quoted:
            return list(self.words.quoted)
        _, colon, rest = self.words.text.partition(":")
        items = [i.strip(" .?!") for i in re.split(r",|\band\b", rest if colon else "") if i.strip(" .?!")]
        if len(items) > 1:
            return items
        return [n for n in iter(self.words.take_name, None) if n]

    def _object(self, schema: Schema, name: str, depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties") or {}
        required = set(schema.get("required") or ())
        made = {
            key: self.build(inner, key, depth + 1)
            for key, inner in properties.items()
            if key in required or self._asked_for(key, inner, depth)
        }
        for key in required - set(made):
            made[key] = self.build(schema.get("additionalProperties", {}), key, depth + 1)
        least = int(schema.get("minProperties", 0))
        additional = schema.get("additionalProperties")
        if additional is True and least:
            additional = {}
        if not properties and isinstance(additional, Mapping) and (depth < DEPTH or least):
            keys = self._enough(self._keys(schema.get("propertyNames", {}), max(least, 1), depth), least)
            made |= {key: self.build(additional, name, depth + 1) for key in keys}
        return made

    def _keys(self, schema: Any, count: int, depth: int) -> list[str]:
        """Return property names for an object whose schema does not fix the names.

        If the schema limits the names to certain values, the values that the text contains come first.
        """
        values = self._values(_resolved(schema, self.root))
        if values is not None:
            known = [value for value in values if isinstance(value, str)]
            return self._choices(known, min(count, len(known)), len(known), True)
        form = self._concrete(schema, depth)
        kind = str(form.get("format"))
        key = self._string(form, "", depth) if kind in FORMATS else _key(self.words.subject)
        if kind in VARIED:
            keys = [key, *(self._sized(VARIED[kind](number)) for number in range(count))]
            return list(dict.fromkeys(keys))[:count]
        keys = [self._fitted(key, form), *(self._numbered(key, form, number, "_") for number in range(2, count + 1))]
        return list(dict.fromkeys(keys))

    def _asked_for(self, key: str, inner: Any, depth: int) -> bool:
        """Return whether an optional field is filled. The text must contain its name or one of its enum values."""
        if depth >= DEPTH:
            return False
        known = _resolved(inner, self.root)
        variants = [_resolved(v, self.root) for v in known.get("anyOf", [known])]
        values = [value for variant in variants for value in variant.get("enum", [])]
        return self._named(key) or any(map(self._says, values))

    def _string(self, schema: Schema, name: str, depth: int) -> str:
        form = schema.get("format")
        if isinstance(form, str) and form in FORMATS:
            pattern, otherwise = FORMATS[form]
            return str(self._sized(self.words.first(pattern) or otherwise))
        return self._fitted(self._text_for(name, schema), schema)

    def _text_for(self, name: str, schema: Schema) -> str:
        """Return the text for a string field. The name of the field determines which part of the text is used."""
        for pattern, reader in HINTS:
            if re.search(pattern, name, re.IGNORECASE):
                found = reader(self.words)
                if found:
                    return found
        default = schema.get("default")
        if isinstance(default, str):
            return default
        return self.words.take_quoted() or self.words.subject

    def _fitted(self, text: str, schema: Schema) -> str:
        """Adapt a text to the length and the pattern that a schema requires."""
        least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
        self._add_size(max(least, len(text if most is None else text[: int(most)])))
        while len(text) < least:
            text = f"{text} {text}" if text else "x" * least
        text = text if most is None else text[: int(most)]
        pattern = schema.get("pattern")
        if not isinstance(pattern, str) or matches(pattern, text):
            return text
        if pattern not in self._matching:
            self._matching[pattern] = [token for token in self._tokens if matches(pattern, token)]
        fitting = (c for c in self._matching[pattern] if least <= len(c) <= (most or len(c)))
        found = next(fitting, None) or text_for(pattern, least, most)
        return text if found is None else found

    _of_kind: Mapping[str, Callable[[InstanceBuilder, Schema, str, int], Any]] = {
        "object": _object,
        "array": _array,
        "string": _string,
        "integer": _number,
        "number": _number,
        "boolean": _boolean,
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_numeric(schema: Schema) -> bool:
    return _types(schema)[0] in ("integer", "number")


def _key_of(value: Any) -> str:
    """Return a text that is the same for equal JSON values."""
    return json.dumps(value, sort_keys=True)


def _singular(name: str) -> str:
    return name.removesuffix("s")


def _key(text: str) -> str:
    return "_".join(re.findall(r"\w+", text.lower())[:3]) or "value"


FORMATS = {
    "date": (words.DATE, "2026-01-15"),
    "date-time": (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)\b"), "2026-01-15T12:00:00Z"),
    "time": (re.compile(r"\b\d\d:\d\d:\d\d\b"), "12:00:00Z"),
    "email": (words.EMAIL, "someone@example.com"),
    "uri": (words.URL, "https://example.com/"),
    "url": (words.URL, "https://example.com/"),
    "uuid": (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "00000000-0000-4000-8000-000000000000"),
    "ipv4": (re.compile(r"\b\d+(?:\.\d+){3}\b"), "192.0.2.1"),
}
VARIED: Mapping[str, Callable[[int], str]] = {
    "date": lambda number: f"{date(2026, 1, 15) + timedelta(number)}",
    "date-time": lambda number: f"{date(2026, 1, 15) + timedelta(number)}T12:00:00Z",
    "email": "someone{}@example.com".format,
    "uri": "https://example.com/{}".format,
    "url": "https://example.com/{}".format,
    "uuid": "00000000-0000-4000-8000-{:012x}".format,
}
"""The n-th other value of a format."""
SAMPLES = (
    "a", "A", "1", "12", "123", "1234", "12345", "abc", "ABC", "AB", "a1", "A1", "ABC-123", "AB12", "#1a2b3c",
    "+15550100", "555-0100", "2026-01-15", "12:00", "1.0.0", "en", "en-US", "EUR", "user@example.com", "example",
)  # fmt: skip


def _sentence(found: Words) -> str:
    return found.text


def _place(found: Words) -> str | None:
    return found.take_quoted() or found.take_place() or found.subject


def _name(found: Words) -> str | None:
    return found.take_quoted() or found.take_name()


def _style(found: Words) -> str | None:
    match = re.search(r"\bin (?:the |an? )?(?:style of (?P<of>[\w ]+)|(?P<as>[\w-]+) style)", found.text)
    return (match["of"] or match["as"]) if match else _name(found)


def _language(found: Words) -> str | None:
    match = re.search(r"\b(?:to|into|in)\s+([A-Z][a-z]+)\b", found.text)
    return match[1] if match else None


def _title(found: Words) -> str:
    text = found.subject
    return text[:1].upper() + text[1:]


def _setup(found: Words) -> str:
    return f"What do you get when you ask a machine about {_topic(found)}?"


def _punchline(found: Words) -> str:
    return f"Everything it knows about {_topic(found)}, in alphabetical order."


def _topic(found: Words) -> str:
    return re.split(r"[,.;]", found.subject)[0].strip() or "anything"


def _fact(found: Words) -> str | None:
    """Return the fact in a request such as "Remember that my boat is blue"."""
    match = re.search(r"\b(?:remember|note|save|store)\b[^:\n]{0,40}?(?:\bthat\b|:)\s+(\S.*)", found.text, re.I | re.S)
    return match[1].strip(" .!") if match else None


def _quoted_or_sentence(found: Words) -> str:
    return found.take_quoted() or found.text


Reader = Callable[[Words], str | None]
# Patterns of field names, most specific first, and the functions that find the texts for them.
HINTS: Sequence[tuple[str, Reader]] = (
    (r"e[-_]?mail", lambda w: w.first(words.EMAIL)),
    (r"url|link|href|website", lambda w: w.first(words.URL)),
    (r"expression|formula|equation|calculation", lambda w: w.first(words.EXPRESSION)),
    (r"(^|_)date|(^|_)day$", lambda w: w.first(words.DATE)),
    (r"location|city|place|town|country|region|destination|address|origin", _place),
    (r"style", _style),
    (r"language|(^|_)lang(_|$)", _language),
    (r"(^|_)(?:fact|memory)$", _fact),
    (r"setup", _setup),
    (r"punchline", _punchline),
    (r"title|headline|heading", _title),
    (r"topic|subject|theme|prompt", lambda w: w.subject),
    (r"description|summary|details|reason|notes?$|comment|explanation", _sentence),
    (r"query|question|search|request|task|instruction|input$|^text$|message|content", _quoted_or_sentence),
    (r"name|person|customer|author|user|company|product|character", _name),
)


def instance(schema: Schema, text: str, builder: Callable[[Words, Schema], InstanceBuilder] = InstanceBuilder) -> Any:
    """Return a value that is valid for a schema. The value is built from a text.

    Raises:
        Refusal: If the schema is invalid.
    """
    try:
        return builder(Words(text), schema).build(schema)
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        message = f"400 Bad Request: Invalid schema: {type(error).__name__}: {error}"
        raise upstream(400, message, 400) from error
