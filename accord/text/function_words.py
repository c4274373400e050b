"""English words that carry grammar, not content: seldom a mention, though some are names."""

from __future__ import annotations

import re

FUNCTION_WORDS = tuple(
    re.findall(
        r"\w+",
        """
        a about above after again against ago all almost also although always am among an and
        any are around as at away back be became because been before behind being below between
        both but by came can come could d did do does doing done down during each either else
        even ever every few first for from further get go goes got had has have having he her
        here hers herself him himself his how however i if in into is it its itself just last
        less let like ll m made make many may me might mine more most much must my myself near
        need neither never new next no nobody none nor not nothing now of off often on once one
        only onto or other others our ours out over own per quite rather re really s said same
        say see shall she should since so some still such t take than that the their theirs them
        themselves then there these they this those though through thus to together too toward
        towards under until up upon us ve very was we well went were what whatever when where
        whether which while who whom whose why will with within without would yes yet you your
        yours yourself
        """,
    )
)
"""Lower case, in alphabetical order; the last parts of contractions (``s``, ``ll``) among them."""
