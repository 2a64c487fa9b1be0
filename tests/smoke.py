"""Run against the installed wheel, outside the tree, by ``nox -s wheel``: is everything in it that is needed?"""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import entry_points, metadata, version
from importlib.resources import files
from pathlib import Path

import aembed


async def main() -> None:
    async with aembed.EmbedderFactory(aembed.Config()) as factory:
        mock = await factory.new_embedder("mock")
        assert (await mock.embed_documents(["one", "two"])).shape == (2, 128)
        if "--local" in sys.argv:
            local = await factory.new_embedder()
            near, far = await local.embed_documents(["A cat sat on the mat.", "Interest rates rose again."])
            query = await local.embed_query("Where is the cat?")
            assert query @ near > query @ far


package = files("aembed")
assert Path(str(package)).resolve().is_relative_to(Path(sys.prefix).resolve()), f"{package} is not the installed one"
assert (package / "py.typed").is_file()
assert (package / "providers" / "_packaged" / "data" / "all-MiniLM-L6-v2.vocab.txt").is_file()
assert (package / "providers" / "_packaged" / "data" / "NOTICE").is_file()
assert version("aembed") == aembed.__version__
assert metadata("aembed")["License-Expression"] == "Apache-2.0"
assert [each.value for each in entry_points(group="console_scripts", name="aembed")] == ["aembed_command:main"]
assert [each.value for each in entry_points(group="pytest11", name="aembed")] == ["aembed_pytest"]
asyncio.run(main())
