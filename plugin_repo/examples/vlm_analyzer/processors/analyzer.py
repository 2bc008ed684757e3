import asyncio
import hashlib
import pandas as pd

class VLMAnalyzerProcessor:
    def __init__(self, config=None, **kwargs):
        self.config = config or {}
        self._llm = config.get("llm_service")
        self.analysis_prompt = config.get(
            "prompt",
            "Describe this image. Return tags and a detailed description."
        )

    def _text_to_embedding(self, text, dim=384):
        """Deterministic text-to-embedding for analysis results."""
        h = hashlib.sha256(text.encode()).digest()
        return [((b % 200) - 100) / 100.0 for b in (h * (dim // 32 + 1))[:dim]]

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        loop = asyncio.new_event_loop()
        embeddings = []
        analyses = []
        tags_list = []

        for _, row in batch.iterrows():
            image_url = row.get("source_url", "")
            try:
                result = loop.run_until_complete(
                    self._llm.generate(
                        instruction=self.analysis_prompt,
                        images=[image_url],
                        provider="google",
                        model="gemini-2.5-flash",
                        schema={
                            "type": "object",
                            "properties": {
                                "description": {"type": "string"},
                                "tags": {"type": "array", "items": {"type": "string"}},
                            }
                        }
                    )
                )
                analysis = result.data
                analyses.append(analysis)
                tags_list.append(analysis.get("tags", []))
                embeddings.append(
                    self._text_to_embedding(analysis.get("description", ""))
                )
            except Exception:
                analyses.append({})
                tags_list.append([])
                embeddings.append([0.0] * 384)

        batch["vlm_embedding"] = embeddings
        batch["analysis"] = analyses
        batch["tags"] = tags_list
        return batch
