"""Models that are loaded when the first batch needs them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from mixpeek_dagster.errors import PluginError
from mixpeek_dagster.models.loading import ModelRequest, load_model

Method = TypeVar("Method", bound=Callable[..., Any])


class LazyModelMixin:
    """Gives a processor `get_model()`; what it loads is said by class attributes, which instances may override."""

    model_id: ClassVar[str] = ""
    model_class: ClassVar[str] = "AutoModel"
    tokenizer_class: ClassVar[str | None] = "AutoTokenizer"
    torch_dtype: ClassVar[str | None] = None
    device: ClassVar[str] = "cpu"
    concurrency: ClassVar[int] = 1
    """Calls at a time in a step of `ResourceType.API`: the model is in this process, threads would only share it."""

    def get_model(self) -> tuple[Any, Any]:
        """The model, ready for inference, and its tokenizer; loaded by the first call in a process.

        Raises:
            PluginError: the class names no model.
            MixpeekError: as `load_model`.
        """
        if not self.model_id:
            raise PluginError(f"{type(self).__name__}.model_id", why="it is empty", fix='Set it: model_id = "org/name"')
        found = load_model(
            ModelRequest(self.model_id, self.model_class, self.tokenizer_class, self.torch_dtype, self.device)
        )
        return found.model, found.tokenizer


def lazy_model(
    model_id: str,
    model_class: str = "AutoModel",
    tokenizer_class: str | None = "AutoTokenizer",
    torch_dtype: str | None = None,
    device: str = "cpu",
) -> Callable[[Method], Method]:
    """Decorate a processor's method: before its first call, `self._model` and `self._tokenizer` are set.

    Raises:
        MixpeekError: as `load_model`, when the method is called.
    """
    wanted = ModelRequest(model_id, model_class, tokenizer_class, torch_dtype, device)

    def decorate(method: Method) -> Method:
        def prepare(self: Any) -> None:
            if getattr(self, "_model", None) is None:
                found = load_model(wanted)
                self._model, self._tokenizer = found.model, found.tokenizer

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
