"""The sign of life of a long errand: a thread that beats, tells pages what is being done, and notices a lost claim."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from types import TracebackType

from django.db import Error as DatabaseError
from django.db import connection

from changecontrol.models import Errand
from changecontrol.services.recording import WORKER, acting
from changecontrol.targets.outcome import Event

logger = logging.getLogger(__name__)

BEAT_SECONDS = 2.0


class Pulse(threading.Thread):
    """Beats while its block runs. `stop` is a reason once the claim on the errand is somebody else's."""

    def __init__(self, errand: Errand, *, clock: Callable[[], datetime]) -> None:
        super().__init__(name=f"pulse-{errand.pk}", daemon=True)
        self._errand_id, self._token, self._clock = errand.pk, errand.lease_token, clock
        self._said, self._lost = "", False
        self._ends = threading.Event()

    def __enter__(self) -> Pulse:
        """Begin to beat."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Beat no more."""
        self._ends.set()
        self.join(timeout=30)

    def say(self, text: str) -> None:
        """Note what is being done now; written with the next beat."""
        self._said = text[:300]

    def heard(self, event: Event) -> None:
        """Take an event of the engine as what is being done now."""
        self.say(event.text)

    def stop(self) -> str | None:
        """Return why the work must end now, or None."""
        return "another worker has taken this errand over" if self._lost else None

    def run(self) -> None:
        """Beat until the block ends; our own database may be away for a while."""
        while True:
            try:
                self._beat()
            except DatabaseError:
                logger.warning("errand %s: our database does not answer", self._errand_id)
                connection.close()
            if self._ends.wait(BEAT_SECONDS):
                break
        connection.close()

    def _beat(self) -> None:
        with acting(WORKER):
            mine = Errand.objects.filter(pk=self._errand_id, lease_token=self._token, state=Errand.State.RUNNING)
            self._lost = not mine.update(heartbeat_at=self._clock(), said=self._said)
