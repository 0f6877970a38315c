"""The web interface as a part of the node: one server for pages and REST, one for health and metrics."""

from __future__ import annotations

from contextlib import ExitStack

from miqa_node.core.domain.delivery import REJECTION
from miqa_node.errors import NotFoundError
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.server import WebServer
from miqa_node.interfaces.web.services import WebServices
from miqa_node.parts import PartContext, PartKind, StartMoment
from miqa_node.stages.deliver.certificates import certificate_files
from miqa_node.stages.deliver.kinds.base import DeliveryContext, probe


class WebServers:
    """Both servers; their ports are taken when the node is made, so a taken one is said before anything starts."""

    def __init__(self, context: PartContext) -> None:
        services, settings = services_of(context), context.settings.web
        with ExitStack() as ending:
            self._pages = WebServer(create_app(services, pages_and_api=context.role.serves), settings)
            ending.callback(self._pages.stop)
            self._health = WebServer(create_app(services, pages_and_api=False), settings, health=True)
            ending.pop_all()
        self.port, self.health_port = self._pages.port, self._health.port
        self.threads = (*self._health.threads, *self._pages.threads)

    def start(self) -> None:
        """Answer requests, first those about health."""
        self._health.start()
        self._pages.start()

    def stop(self) -> None:
        """Finish open requests; monitoring programs are answered longest."""
        self._pages.stop()
        self._health.stop()


def services_of(context: PartContext) -> WebServices:
    """What pages and REST use of the node."""
    node, settings, destinations = context, context.settings, context.destinations

    def echo(name: str) -> str:
        config = destinations.current().get(name)
        if config is None:
            raise NotFoundError("No destination {destination} is configured here.", destination=name)
        return probe(config, DeliveryContext(settings.deliver, settings.dicom.ae_title))

    return WebServices(
        node.database,
        node.objects,
        settings,
        node.readiness,
        node.starting,
        node.pool.decode,
        archives=lambda: destinations.taking(REJECTION),
        decode_frame=node.pool.decode,
        uncompress=node.pool.uncompress,
        intake=node.intake if node.role.serves else None,
        policy=node.unit.judging.policy,
        node=node,
        look=node.look,
        destinations=lambda: tuple(destinations.current()),
        certificates=lambda: certificate_files(settings, destinations),
        echo=echo,
        models=node.models,
    )


PART = PartKind("web", WebServers, StartMoment.SERVING, role=None)
