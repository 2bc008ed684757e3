"""Calls of an API step: in turn with all others of the provider, and again when a failure may pass."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import tenacity

from mixpeek_dagster.errors import ErrorCategory
from mixpeek_dagster.plugins.pipeline import Step
from mixpeek_dagster.rows.failures import CHECK_SERVICE, MAX_MESSAGE
from mixpeek_dagster.rows.state import Outcome
from mixpeek_dagster.rows.transient import is_transient, retry_after, status_of
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.steps.api_limits import CallStopped, gate_of

Result = TypeVar("Result")

_DEFAULT = "default"
_TOO_MANY = 429


class TriesSpent(Exception):
    """A call failed in all its tries.

    Args:
        last: what the last of them raised.
        tries: how many there were.
    """

    def __init__(self, last: BaseException, tries: int) -> None:
        super().__init__(str(last))
        self.last = last
        self.tries = tries


def provider_of(step: Step) -> str:
    """Whose API a step calls: `provider` of its config, else of its processor, else 'default'."""
    config = step.config
    in_config = config.get("provider") if isinstance(config, dict) else getattr(config, "provider", None)
    named = (in_config, getattr(step.target, "provider", None))
    return next((str(name) for name in named if isinstance(name, str) and name), _DEFAULT)


class ApiCalls:
    """An API step's way to its provider; used by all its threads.

    Args:
        step: the step.
        settings: with the limits of providers.
    """

    def __init__(self, step: Step, settings: Settings) -> None:
        self.provider = provider_of(step)
        self.limits = settings.limits_of(self.provider)
        self._gate = gate_of(self.provider, settings)
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()
        self._waited = 0.0

    def call(self, work: Callable[[], Result], stopped: threading.Event) -> Result:
        """What `work` gives, tried again with growing pauses as long as its failures may pass.

        Args:
            work: one call of the processor.
            stopped: set when nobody wants the result any more.

        Raises:
            TriesSpent: all tries failed.
            CallStopped: `stopped` was set before the first try.
            Exception: what `work` raised, if it will not pass by itself.
        """
        failed: list[Exception] = []

        def once() -> Result:
            try:
                return self._once(work, stopped)
            except CallStopped:
                raise
            except Exception as error:
                failed.append(error)
                raise

        try:
            return self._retrying(stopped)(once)
        except (tenacity.RetryError, CallStopped):
            if not failed:
                raise
            raise TriesSpent(failed[-1], len(failed)) from failed[-1]

    def _retrying(self, stopped: threading.Event) -> tenacity.Retrying:
        first, longest = self.limits.first_wait, self.limits.longest_wait
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_transient),
            stop=tenacity.stop_after_attempt(self.limits.tries) | tenacity.stop_when_event_set(stopped),
            wait=tenacity.wait_exponential_jitter(multiplier=first, max=longest, jitter=first),
            sleep=tenacity.sleep_using_event(stopped),
            before_sleep=self._note_retry,
        )

    def take_counters(self) -> Counter[str]:
        """Calls, tries after the first, and whole seconds spent waiting, since this was last asked."""
        with self._lock:
            seconds = int(self._waited)
            self._waited -= seconds
            taken, self._counted = self._counted, Counter()
        if seconds:
            taken["api_seconds_waited"] = seconds
        return taken

    def _once(self, work: Callable[[], Result], stopped: threading.Event) -> Result:
        with self._gate.passage(stopped) as waited:
            self._count("api_calls", waited)
            try:
                return work()
            except Exception as error:
                seconds = retry_after(error) if is_transient(error) else None
                if seconds is not None:
                    self._gate.pause(seconds)
                raise

    def _note_retry(self, state: Any) -> None:
        self._count("api_retries", state.upcoming_sleep)

    def _count(self, name: str, waited: float) -> None:
        with self._lock:
            self._counted[name] += 1
            self._waited += waited


def spent_outcome(error: TriesSpent, outcome: Outcome, provider: str) -> Outcome:
    """How the row fails: what the last try met with, how many there were, and what to do."""
    tried = f"after {error.tries} tries: " if error.tries > 1 else ""
    fix = CHECK_SERVICE
    if status_of(error.last) == _TOO_MANY:
        fix = f"Lower per_minute or concurrency of {provider!r} in MIXPEEK_API_LIMITS, then materialize again"
    message = f"{tried}{outcome.message}"[:MAX_MESSAGE]
    return replace(outcome, message=message, category=ErrorCategory.NETWORK, suggestion=fix)
