from pydantic import BaseModel, Field


class SpeechInput(BaseModel):
    transcription: str = Field("", description="What is said; of a text, the text itself")


class SpeechParams(BaseModel):
    transcriber: str = Field(
        default="openai/whisper-tiny.en",
        description="Built-in service that transcribes; openai/whisper-large-v3-turbo knows more languages and words",
    )
    language: str | None = Field(default=None, description="Language of the speech; none = found out")


metadata = {
    "feature_extractor_name": "speech_search",
    "version": "1.0.0",
    "description": "Transcribes speech and embeds what is said, so that words find it",
    "category": "audio",
}

input_schema = SpeechInput
output_schema = {
    "transcription": {"type": "string"},
    "embedding": {"type": "array", "items": {"type": "number"}},
}
parameter_schema = SpeechParams
# Texts skip the first step: notes are found beside recordings, and so are the words of a search.
supported_input_types = ["audio", "text"]
# With intfloat/multilingual-e5-large-instruct in pipeline.py, 1024.
features = [
    {"feature_type": "embedding", "feature_name": "embedding", "embedding_dim": 384, "distance_metric": "cosine"},
]
