"""The first step: a caption and tags for each picture."""

import asyncio
from typing import Any

import pandas as pd

AT_ONCE = 8
ANSWER = {
    "type": "object",
    "properties": {"caption": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["caption"],
}


class Captioner:
    """Asks about the pictures of a batch, `AT_ONCE` of them at a time.

    A question that times out leaves its row without a caption, which fails that row alone; any other error is the
    batch's, so that the step's retries see it.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._llm = config["llm"]
        self.prompt: str = config["prompt"]

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        answers = asyncio.run(self._ask_all(batch["data"].tolist()))
        batch["caption"] = [answer.get("caption") for answer in answers]
        batch["tags"] = [answer.get("tags", []) for answer in answers]
        return batch

    async def _ask_all(self, urls: list[str]) -> list[dict[str, Any]]:
        free = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(self._ask(url, free) for url in urls))

    async def _ask(self, url: str, free: asyncio.Semaphore) -> dict[str, Any]:
        async with free:
            try:
                reply = await self._llm.generate(
                    instruction=self.prompt, images=[url], provider="google", model="gemini-2.5-flash", schema=ANSWER
                )
            except TimeoutError:
                return {}
            answer: dict[str, Any] = reply.data
            return answer
