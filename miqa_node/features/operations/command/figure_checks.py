"""What ``miqa-node doctor`` says of figures: whether the policy has one of the package that judges or is in trial.

Without one what it finds is experimental (core/domain/kept_figure.py): nothing is flagged, no image is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import ALL, Rule
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.errors import MiqaError
from miqa_node.interfaces.cli.site_choice import choice_of
from miqa_node.stages.assess.active import chosen_package
from miqa_node.stages.assess.card import BaseCard
from miqa_node.stages.assess.package_files import find_package
from miqa_node.stages.assess.sidecars import read_any_card


def figures_of_packages(settings: Settings) -> str:
    """Which packages the policy has no figures of, in which places, and what to do."""
    try:
        policy, packages = read_policy(settings.policy_file), list(_packages(settings))
    except MiqaError:  # the checks of the policy and of models name it
        return "not looked at"
    experiments = [text for card in packages if (text := _experiment(card, policy))]
    if not experiments:
        names = ", ".join(card.label for card in packages)
        return f"the policy lacks no figure of {names}" if packages else "no package judges"
    return (
        f"{'; '.join(experiments)}: what it finds there is experimental, flags nothing, and no image is accepted, "
        "until evidence of the rules there names it (docs/how-to/models.md, figures of your own package)"
    )


def _packages(settings: Settings) -> Iterator[BaseCard]:
    choice = choice_of(settings)
    in_trial = find_package(settings.model_folders, choice.shadow) if choice.shadow else None
    folders: tuple[Path | None, ...] = (chosen_package(settings, choice), in_trial)
    yield from (read_any_card(folder) for folder in dict.fromkeys(folders) if folder is not None)


def _experiment(card: BaseCard, policy: Policy) -> str:
    identity = ModelIdentity(card.name, card.version, "")
    rules = (one for one in policy.rules if one.what == ALL and _has_others_alone(one, identity, card))
    names = [one.where.name or one.line for one in rules]
    return f"no figure of {card.label} in {', '.join(names)}" if names else ""


def _has_others_alone(accepting: Rule, package: ModelIdentity, card: BaseCard) -> bool:
    """Whether the figures of a rule for ACCEPT, of the parts that the package judges, are all of others."""
    parts = STANDARD.body_parts.expanded(card.applicability.body_part) - {""}
    judged = [one for one in accepting.figures if not (parts and one.body_part) or parts & set(one.body_part)]
    return bool(judged) and all(one.package and not one.is_of(package) for one in judged)
