"""The deployer: `python -m mixpeek_dagster.deployer --port PORT`. `mixpeek up` starts it."""

from __future__ import annotations

import argparse
import logging
import signal
import threading

import uvicorn

from mixpeek_dagster.deployer.callers import Callers
from mixpeek_dagster.deployer.controller import Controller
from mixpeek_dagster.deployer.gateway.router import Router
from mixpeek_dagster.deployer.hosting.local import LocalHost
from mixpeek_dagster.deployer.hosting.supervisor import ServiceSupervisor
from mixpeek_dagster.http.error_replies import ErrorReplies
from mixpeek_dagster.http.request_id import RequestIds
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import open_stores


def main() -> None:
    """Reconcile and route until a signal comes; the services end then, too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port of the router, on loopback")
    port = parser.parse_args().port
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = Settings.load()
    with open_stores(settings) as stores:
        host = LocalHost(settings)
        supervisor = ServiceSupervisor(host, settings)
        controller = Controller(stores, host, supervisor)
        callers = Callers(stores.catalog, settings)
        router = Router(callers.identify, callers.explain, supervisor.wake, supervisor.touch, settings)
        supervisor.on_change = router.show
        app = RequestIds(ErrorReplies(router))
        server = uvicorn.Server(
            uvicorn.Config(app, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        )
        # Before the router answers, or it would deny what goes on.
        controller.recover()
        reconciling = threading.Thread(target=_reconcile, args=(controller, server), name="reconcile")
        reconciling.start()
        try:
            server.run()
        finally:
            controller.stop()
            reconciling.join()
            supervisor.close()


def _reconcile(controller: Controller, server: uvicorn.Server) -> None:
    try:
        controller.run()
    except BaseException:
        # A router without a controller would keep answering for services that nobody looks after.
        server.should_exit = True
        raise


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
