"""What limits find of simulated defects on the stored originals of a node, by the packages in force."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.site_limit import LimitProposal
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError
from miqa_node.features.limits.simulate import with_second_side
from miqa_node.interfaces.cli.site_choice import choice_of
from miqa_node.runtime.site_records import site_limits
from miqa_node.runtime.store.site_store import open_store
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.active import ActiveModels
from miqa_node.stages.assess.sidecars import SidecarModels
from miqa_node.stages.units.kinds import image_traits
from miqa_node.stages.units.rows import instances


def tried_on_own_images(
    settings: Settings, policy: Policy, proposal: LimitProposal, images: Sequence[Assessment]
) -> LimitProposal:
    """The proposal with its second side; without it where no original is left.

    ``policy`` is the site's file; what is found today is so with the limits in force.
    """
    choice = choice_of(settings)
    models = ActiveModels(settings, lambda: choice)
    assessor = SidecarModels(settings, models.assessor, lambda: policy)
    database, objects = open_store(settings)
    with database.begin() as transaction:
        in_force = site_limits.current(transaction)

    def read(digest: InstanceDigest) -> tuple[Header, Radiograph] | None:
        try:
            with database.begin() as transaction:
                stored = instances.load(transaction, digest)
            return stored.header, pool.decode(objects.local_path(stored.object_key), 0)
        except MiqaError:  # a proposal is worth more than its second side
            return None

    def judge(header: Header, radiograph: Radiograph, digest: InstanceDigest) -> Assessment:
        return assessor.assess(header, radiograph, digest, image_traits(header)).assessment

    try:
        with WorkerPool(settings) as pool:
            return with_second_side(proposal, images, policy, in_force, read, judge)
    finally:
        database.close()
