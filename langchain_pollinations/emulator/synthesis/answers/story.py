"""Generates illustrated stories about a subject. Each scene has a heading, an image prompt and a paragraph."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from langchain_pollinations.emulator.synthesis.answers.words import MAX_REQUEST_LENGTH, NUMBER_WORDS, subject

MAX_SCENES = 8
DEFAULT_SCENES = 3
COUNTED = re.compile(
    r"\b(\d+|" + "|".join(NUMBER_WORDS) + r")[\s-]+(?:[\w-]+\s+){0,2}?"
    r"(?:scenes?|pictures?|images?|illustrations?|chapters?|parts?|pages?|acts?|drawings?|panels?|photos?)\b",
    re.IGNORECASE,
)
STYLE = re.compile(
    r"\b(watercolou?r|oil painting|pixel art|comic(?: book)?|manga|anime|charcoal|pencil|woodcut|collage|"
    r"paper[- ]cut|stained glass|clay(?:mation)?|photograph\w*|sketch)\b",
    re.IGNORECASE,
)
STYLES = ("soft watercolour", "storybook illustration", "gouache with paper grain", "warm coloured pencil")


@dataclass(frozen=True)
class Setting:
    """The setting of a story. Its phrases fit into the sentences of all scenes."""

    place: str
    path: str
    sound: str
    light: str
    danger: str
    token: str
    view: str  # for the image prompts


SETTINGS: Sequence[tuple[str, Setting]] = (
    (
        r"\b(sea|ocean|whale|ship|boat|island|lighthouse|harbou?r|fish\w*|mermaid|coast|beach|sailor|wave|octopus|"
        r"dolphin|crab|pirate|captain)s?\b",
        Setting(
            "the edge of the sea",
            "the shingle beach",
            "the long breathing of the waves",
            "silver light on the water",
            "a storm out of the west",
            "a shell, still wet and shining",
            "a rocky coast above the open sea",
        ),
    ),
    (
        r"\b(space|star|planet|moon|rocket|astronaut|galaxy|comet|robot|alien|mars|satellite)s?\b",
        Setting(
            "the quiet end of the galaxy",
            "the landing field",
            "the hum of distant engines",
            "starlight on everything",
            "a rain of falling stones",
            "a small stone that glowed when it was held",
            "a violet planet under a sky full of stars",
        ),
    ),
    (
        r"\b(desert|camel|dune|oasis|caravan|cactus|sand)\w*\b",
        Setting(
            "the rim of the great desert",
            "the old caravan road",
            "the whisper of moving sand",
            "gold light on the dunes",
            "a wall of blowing sand",
            "a clay bottle, stopped with wax",
            "rolling dunes under a wide evening sky",
        ),
    ),
    (
        r"\b(snow|winter|ice|penguin|polar|north|sled|frost|glacier)\w*\b",
        Setting(
            "the last village before the ice",
            "the frozen river",
            "the creak of snow underfoot",
            "blue light on the snow",
            "a blizzard from the north",
            "a mitten, red as a berry",
            "a snowy valley with small lit houses",
        ),
    ),
    (
        r"\b(mountain|goat|climb|eagle|cliff|peak|shepherd|dragon|cave)\w*\b",
        Setting(
            "the high village under the peaks",
            "the stony path to the pass",
            "the wind in the rocks",
            "clear light on the peaks",
            "a landslide in the night",
            "a white feather as long as an arm",
            "tall mountains above a green valley",
        ),
    ),
    (
        r"\b(city|street|town|tram|train|baker|roof|market|clock|shop|tailor|violin\w*|piano)\w*\b",
        Setting(
            "the old quarter of the city",
            "the street of the lamplighters",
            "the bells of the trams",
            "evening light in the windows",
            "a power cut that darkened every street",
            "a brass key without a door",
            "crooked houses and lit windows in an old city",
        ),
    ),
    (
        r"\b(forest|tree|wood|fox|bear|owl|deer|hedgehog|squirrel|wolf|rabbit|mushroom|leaf|leaves|badger)\w*\b",
        Setting(
            "the heart of the old forest",
            "the mossy path",
            "the murmur of the leaves",
            "green light between the trunks",
            "a storm that bent the oldest trees",
            "an acorn with a tiny golden cap",
            "tall trees and mossy ground in an old forest",
        ),
    ),
    (
        r"\b(garden|flower|bee|butterfl|rose|gardener|snail|ladybird|seed)\w*\b",
        Setting(
            "the walled garden behind the mill",
            "the gravel walk",
            "the drowsy sound of bees",
            "warm light on the petals",
            "a night of early frost",
            "a seed as blue as the sky",
            "a garden in full bloom behind an old wall",
        ),
    ),
)
DEFAULT_SETTING = Setting(
    "the bend of the river",
    "the long road between the fields",
    "the rustle of the tall grass",
    "honey-coloured light on the fields",
    "a flood that came down from the hills",
    "a wooden whistle on a string",
    "soft green hills with a river between them",
)
COMPANIONS = (
    "a patient grey heron",
    "a child with too many questions",
    "an old musician",
    "a stray dog with one white ear",
    "a traveller from far away",
)


@dataclass(frozen=True)
class Character:
    """A character of a story. `first` introduces the character. `again` refers to the character afterwards."""

    first: str
    again: str

    @property
    def starting(self) -> str:
        return self.again[:1].upper() + self.again[1:]


@dataclass(frozen=True)
class Beat:
    """A template for a scene. It has several headings and paragraphs to choose from, and the content of the image."""

    headings: Sequence[str]
    view: str
    prose: Sequence[str]


OPENING = Beat(
    ("How it began", "The first morning", "An ordinary day"),
    "meeting for the first time in early morning light",
    (
        "At {place}, where {sound} never quite stopped, there lived {hero_first}. Most days passed quietly, one much "
        "like the other, and nobody expected them to change. Then one morning, with {light}, {hero} noticed "
        "{friend_first} at the end of {path}. Neither of them made a sound at first; they only looked at each other, "
        "and something began.",
        "Nobody at {place} could say when {hero_first} had first come there. What everybody remembered was the day "
        "that {friend_first} came, with {light} and {sound} all around. {Hero} put everything else aside and went "
        "down {path} to look. It was a small thing to do, and it changed the whole year.",
    ),
)
DISCOVERY = Beat(
    ("What they found", "A small discovery", "Something shining"),
    "bending over a small shining thing on the ground",
    (
        "The next day {hero} came back to {path}, and so did {friend}. Between two stones they found {token}, and each "
        "waited for the other to pick it up. In the end they carried it home together, slowly, as if it could wake. "
        "From then on, neither of them went looking for anything alone.",
        "It was {friend} who saw it first: {token}, half hidden beside {path}. {Hero} turned it over and could "
        "not say where it had come from. That evening, with {sound} outside, they made up a dozen explanations and "
        "laughed at every one of them. The thirteenth was true, but they did not know that yet.",
    ),
)
TURN = Beat(
    ("The long night", "When everything changed", "Into the storm"),
    "facing a storm together, dark clouds and one warm lamp",
    (
        "The change came with {danger}. By nightfall it had swallowed {path}, and {friend} called out once, far away, "
        "and then fell silent. {Hero} did not stop to think; a lamp, a rope and a stubborn heart were all there was to "
        "take along. Step by step, toward the place where the call had come from, {hero} went out into the dark.",
        "Nobody had expected {danger}, least of all {hero}. In a single hour the way home was gone, and {friend} had "
        "stayed on the wrong side of it. There was no plan, only a light held high and a voice that kept "
        "calling through the noise. Long after midnight, somebody answered.",
    ),
)
TRIAL = Beat(
    ("A hard choice", "The way across", "One step more"),
    "crossing a narrow and dangerous way side by side",
    (
        "There was a way through, but it was narrow, and it could be walked only once. {Hero} went ahead to try the "
        "ground, and {friend} followed in the same steps. Halfway across they both wanted to turn back, and neither "
        "of them said so. That was how they learned what courage is: being afraid at the same time.",
        "What lay between them and home could not be climbed, and it could not be gone around. {Friend} had an idea, "
        "and it was a foolish one. {Hero} thought about it for as long as it takes to draw three breaths, and nodded. "
        "Sometimes a foolish idea, tried by two, becomes a bridge.",
    ),
)
REST = Beat(
    ("A quiet hour", "By the fire", "Waiting for daylight"),
    "resting by a small fire under the night sky",
    (
        "They found shelter before dawn, hardly larger than a cupboard, and they shared it. {Hero} told the story of "
        "{place}, and {friend} listened to every word. Outside, {sound} came back little by little, like a guest who "
        "is not sure of being welcome. They slept at last, and both of them dreamed of the same thing.",
        "For an hour nothing happened at all, and it was the best hour of that night. {Friend} kept watch while "
        "{hero} rested, and then they changed places. In the distance {sound} began again, softly. Whatever the "
        "morning held, it would find two of them.",
    ),
)
HELP = Beat(
    ("An unexpected friend", "Others come", "Many hands"),
    "welcomed by a crowd of neighbours carrying lanterns",
    (
        "By then the news had gone around {place}, and people came out with lanterns. Nobody asked whose fault it was. "
        "They formed a line along {path}, hand in hand, and {hero} stood at the end of it. When {friend} came into "
        "the light, a cheer went up that was heard in the next valley.",
        "Help came from where nobody had looked for it: from those who had always laughed at {hero}. They brought "
        "ropes and bread and did not laugh now. {Friend} was shy of so many faces and stayed close. But a song was "
        "sung, and by the second verse nobody was a stranger.",
    ),
)
RETURN = Beat(
    ("The way home", "Coming back", "Familiar ground"),
    "walking home side by side in the first light of day",
    (
        "They took {path} home, because it was the only one left, and it seemed shorter than before. {Hero} named "
        "every landmark aloud, the broken gate, the leaning post, and {friend} greeted each of them. With {light}, "
        "even the damage looked like something that could be mended. They walked slowly all the same.",
        "The morning came up over {place} as if nothing had happened. {Hero} and {friend} walked side by side, too "
        "tired to talk and too happy to stop. Behind them lay {danger}, and it was already turning into a story. "
        "Ahead of them lay breakfast.",
    ),
)
ENDING = Beat(
    ("What remained", "Ever after", "The light comes back"),
    "together in a calm golden evening, at peace",
    (
        "When it was over, there was {light}, as though the world had been washed. {Hero} and {friend} sat "
        "where they had first seen each other, and for a long while there was nothing to say. They had lost some "
        "things and found others, and the count came out in their favour. And if you pass {place} on a quiet evening, "
        "you may still see them there.",
        "Years later, people at {place} still told what had happened, and each told it a little differently. But all "
        "of them ended it in the same way: with {hero} and {friend}, side by side, and {sound} going on around them. "
        "Nothing there was ever quite ordinary again. It was better than that; it was theirs.",
    ),
)
ORDER: Mapping[int, Sequence[Beat]] = {
    1: (TURN,),
    2: (OPENING, ENDING),
    3: (OPENING, TURN, ENDING),
    4: (OPENING, DISCOVERY, TURN, ENDING),
    5: (OPENING, DISCOVERY, TURN, TRIAL, ENDING),
    6: (OPENING, DISCOVERY, TURN, TRIAL, RETURN, ENDING),
    7: (OPENING, DISCOVERY, TURN, REST, TRIAL, RETURN, ENDING),
    8: (OPENING, DISCOVERY, TURN, REST, TRIAL, HELP, RETURN, ENDING),
}

ARTICLE = re.compile(r"^(a|an|the|my|our|his|her|their|your|one|two|three|four|five|some)\s+(.+)$", re.IGNORECASE)
CLAUSE = re.compile(
    r"\s+(?:who|that|which|whose|where|when|with|without|in|on|at|from|under|of|near|by|for|to|learn\w*|goes|go|"
    r"is|are|was|were|has|had|have|becom\w*|becam\w*|find\w*|found|meet\w*|met|want\w*|tr(?:y|ies|ied)|los\w+|"
    r"discover\w*|mak\w+|build\w*|built|travel\w*|dream\w*|explor\w*|liv\w+|lov\w+|sav\w+|help\w*)\b.*$",
    re.IGNORECASE | re.DOTALL,
)
# Subjects that a story can be about but that cannot be characters.
LIFELESS = re.compile(
    r"(?:.*\s)?(?:year|sea|ocean|sky|day|night|world|city|town|time|end|life|future|past|history|weather|\d+)",
    re.IGNORECASE,
)
OWN = re.compile(r"^(?:my|our)\s+(?P<kind>[a-z][\w -]*?)(?:\s+(?P<name>[A-Z][\w-]*))?$")
ABSTRACT = ("ship", "ness", "ity", "tion", "dom", "ence", "ance", "hood", "love", "hope", "time", "peace", "courage")


@dataclass(frozen=True)
class Scene:
    """A scene of a story: its heading, its image prompt and its paragraph."""

    heading: str
    prompt: str
    prose: str


@dataclass(frozen=True)
class Story:
    title: str
    scenes: Sequence[Scene]


def count_of(text: str, default: int = DEFAULT_SCENES) -> int:
    """Return the number of scenes or images that a text asks for."""
    match = COUNTED.search(text[:MAX_REQUEST_LENGTH])
    if match is None:
        return default
    word = match[1].lower()
    number = int(word) if word.isdigit() else NUMBER_WORDS[word]
    return min(max(number, 1), MAX_SCENES)


def _pick(options: Sequence[str], *of: object) -> str:
    """Return one of the options. The same `of` always selects the same option."""
    digest = sha256(repr(of).encode()).digest()
    return options[int.from_bytes(digest[:4]) % len(options)]


def _character(phrase: str) -> Character | None:
    """Return the character that a phrase names. Return None if the phrase names an abstract or lifeless thing."""
    bare = CLAUSE.sub("", phrase).strip(" ,.")
    if LIFELESS.fullmatch(bare):
        return None
    own = OWN.match(bare)
    if own is not None:
        return _own(own["kind"], own["name"])
    match = ARTICLE.match(phrase.strip())
    if match is None:
        if not bare or len(bare.split()) > 4 or bare.lower().startswith(("how ", "why ", "what ", "when ")):
            return None
        if bare[0].isupper():
            return Character(phrase.strip(" ,."), bare)
        if bare.endswith("s") and not bare.endswith("ss"):
            return Character(phrase.strip(" ,."), f"the {bare}")
        return None
    article, _ = match[1].lower(), match[2]
    noun = bare.partition(" ")[2]
    if not noun or len(noun.split()) > 4 or noun.lower().endswith(ABSTRACT):
        return None
    again = f"the {noun}" if article in ("a", "an", "one", "some", "two", "three", "four", "five") else bare
    first = phrase.strip(" ,.")
    if article in ("two", "three", "four", "five"):
        again = f"the {article} {noun}"
    return Character(first[:1].lower() + first[1:], again[:1].lower() + again[1:])


def _own(kind: str, name: str | None) -> Character:
    """Return the character for a phrase such as "my dog Rex".

    The story says "a dog called Rex", because the dog does not belong to the narrator.
    """
    some = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    return Character(f"{some} called {name}", name) if name else Character(some, f"the {kind}")


def _cast(about: str) -> tuple[Character, Character]:
    """Return the two main characters of a story. If the user names fewer than two, defaults are added."""
    phrases = [p.strip() for p in re.split(r",\s+and\s+|,\s+|\s+and\s+(?=(?:an?|the|his|her|my|their|[A-Z])\b)", about)]
    if len(phrases) == 1 and " and " in about and len(about.split()) <= 5:
        phrases = about.split(" and ")
    found = [c for c in map(_character, phrases) if c is not None]
    inner = re.search(r"\b(an?|the)\s+[\w-]+(?:\s+[\w-]+)?", about)
    if not found and inner is not None:
        found = [c for c in [_character(CLAUSE.sub("", inner[0]))] if c is not None]
    if not found:
        found = [Character("a young weaver", "the young weaver")]
    if len(found) == 1:
        other = _pick(COMPANIONS, about)
        found.append(Character(other, "the " + other.partition(" ")[2].split(" with ")[0].split(" from ")[0]))
    return found[0], found[1]


def _setting(about: str) -> Setting:
    return next((s for pattern, s in SETTINGS if re.search(pattern, about, re.IGNORECASE)), DEFAULT_SETTING)


SMALL = {"a", "an", "and", "the", "of", "in", "on", "at", "to", "for", "with", "its", "or", "from", "by"}


def title_of(about: str) -> str:
    """Return a subject in title case. Small words such as "of" stay in lower case."""
    head = re.split(r"[,;:.]", about)[0]
    words = re.sub(r"^(an?)\s+", "The ", head, flags=re.IGNORECASE).split()[:12]
    words = ["the" if w.lower() in ("a", "an") else w for w in words]
    raised = [w if i and w.lower() in SMALL else w[:1].upper() + w[1:] for i, w in enumerate(words)]
    return " ".join(raised)


def compose(text: str, count: int, seed: int = 0) -> Story:
    """Write a story of `count` scenes for a request. The seed changes the paragraphs only."""
    about = subject(text)
    hero, friend = _cast(about)
    setting = _setting(about)
    style = STYLE.search(text)
    manner = style[1].lower() if style else _pick(STYLES, about)
    names = {
        **{key: getattr(setting, key) for key in ("place", "path", "sound", "light", "danger", "token")},
        "hero_first": hero.first,
        "hero": hero.again,
        "Hero": hero.starting,
        "friend_first": friend.first,
        "friend": friend.again,
        "Friend": friend.starting,
    }
    scenes = []
    for place, beat in enumerate(ORDER[count]):
        heading = _pick(beat.headings, about, place)
        prompt = f"{_pair(about, hero, friend)}, {beat.view}, {setting.view}, {manner}"
        prose = _pick(beat.prose, about, place, seed).format(**names)
        scenes.append(Scene(heading, prompt, _introduced(prose, hero, friend, first=place == 0)))
    return Story(title_of(about), scenes)


def _pair(about: str, hero: Character, friend: Character) -> str:
    """Return the subject of an image prompt. The second character is added if the user's subject lacks it."""
    if hero.again.removeprefix("the ").lower() not in about.lower():
        return f"{hero.first[:1].upper()}{hero.first[1:]} and {friend.first}, in a story about {about}"
    named = about[:1].upper() + about[1:]
    if friend.again.removeprefix("the ") in about:
        return named
    comma = "," if "," in about else ""
    return f"{named}{comma} and {friend.first}"


def _introduced(prose: str, hero: Character, friend: Character, *, first: bool) -> str:
    """Introduce the characters in the first scene.

    This is needed for a story of a single scene, because its scene comes from the middle of a longer story.
    """
    if not first or hero.first in prose:
        return prose
    for one in (hero, friend):
        for again, new in ((one.starting, one.first[:1].upper() + one.first[1:]), (one.again, one.first)):
            found = re.search(rf"\b{re.escape(again)}\b", prose)
            if found:
                prose = prose[: found.start()] + new + prose[found.end() :]
                break
    return prose


def to_markdown(story: Story, images: Sequence[str]) -> str:
    """Format a story as Markdown. `images` contains the Markdown for the image of each scene, or an empty string."""
    blocks = [f"# {story.title}"]
    for place, scene in enumerate(story.scenes):
        blocks.append(f"## {scene.heading}")
        if place < len(images) and images[place]:
            blocks.append(images[place])
        blocks.append(scene.prose)
    return "\n\n".join(blocks)


def seed_of(text: str, place: int) -> int:
    """Return the seed for the image of a scene. Each scene has a different seed."""
    return int.from_bytes(sha256(f"{place} {text}".encode()).digest()[:3])
