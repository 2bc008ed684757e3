"""Models that are loaded when the first batch needs them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeVar

from mixpeek_dagster.errors import PluginError
from mixpeek_dagster.models.loading import ModelRequest, load_hf_model, load_model, load_tokenizer
from mixpeek_dagster.models.namespace import find_namespace_model, load_namespace_model

Method = TypeVar("Method", bound=Callable[..., Any])
ModelSource = Literal["huggingface", "namespace"]


class LazyModelMixin:
    """Gives a processor `get_model()`; what it loads is said by class attributes, which instances may override.

    `model_source` says where from: a model of the store or the hub by its Hugging Face id, or one that was uploaded to
    the namespace. For a model that `transformers` does not know, override `_instantiate_model`.
    """

    model_id: ClassVar[str] = ""
    model_class: ClassVar[str] = "AutoModel"
    tokenizer_class: ClassVar[str | None] = "AutoTokenizer"
    torch_dtype: ClassVar[str | None] = None
    device: ClassVar[str] = "cpu"
    concurrency: ClassVar[int] = 1
    """Calls at a time in a step of `ResourceType.API`: the model is in this process, threads would only share it."""
    model_source: ClassVar[ModelSource] = "huggingface"

    def get_model(self) -> tuple[Any, Any]:
        """The model, ready for inference, and its tokenizer; loaded by the first call in a process.

        Raises:
            PluginError: the class names no model, or a source that there is not.
            MixpeekError: as `load_model` or `load_namespace_model`.
        """
        if not self.model_id:
            raise self._wrong("model_id", "it is empty", 'Set it: model_id = "org/name"')
        if self.model_source not in ("huggingface", "namespace"):
            raise self._wrong("model_source", f"it is {self.model_source!r}", "Use huggingface or namespace")
        if self.model_source == "huggingface" and not self._instantiates():
            found = load_model(self._request())
            return found.model, found.tokenizer
        if not hasattr(self, "_own_model"):
            self._own_model = self._built()
        return self._own_model

    def ensure_model_loaded(self) -> None:
        """Load the model now.

        Raises:
            MixpeekError: as `get_model`.
        """
        self.get_model()

    @property
    def model(self) -> Any:
        """The model, loaded when first asked for."""
        return self.get_model()[0]

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, loaded when first asked for."""
        return self.get_model()[1]

    def _instantiate_model(self, data: dict[str, Any]) -> Any:
        """Build a model of its parts; override it for a model that `transformers` does not know.

        Args:
            data: what `load_hf_model` gives, or for a model of the namespace its state dict.
        """
        folder = find_namespace_model(self.model_id)
        if not folder.is_dir():
            fix = "Override _instantiate_model(self, data): build your model, load_state_dict(data), and return it"
            raise self._wrong("model_source", f"{self.model_id!r} is a state dict without a config", fix)
        return load_model(self._request(str(folder))).model

    def _built(self) -> tuple[Any, Any]:
        tokenizer = None
        if self.model_source == "huggingface":
            data = load_hf_model(self.model_id, self.model_class, self.tokenizer_class, self.torch_dtype)
            if self.tokenizer_class:
                tokenizer = load_tokenizer(self.tokenizer_class, data["model_dir"])
            return self._placed(self._instantiate_model(data)), tokenizer
        folder = find_namespace_model(self.model_id)
        if self.tokenizer_class and folder.is_dir():
            tokenizer = load_tokenizer(self.tokenizer_class, str(folder))
        data = load_namespace_model(self.model_id) if self._instantiates() else {}
        return self._placed(self._instantiate_model(data)), tokenizer

    def _placed(self, model: Any) -> Any:
        return model.to(self.device).eval() if hasattr(model, "eval") else model

    def _instantiates(self) -> bool:
        return type(self)._instantiate_model is not LazyModelMixin._instantiate_model

    def _request(self, place: str | None = None) -> ModelRequest:
        wanted = place or self.model_id
        return ModelRequest(wanted, self.model_class, self.tokenizer_class, self.torch_dtype, self.device)

    def _wrong(self, attribute: str, why: str, fix: str) -> PluginError:
        return PluginError(f"{type(self).__name__}.{attribute}", why=why, fix=fix)


def lazy_model(
    model_id: str,
    model_class: str = "AutoModel",
    tokenizer_class: str | None = "AutoTokenizer",
    torch_dtype: str | None = None,
    device: str = "cpu",
) -> Callable[[Method], Method]:
    """Decorate a processor's method: before its first call, `_model`, `_tokenizer` and `_device` of `self` are set.

    Raises:
        MixpeekError: as `load_model`, when the method is called.
    """
    wanted = ModelRequest(model_id, model_class, tokenizer_class, torch_dtype, device)

    def decorate(method: Method) -> Method:
        def prepare(self: Any) -> None:
            if getattr(self, "_model", None) is None:
                found = load_model(wanted)
                self._model, self._tokenizer, self._device = found.model, found.tokenizer, device

        @functools.wraps(method)
        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            prepare(self)
            return method(self, *arguments, **options)

        @functools.wraps(method)
        async def call_async(self: Any, *arguments: Any, **options: Any) -> Any:
            prepare(self)
            return await method(self, *arguments, **options)

        return call_async if inspect.iscoroutinefunction(method) else call  # type: ignore[return-value]

    return decorate
