"""What the service of openai/whisper-large-v3-turbo may be told."""

from mixpeek_dagster.inference.speech.service import TranscriptionConfig as InferenceConfigs

__all__ = ["InferenceConfigs"]
