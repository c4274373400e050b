"""The grammar of a relation's phrase: verb, 'is the X of', 'has the X' or a bare noun.

Nothing here knows a graph. A phrase comes from a person, a data set or a camel-case id; its shape
says how it stands in a sentence, and a short list of common verbs settles what shape cannot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Shape = Literal["verb", "copular", "has", "as", "noun"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PREPOSITIONS = _words(
    "of in at on to for by with from as into within near after about against under over "
    "through during between than"
)
AUXILIARIES = _words("is was are were can cannot does did may must will")
SPECIAL = {
    "see also": "is cross-referenced to",
    "isa": "is a kind of",
    "is a": "is a kind of",
    "instance of": "is an instance of",
    "subclass of": "is a kind of",
    "part of": "is part of",
    "same as": "is the same as",
}
# Base forms of verbs that name relations; their plain, -s and -ed forms open a verb phrase.
VERBS = _words(
    """
    absorb accompany acquire act activate adjoin affect analyze appear assess attack attend bind
    become begin belong border bound buy carry cause change chair collaborate complicate compete
    compose conduct connect conquer consist contain contribute control cover create cross cut
    defeat defend define depict describe design desire develop diagnose die direct discover
    disrupt drain drink eat edit employ empty encode end enter establish exhibit export feed
    find finish flow follow found give govern grow happen hate have help hire hold host hunt
    import include indicate influence inherit inhabit inhibit interact interconnect invade
    invent join kill know lead lie like live locate love made make manage marry measure meet
    move need neighbor occur offer operate oppose orbit own owe paint pass perform play
    pollinate possess practice precede predict prevent produce protect provide publish purchase
    read receive record refer reference regulate release replace represent require resemble
    result review rule run see sell serve share sing speak start star study succeed support
    surround symbolize take teach tell treat understand use visit want wear win work worship
    write
    """
)
IRREGULAR_PAST = {
    word.partition(":")[0]: word.partition(":")[2]
    for word in _words(
        """
        wrote:write broke:break won:win led:lead made:make held:hold sang:sing began:begin
        became:become bought:buy built:build gave:give met:meet ran:run sold:sell taught:teach
        beat:beat bore:bear caught:catch chose:choose drew:draw drove:drive flew:fly fought:fight
        grew:grow knew:know rode:ride saw:see slew:slay spoke:speak stole:steal swam:swim
        threw:throw took:take wore:wear
        """
    )
}
"""What a verb's past form is made of."""
INTRANSITIVE = _words(
    "acted appeared belonged collaborated competed contributed died happened lived moved occurred "
    "performed played resulted served starred studied worked"
)
PARTICIPLES = _words(
    "born written made known led built held sung shot won taught drawn given taken sold set spoken "
    "grown found split"
)
PRESENT_PARTICIPLES = _words("located based connected associated related married used practiced")
UNIQUE = _words("capital ceo head headquarters namesake")
INVARIANT = _words("series species politics olympics physics mathematics news lens")


@dataclass(frozen=True)
class Phrase:
    """A relation's phrase and what it is made of."""

    shape: Shape
    text: str
    """What stands between subject and object; for a bare noun the noun, and for 'has as a part'
    ('Peru has Lima as a part') the verb."""
    noun: str = ""
    """What the subject is of the object ('is the capital of'), or the object of the subject."""
    link: str = ""
    """What joins the noun to the other entity: 'of', 'of the city', 'spoken in'."""
    definite: bool = False
    """Whether the phrase itself says 'the'."""


@lru_cache(maxsize=4096)
def read_phrase(text: str) -> Phrase:
    """The grammar of a relation's phrase.

    Args:
        text: A phrase in words, such as ``is the capital of`` or ``place of birth``.

    Returns:
        Its shape, completed to a verb phrase where words are missing.

    Example:
        >>> read_phrase("located in").text
        'is located in'
        >>> read_phrase("is the capital of").noun
        'capital'
        >>> read_phrase("place of birth").shape
        'noun'
    """
    words = text.strip(" :?.").split()
    joined = " ".join(words)
    if joined.lower() in SPECIAL:
        words = SPECIAL[joined.lower()].split()
        joined = " ".join(words)
    if not words:
        return Phrase("verb", "is related to")
    first = words[0].lower()
    if first in AUXILIARIES:
        return _copular(joined, words) or Phrase("verb", joined)
    if first in ("has", "have", "had", "includes") and len(words) > 3 and words[1] == "as":
        return Phrase("as", words[0], " ".join(words[2:]))
    if first in ("has", "have", "had"):
        return _has(joined, words)
    if _opens_verb(words):
        return Phrase("verb", joined)
    return _completed(joined, words)


def singular(noun: str) -> str:
    """A plural noun phrase in the singular; others come back unchanged.

    Example:
        >>> singular("countries within"), singular("cast members"), singular("status")
        ('country within', 'cast member', 'status')
    """
    words = noun.split()
    if not words:
        return noun
    after = (i for i, word in enumerate(words) if i and _modifies_after(words, i))
    place = next(after, len(words)) - 1
    words[place] = _singular_word(words[place])
    return " ".join(words)


def _modifies_after(words: list[str], place: int) -> bool:
    """Whether the noun ends before this word: 'countries | within', 'languages | spoken'."""
    word = words[place].lower()
    if word in PREPOSITIONS:
        return True
    participle = word in PARTICIPLES or word.endswith("ed")
    return participle and place == len(words) - 1 and words[place - 1].endswith("s")


def _singular_word(word: str) -> str:
    low = word.lower()
    if low == "children":
        return word[:-3]
    if len(low) < 4 or low in INVARIANT or low.endswith(("ss", "us", "is")) or low[-1] != "s":
        return word
    if low.endswith("ies"):
        return word[:-3] + "y"
    if low.endswith(("sses", "xes", "ches", "shes", "puses")):
        return word[:-2]
    return word[:-1]


def article(noun: str) -> str:
    """``a`` or ``an`` before a noun.

    Example:
        >>> article("island"), article("university"), article("hour")
        ('an', 'a', 'an')
    """
    low = noun.lower()
    if low.startswith(("uni", "usa", "use", "usu", "eu", "one", "ut")) and not low.startswith(
        "unin"
    ):
        return "a"
    return "an" if low[:1] in "aeiou" or low.startswith(("hour", "honor", "honour")) else "a"


def _copular(joined: str, words: list[str]) -> Phrase | None:
    """'is the N of', 'is a language spoken in', 'is the country of the city'."""
    if len(words) < 4 or words[1] not in ("the", "a", "an"):
        return None
    rest, definite = words[2:], words[1] == "the"
    if rest[-1] in PREPOSITIONS:
        noun, link = rest[:-1], rest[-1:]
    else:
        labels = [i for i in range(1, len(rest) - 1) if rest[i] in PREPOSITIONS]
        if not labels or rest[labels[-1] + 1] not in ("the", "a", "an"):
            return None
        noun, link = rest[: labels[-1]], rest[labels[-1] :]
    if not noun or {"that", "which"} & set(noun):
        return None
    return Phrase("copular", joined, " ".join(noun), " ".join(link), definite)


def _has(joined: str, words: list[str]) -> Phrase:
    match = re.fullmatch(r"ha(?:s|ve|d) (?:(the|an?) )?(.+)", joined)
    noun = match[2] if match else ""
    clause = {"that", "which", "the"} & set(noun.split()) or words[-1] in PREPOSITIONS
    if not match or clause or words[1] in PREPOSITIONS:  # 'has on its banks' names no noun
        return Phrase("verb", joined)
    return Phrase("has", joined, singular(noun), "of", match[1] == "the")


def _opens_verb(words: list[str]) -> bool:
    first = words[0].lower()
    if len(words) > 1 and first.endswith("ly"):
        return _opens_verb(words[1:])
    if first in IRREGULAR_PAST or first in INTRANSITIVE:
        return len(words) == 1 or words[1].lower() != "by"
    with_object = len(words) > 1 and words[1].lower() in ("the", "a", "an")
    if first.endswith("ed") and len(words) == 1:
        return True
    if with_object and first not in PREPOSITIONS:  # behind a noun stands no article
        return True
    return first.endswith("s") and bool(_bases(first) & VERBS)


def _bases(verb: str) -> set[str]:
    """What a verb's -s form may be made of."""
    found = {verb[:-1]}
    if verb.endswith("ies"):
        found.add(verb[:-3] + "y")
    if verb.endswith("es"):
        found.add(verb[:-2])
    return found | {base.rsplit("-", 1)[-1] for base in found}


def base_form(verb: str) -> str:
    """The plain form of a present verb: ``carries`` is ``carry``.

    Returns:
        The plain form, or an empty string where the word is no known present verb.
    """
    known = [base for base in _bases(verb) if base.rsplit("-", 1)[-1] in VERBS]
    return max(known, key=len) if known and verb.endswith("s") else ""


def past_base(verb: str) -> str:
    """The plain form of a verb in the past: ``carried`` is ``carry``, ``wrote`` is ``write``.

    Returns:
        The plain form, or an empty string where the word is no known past form.
    """
    if verb in IRREGULAR_PAST or not verb.endswith("ed"):
        return IRREGULAR_PAST.get(verb, "")
    ways = (verb[:-1], verb[:-2], verb[:-3] + "y" * verb.endswith("ied"))
    return next((way for way in ways if way in VERBS), "")


def _participle(noun: str) -> bool:
    last = noun.split()[-1]
    return last in PARTICIPLES or (last.endswith("ed") and " " in noun)


def _noun(joined: str) -> Phrase:
    labelled = re.fullmatch(r"(.+?) (with|in|at|from) the (\w+)", joined)
    if labelled:
        link = joined.removeprefix(labelled[1]).strip()
        before = article(labelled[1])
        return Phrase("copular", f"is {before} {joined}", labelled[1], link)
    noun = singular(joined.partition(",")[0].strip() or joined)
    return Phrase("noun", noun, noun, "by" if _participle(noun) else "of")


def _completed(joined: str, words: list[str]) -> Phrase:
    """Phrases without a verb: 'located in', 'capital of', 'place of birth', 'sibling'."""
    first, last = words[0].lower(), words[-1].lower()
    if first in ("member", "part") and len(words) > 2 and words[1].lower() == "of":
        return Phrase("verb", f"is a {joined}" if first == "member" else f"is {joined}")
    if last not in PREPOSITIONS or len(words) == 1:
        return _noun(joined)
    participle = words[-2].lower()
    if participle in PARTICIPLES or participle.endswith("ed"):
        if len(words) > 2 and not words[0].lower().endswith("ly"):
            return Phrase("noun", joined, joined, "")
        past = participle not in PRESENT_PARTICIPLES and last in ("by", "at", "after", "in", "on")
        return Phrase("verb", f"{'was' if past else 'is'} {joined}")
    noun = " ".join(words[:-1])
    if singular(noun) != noun or last in ("by", "within"):
        return Phrase("noun", singular(joined), singular(joined), "")
    definite = noun.lower() in UNIQUE
    before = "the" if definite else article(noun)
    return Phrase("copular", f"is {before} {joined}", noun, last, definite)
