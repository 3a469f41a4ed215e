"""A small encyclopedia, with a search. The emulated MCP server `exa` serves it as the web."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from langchain_pollinations.emulator.synthesis.answers import words

ENCYCLOPEDIA = "https://encyclopedia.example.org/wiki"
TITLE_WEIGHT = 3.0  # a word of the title counts as much as this many words of the text


@dataclass(frozen=True)
class Page:
    """A page of the encyclopedia. `text` has one paragraph."""

    title: str
    published: str  # a date, such as "2025-03-14"
    text: str

    @property
    def url(self) -> str:
        return f"{ENCYCLOPEDIA}/{self.title.replace(' ', '_')}"


PAGES: Sequence[Page] = (
    Page(
        "Tide mill",
        "2025-03-14",
        "A tide mill is a water mill that is driven by the rise and fall of the tide. At high tide the sea "
        "flows through a gate into a pond behind a dam. When the tide turns, the gate closes and the pond "
        "keeps its water. The water then runs back to the sea over a wheel, which turns the millstones for "
        "about four hours. A tide mill can work twice a day, and its hours shift by about fifty minutes from "
        "one day to the next.",
    ),
    Page(
        "Tidal power",
        "2026-01-20",
        "Tidal power converts the energy of tides into electricity. A tidal barrage holds water behind a dam "
        "and lets it flow through turbines, much like a tide mill. A tidal stream turbine stands in a fast "
        "current and needs no dam. Tides can be predicted many years ahead, so the output of a tidal power "
        "station is known in advance. The best sites have a tidal range of more than five metres.",
    ),
    Page(
        "Fog collection",
        "2025-11-02",
        "Fog collection gains drinking water from fog with fine nets. Wind drives the fog through the mesh, "
        "where droplets collect on the threads and run down into a gutter. On a good site one square metre of "
        "net yields three to ten litres of water a day. Fog collectors need no energy, but the nets must be "
        "mended after storms. They work best on dry coasts with mountains, where clouds drift against the "
        "slopes.",
    ),
    Page(
        "Sea organ",
        "2024-08-09",
        "A sea organ is a musical instrument that is played by waves. Pipes lie below the steps of a quay and "
        "open to the sea at their lower end. Each wave pushes air through the pipes, and the air sounds at "
        "whistles under the pavement. The pipes differ in length, so every wave plays another chord. The "
        "music grows louder and denser when the wind or a passing ship raises the waves.",
    ),
    Page(
        "Bioluminescence in the sea",
        "2025-06-30",
        "Bioluminescence is light that living things produce by a chemical reaction. In the sea it is most "
        "often seen in plankton that flashes blue when a wave, a boat or a fish disturbs the water. The flash "
        "startles small animals that graze on the plankton. It also betrays them to larger hunters. Blue "
        "light travels farthest in water, which explains why most animals of the sea glow blue.",
    ),
    Page(
        "Kelp forest",
        "2025-09-18",
        "A kelp forest is a dense stand of large brown algae in cool and shallow water. Giant kelp grows by "
        "up to half a metre a day, and bladders filled with gas hold its leaves near the surface. The forest "
        "shelters fish, crabs and sea otters and softens the waves that reach the coast. Sea urchins eat "
        "kelp. Where otters disappear, urchins multiply and can turn a forest into bare rock.",
    ),
    Page(
        "Salt marsh",
        "2026-02-11",
        "A salt marsh is a meadow on a sheltered coast that spring tides flood. Its plants tolerate salt and "
        "trap mud with their stems, so the ground rises with the sea. A salt marsh stores more carbon in its "
        "soil than most forests of the same size. It also breaks the force of storm waves before they reach a "
        "dyke. Many birds rest there on their way south.",
    ),
    Page(
        "Weather buoy",
        "2024-12-05",
        "A weather buoy measures wind, air pressure, waves and the temperature of the sea far from land. "
        "Solar panels charge its batteries, and a satellite carries its readings ashore every hour. Moored "
        "buoys stay in one place. Drifting buoys follow the currents and show how the surface water moves. "
        "Forecasts of storms depend on buoys, since ships avoid the places where storms begin.",
    ),
    Page(
        "Tide-predicting machine",
        "2025-01-27",
        "A tide-predicting machine is a mechanical computer that calculated the times and heights of tides. "
        "Each of its pulleys moved with the period of one influence, such as the moon or the sun. A wire over "
        "all pulleys added their movements, and a pen drew the sum on paper. One machine needed a few hours "
        "to draw the tides of a port for a whole year. Electronic computers replaced these machines in the "
        "1960s.",
    ),
    Page(
        "Foghorn",
        "2024-10-21",
        "A foghorn warns ships of rocks and coasts when fog hides the light of a lighthouse. Early keepers "
        "fired guns or rang bells. Horns driven by compressed air followed in the middle of the nineteenth "
        "century. Low notes carry farthest, so a foghorn sounds deep, and each station has a rhythm of its "
        "own. Most foghorns fell silent when ships began to carry radar and satellite navigation.",
    ),
)


def find(url: str) -> Page | None:
    """Return the page with a URL. A fragment and a final slash are ignored."""
    wanted = url.partition("#")[0].rstrip("/")
    return next((page for page in PAGES if page.url == wanted), None)


def search(query: str) -> list[Page]:
    """Return the pages that share words with a query, best match first. Rare words count more than common ones."""
    bags = [(words.stems(page.title), words.stems(page.text)) for page in PAGES]
    spread = Counter(stem for title, text in bags for stem in title | text)
    wanted = words.stems(query)

    def rate(title: set[str], text: set[str]) -> float:
        return sum(
            (TITLE_WEIGHT if stem in title else 1.0) * log(1 + len(PAGES) / spread[stem])
            for stem in wanted & (title | text)
        )

    rated = [(rate(title, text), page) for page, (title, text) in zip(PAGES, bags, strict=True)]
    return [page for rating, page in sorted(rated, key=lambda row: -row[0]) if rating]


def highlights(page: Page, query: str, most: int = 2) -> list[str]:
    """Return the sentences of a page that share the most words with a query, in the order of the page."""
    asked, sentences = words.stems(query), re.split(r"(?<=[.!?])\s+", page.text)
    shared = {sentence: len(asked & words.stems(sentence)) for sentence in sentences}
    best = sorted(sentences, key=lambda sentence: -shared[sentence])[:most]
    return [sentence for sentence in sentences if sentence in best]
