"""Extracts numbers, quotations, places, names, addresses and the subject from a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split(),
    )
}
QUOTED = re.compile(
    r"\"([^\"]+)\"|“([^“”]+)”|„([^“”„]+)[“”]|«([^«»]+)»|「([^「」]+)」|『([^『』]+)』|`([^`]+)`"
    r"|(?<!\w)'([^']++)'(?!\w)|‘([^‘’]+)’"
)
"""A quotation does not contain its opening mark, so that a text of opening marks is read in linear time."""
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w)")
URL = re.compile(r"https?://[^\s\"'<>\])}]+")
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
EXPRESSION = re.compile(r"[-(]{0,9}\d[\d.\s()]{0,99}(?:(?:\*\*|[-+*/×÷^])[-\d.\s()]{1,99})+")
CAPITALISED = r"[A-Z][\w'’.-]*(?:(?:, | )[A-Z][\w'’.-]*)*"
PLACE = re.compile(rf"\b(?:in|at|near|for|from|to|of|visit|over)\s+(?:the\s+)?({CAPITALISED})")
NAME = re.compile(CAPITALISED)
OPENERS = frozenset(
    "A An And Answer Are Ask Book Calculate Call Can Compute Could Create Describe Do Does Draw Explain Find For From "
    "Generate Get Give Hello Hey Hi How I If In Is It Let List Look Make My Paint Please Return Say Schedule Search "
    "Send Show Summarise Summarize Tell The There They This Translate Use Using Visit We Weather What When Where "
    "Which Who Why Will Write You Your".split()
)
COMMON = frozenset(
    "a about all also an and any are as at be but by can could did do does for from give had has have he her him his "
    "how i if in into is it its just let like make me my no not now of on one or our out please she should so some "
    "tell than that the their them then there these they this those to too up us use using was we were what when "
    "where which who why will with would you your".split()
)
ENDINGS = ("ations", "ation", "ings", "ing", "ions", "ion", "ies", "ers", "ed", "er", "es", "ly", "s", "e", "y")
INSTRUCTION = re.compile(
    r"^(?:(?:please|can you|could you|would you|i want you to|i would like|i'd like|hey|hi|hello|now|then)[, ]+)*"
    r"(?:tell|write|draw|make|create|give|generate|paint|illustrate|show|explain|describe|search(?: for)?|find|"
    r"look up|compose|invent|sketch|render|produce|design|imagine)?(?:\s+(?:me|us))?\s+",
    re.IGNORECASE,
)
TAIL = re.compile(
    r"(?:[,;]?\s+(?:in|with|using|across|over|as)|[,;])\s+(?:\w+\s+)?(?:\w+)\s+"
    r"(?:scenes?|pictures?|images?|illustrations?|chapters?|parts?|pages?|acts?|drawings?|panels?)\b.*$",
    re.IGNORECASE | re.DOTALL,
)
IMAGE_OF = re.compile(
    r"\b(?:picture|image|drawing|illustration|photo|photograph|painting|sketch|poster|portrait|icon|logo|video|film)s?\s+"
    r"(?:of|showing|with)\s+(.+)",
    re.IGNORECASE | re.DOTALL,
)
ABOUT = re.compile(r"\babout\s+(.+)|\b(?:story|tale|fable|poem|song)\s*(?:of|on|:|-)\s+(.+)", re.IGNORECASE | re.DOTALL)
AND_THEN = re.compile(
    r"[,;]?\s+(?:and|then)\s+(?:then\s+)?(?:describe|tell|explain|save|show|send|give|write|say)\b.*$",
    re.IGNORECASE | re.DOTALL,
)
AUDIENCE = re.compile(
    r"[,;]?\s+for\s+(?:(?:my|our|the|a|an|young|small|little)\s+)*"
    r"(?:kids?|child|children|daughters?|sons?|class\w*|toddlers?|famil\w+)\b.*$",
    re.IGNORECASE | re.DOTALL,
)

MAX_REQUEST_LENGTH = 1000  # characters of a request that are searched for its subject


def stem(word: str) -> str:
    """Return a word without its English ending, such as `-ing`. The stem has at least three characters."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def stems(text: str) -> set[str]:
    """Return the word stems of a text, without common words. A name such as `getWeather` counts as two words."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text)
    return {stem(w) for w in re.findall(r"[^\W\d_]+", spaced.lower()) if w not in COMMON}


def sentences(text: str) -> list[str]:
    """Split a text into sentences at full stops, question marks, exclamation marks and line breaks."""
    found = re.split(r"(?<=[.!?])\s+|\n+", text)
    return [s.strip() for s in found if s.strip()]


def subject(text: str) -> str:
    """Return the subject of a request.

    The subject is the text after a phrase such as "about" or "an image of". Without such a phrase, it is the request
    without its instruction, such as "please draw".
    """
    first = " ".join(text.strip().split("\n\n")[0][:MAX_REQUEST_LENGTH].split())
    match = ABOUT.search(first) or IMAGE_OF.search(first)
    found = next(filter(None, match.groups())) if match else INSTRUCTION.sub("", first)
    found = re.split(r"(?<=\w)[.!?](?:\s|$)", found)[0]
    for ending in (AND_THEN, TAIL, AUDIENCE):
        found = ending.sub("", found)
    return " ".join(found.split()).strip(" ,;:.!?\"'") or "something new"


class Words:
    """The values that a text contains, such as numbers and names. Each `take_` method returns a value only once."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self._quoted = [next(filter(None, m.groups())) for m in QUOTED.finditer(text)]
        self._numbers = self._found_numbers()
        self._places = [self._trimmed(m[1]) for m in PLACE.finditer(text)]
        self._names = self._found_names()

    @staticmethod
    def _trimmed(text: str) -> str:
        return text.strip(" ,.'’-")

    def _found_numbers(self) -> list[float]:
        marks = [(m.start(), float(m[0])) for m in NUMBER.finditer(self.text)]
        for match in re.finditer(r"[A-Za-z]+", self.text):
            number = NUMBER_WORDS.get(match[0].lower())
            if number is not None:
                marks.append((match.start(), float(number)))
        return [number for _, number in sorted(marks)]

    def _found_names(self) -> list[str]:
        found = []
        for match in NAME.finditer(self.text):
            words = match[0].split(" ")
            while words and words[0].strip(",.'’") in OPENERS:
                words = words[1:]
            name = self._trimmed(" ".join(words))
            if name and name not in self._places:
                found.append(name)
        return found

    @property
    def numbers(self) -> Sequence[float]:
        return tuple(self._numbers)

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._names)

    @property
    def quoted(self) -> Sequence[str]:
        return tuple(self._quoted)

    @cached_property
    def subject(self) -> str:
        return subject(self.text)

    def near(self, name: str) -> float | None:
        """Return the number that follows a name in the text, as in `width 512` or `width=512`."""
        spoken = re.escape(name).replace("_", "[ _]")
        match = re.search(rf"\b{spoken}\b\W{{0,3}}(?:is |of |to )?(-?\d+(?:\.\d+)?)", self.text, re.IGNORECASE)
        return float(match[1]) if match else None

    def take_number(self) -> float | None:
        return self._numbers.pop(0) if self._numbers else None

    def take_quoted(self) -> str | None:
        return self._quoted.pop(0) if self._quoted else None

    def take_place(self) -> str | None:
        if self._places:
            return self._places.pop(0)
        return self._names.pop(0) if self._names else None

    def take_name(self) -> str | None:
        return self._names.pop(0) if self._names else None

    def first(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.search(self.text)
        return match[0].rstrip(".,;:!? ") if match else None
