"""The whole story on the embedded default, told in acts.

Each act is a module with its settings, its `play` and what it found; an act knows only what the
acts before it left on disk. `story` puts them in a row.
"""

from accord.demo.act_align import AlignConfig as AlignConfig
from accord.demo.act_ask import AskConfig as AskConfig
from accord.demo.act_kale import KaleConfig as KaleConfig
from accord.demo.act_loop import CleanConfig as CleanConfig
from accord.demo.kale_questions import AskedConfig as AskedConfig
from accord.demo.story import DemoConfig as DemoConfig
from accord.demo.story import DemoResult as DemoResult
from accord.demo.story import run_demo as run_demo
